namespace AdaptiveSoftmax.Vocabulary;

/// <summary>
/// What products and memory cost on a machine, as <c>adaptive-softmax calibrate</c> measures it: the ground of every
/// predicted time.
/// </summary>
public sealed partial record MachineProfile
{
    /// <summary>No time of a file is longer, in nanoseconds; sums of times then stay numbers.</summary>
    internal const double LongestTime = 1e12;

    /// <summary>What the machine is called, for people.</summary>
    public required string Name { get; init; }

    /// <summary>
    /// The device that was measured, as a command line names it, for example <c>cuda:0</c>; null for the processor. Each step of a
    /// device launches the kernels of every tail, which end at once where nothing visits it, so that the fixed times of tails
    /// are always paid.
    /// </summary>
    public string? Device { get; init; }

    /// <summary>The threads that the times hold for; 1 where a device was measured.</summary>
    public required int Threads { get; init; }

    /// <summary>A row of a weight in a training step, for weights that no cache holds: logits, loss and gradients, without the update.</summary>
    public required ProductTimes Training { get; init; }

    /// <summary>A row of a weight that caches hold in greedy decoding.</summary>
    public required ProductTimes Greedy { get; init; }

    /// <summary>
    /// The same where the most probable tokens are asked for, without what it takes to keep them; null for a device, which decodes
    /// greedily alone.
    /// </summary>
    public required ProductTimes? TopK { get; init; }

    /// <summary>The same where a token is drawn; null for a device.</summary>
    public required ProductTimes? Sampling { get; init; }

    /// <summary>
    /// What greedy decoding of several tokens together takes for a row of a weight that no cache holds; null where that was not
    /// measured. Products wait for weights that come from afar, and do so more than a single token's does.
    /// </summary>
    public ProductTimes? FarGreedy { get; init; }

    /// <summary>The same of drawing, and of asking for the most probable tokens.</summary>
    public ProductTimes? FarSampling { get; init; }

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

    /// <summary>The fixed nanoseconds of the head in decoding one token.</summary>
    public required double DecodingHeadTime { get; init; }

    /// <summary>The fixed nanoseconds of a tail that decoding one token visits.</summary>
    public required double DecodingTailTime { get; init; }

    /// <summary>The fixed nanoseconds of the head in decoding several tokens together.</summary>
    public required double BatchHeadTime { get; init; }

    /// <summary>The fixed nanoseconds of a tail that decoding several tokens together visits.</summary>
    public required double BatchTailTime { get; init; }

    /// <summary>
    /// The nanoseconds that a call which decodes one token greedily takes beyond its products, the memory that they read and the fixed
    /// times of its clusters; 0 where that was not measured.
    /// </summary>
    public double GreedyCallTime { get; init; }

    /// <summary>The same of a call that asks for the most probable tokens, without what each of these takes.</summary>
    public double TopKCallTime { get; init; }

    /// <summary>The same of a call that draws a token.</summary>
    public double SamplingCallTime { get; init; }

    /// <summary>The nanoseconds of each of the most probable tokens that such a call asks for, beside <see cref="SelectionTime"/>; 0 where that was not measured.</summary>
    public double CandidateTime { get; init; }

    /// <summary>Whether the profile has the times of a use: one of the processor has all, one of a device those of training and greedy decoding.</summary>
    /// <param name="use">What the softmax does.</param>
    public bool HasTimesOf(SoftmaxUse use) => use switch
    {
        SoftmaxUse.TopK => TopK is not null,
        SoftmaxUse.Sampling or SoftmaxUse.Serving => Sampling is not null,
        _ => true,
    };

    // The bytes of the weights that decoding was measured with: those that caches hold, and those that none does.
    internal const long NearBytes = 2L << 20;
    internal const long FarBytes = 32L << 20;

    /// <summary>The times of a use with several tokens together whose weights come from afar.</summary>
    internal ProductTimes? FarTimesOf(SoftmaxUse use) => use switch
    {
        SoftmaxUse.Greedy => FarGreedy,
        SoftmaxUse.TopK or SoftmaxUse.Sampling => FarSampling,
        _ => null,
    };

    /// <summary>How much of the way from near weights to far ones a distance is, from 0 to 1, by how much slower memory is there.</summary>
    /// <param name="bytes">The bytes that are read from one reading of a weight to the next, its own included.</param>
    internal double FarShare(double bytes)
    {
        var (near, far, here) = (Memory.Read(1, NearBytes), Memory.Read(1, FarBytes), Memory.Read(1, bytes));
        return far > near ? Math.Max(0, Math.Min(1, (here - near) / (far - near))) : bytes < FarBytes ? 0 : 1;
    }

    /// <summary>The times of a use other than serving, which is half greedy decoding and half drawing.</summary>
    /// <param name="use">What the softmax does.</param>
    /// <exception cref="ArgumentOutOfRangeException">The use has no times of its own.</exception>
    /// <exception cref="NotSupportedException">The profile has no times of the use.</exception>
    internal ProductTimes TimesOf(SoftmaxUse use) => use switch
    {
        SoftmaxUse.Training => Training,
        SoftmaxUse.Greedy => Greedy,
        SoftmaxUse.TopK => TopK,
        SoftmaxUse.Sampling => Sampling,
        _ => throw new ArgumentOutOfRangeException(nameof(use), use, "The use has no times of its own."),
    } ?? throw new NotSupportedException($"The profile of {Name} has no times of {(use == SoftmaxUse.TopK ? "top-k decoding" : "drawing")}; a device's has those of training and greedy decoding.");
}
