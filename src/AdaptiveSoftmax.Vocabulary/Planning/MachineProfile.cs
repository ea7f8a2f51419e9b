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

    /// <summary>The same where the 40 most probable tokens are asked for.</summary>
    public required ProductTimes TopK { get; init; }

    /// <summary>The same where a token is drawn.</summary>
    public required ProductTimes Sampling { get; init; }

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

    /// <summary>The times of a use; a server's are halfway between greedy decoding and drawing.</summary>
    /// <param name="use">What the softmax does.</param>
    /// <exception cref="ArgumentOutOfRangeException">The use is not defined.</exception>
    public ProductTimes TimesOf(SoftmaxUse use) => use switch
    {
        SoftmaxUse.Training => Training,
        SoftmaxUse.Greedy => Greedy,
        SoftmaxUse.TopK => TopK,
        SoftmaxUse.Sampling => Sampling,
        SoftmaxUse.Serving => Halfway(Greedy, Sampling),
        _ => throw new ArgumentOutOfRangeException(nameof(use), use, "The use is not defined."),
    };

    private static ProductTimes Halfway(ProductTimes left, ProductTimes right)
    {
        var times = new double[left.Nanoseconds.Count];
        for (var width = 0; width < left.Widths.Count; width++)
        {
            for (var batch = 0; batch < left.Batches.Count; batch++)
            {
                var index = (width * left.Batches.Count) + batch;
                times[index] = (left.Nanoseconds[index] + right.At(left.Widths[width], left.Batches[batch])) / 2;
            }
        }

        return new ProductTimes(left.Widths, left.Batches, new EquatableArray<double>(times));
    }
}
