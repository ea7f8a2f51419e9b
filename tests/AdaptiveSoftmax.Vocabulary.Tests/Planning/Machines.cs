namespace AdaptiveSoftmax.Vocabulary.Tests.Planning;

/// <summary>Made-up machines, on which clusters pay in vocabularies that can be searched exhaustively.</summary>
internal static class Machines
{
    /// <summary>Rows take 1 a value and 2 a token; visits and updates cost a little.</summary>
    public static MachineProfile Small { get; } = Create(fixedTime: 30, update: 0.5);

    /// <summary>The same as a device, on which launches of tails are most of what a small one costs.</summary>
    public static MachineProfile Device { get; } = Create(fixedTime: 30, update: 0.5) with { Device = "cuda", TopK = null, Sampling = null };

    /// <summary>The same as <see cref="Small"/>, on which calls take time beyond their products.</summary>
    public static MachineProfile WithCalls { get; } = Create(fixedTime: 30, update: 0.5) with { GreedyCallTime = 11, SamplingCallTime = 13, TopKCallTime = 17, CandidateTime = 5 };

    public static MachineProfile Create(double fixedTime, double update)
    {
        var times = Times((width, batch) => (width * (2 + batch)) + (3 * batch));
        return new MachineProfile
        {
            Name = "small",
            Threads = 1,
            Training = times,
            Greedy = Times((width, batch) => width * (1 + batch)),
            TopK = Times((width, batch) => width * (1 + batch) + 7),
            Sampling = Times((width, batch) => (width * (1 + batch)) + (2 * batch)),
            SelectionTime = 3,
            Memory = new MemoryTimes([64, 4096], [8, 2]),
            UpdateTime = update,
            TrainingHeadTime = fixedTime,
            TrainingTailTime = fixedTime / 2,
            DecodingHeadTime = fixedTime,
            DecodingTailTime = fixedTime / 3,
            BatchHeadTime = fixedTime * 2,
            BatchTailTime = fixedTime / 2,
        };
    }

    private static ProductTimes Times(Func<int, int, double> time)
    {
        int[] widths = [1, 4, 16];
        int[] batches = [1, 8, 32];
        return new ProductTimes(new EquatableArray<int>(widths), new EquatableArray<int>(batches), new EquatableArray<double>(widths.SelectMany(width => batches.Select(batch => time(width, batch)))));
    }
}
