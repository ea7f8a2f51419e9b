namespace AdaptiveSoftmax.Vocabulary;

/// <summary>
/// What products and memory cost on a machine, as <c>adaptive-softmax calibrate</c> measures it: the ground of every
/// predicted time.
/// </summary>
public sealed partial record MachineProfile
{
    /// <summary>What the machine is called, for people.</summary>
    public required string Name { get; init; }

    /// <summary>The threads that the times hold for.</summary>
    public required int Threads { get; init; }

    /// <summary>A row of a weight in a training step, for weights that no cache holds: logits, loss and gradients, without the update.</summary>
    public required ProductTimes Training { get; init; }

    /// <summary>A row of a weight that caches hold in greedy decoding.</summary>
    public required ProductTimes Greedy { get; init; }

    /// <summary>The same where the most probable tokens are asked for, without what it takes to keep them.</summary>
    public required ProductTimes TopK { get; init; }

    /// <summary>The same where a token is drawn.</summary>
    public required ProductTimes Sampling { get; init; }

    /// <summary>
    /// The nanoseconds of keeping one of the k most probable tokens that were found so far; of n tokens in no order
    /// k (1 + ln(n / k)) are kept on the way.
    /// </summary>
    public required double SelectionTime { get; init; }

    /// <summary>How fast decoding one token reads a weight, by how large the weight is.</summary>
    public required MemoryTimes Memory { get; init; }

    /// <summary>The nanoseconds in which AdamW updates a weight: it reads weight, gradient and two moments, and writes three.</summary>
    public required double UpdateTime { get; init; }

    /// <summary>The fixed nanoseconds of the head in a training step.</summary>
    public required double TrainingHeadTime { get; init; }

    /// <summary>The fixed nanoseconds of a tail that a training step visits.</summary>
    public required double TrainingTailTime { get; init; }

    /// <summary>The fixed nanoseconds of the head in a decoding step.</summary>
    public required double DecodingHeadTime { get; init; }

    /// <summary>The fixed nanoseconds of a tail that a decoding step visits.</summary>
    public required double DecodingTailTime { get; init; }

    /// <summary>The times of a use other than serving, which is half greedy decoding and half drawing.</summary>
    /// <param name="use">What the softmax does.</param>
    /// <exception cref="ArgumentOutOfRangeException">The use has no times of its own.</exception>
    internal ProductTimes TimesOf(SoftmaxUse use) => use switch
    {
        SoftmaxUse.Training => Training,
        SoftmaxUse.Greedy => Greedy,
        SoftmaxUse.TopK => TopK,
        SoftmaxUse.Sampling => Sampling,
        _ => throw new ArgumentOutOfRangeException(nameof(use), use, "The use has no times of its own."),
    };
}
