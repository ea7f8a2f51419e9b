namespace AdaptiveSoftmax.Vocabulary;

public sealed partial record MachineProfile
{
    private static readonly EquatableArray<int> s_widths = new([16, 64, 128, 256, 512, 1024]);
    private static readonly EquatableArray<int> s_batches = new([1, 2, 4, 5, 16, 32, 64, 256]);

    /// <summary>
    /// A machine with two cores and 512-bit vectors, as it was measured. Cutoffs hang on ratios alone and so hold well beyond
    /// it; predicted times are its own.
    /// </summary>
    public static MachineProfile Default { get; } = CreateDefault();

    private static MachineProfile CreateDefault()
    {
        // Asking for the best k takes what drawing takes: both look at each logit once more.
        var sampling = Table([
            1.76, 32, 35.6, 40, 52.2, 61, 131, 554,
            3.02, 71.1, 73.1, 76.2, 92.3, 83.9, 133, 559,
            4.79, 102, 107, 108, 123, 88.3, 173, 708,
            8.45, 213, 213, 213, 233, 133, 256, 1040,
            15.8, 427, 436, 434, 463, 224, 436, 1820,
            29.3, 890, 910, 914, 981, 395, 780, 3280]);
        return new MachineProfile
        {
            Name = "a machine with two cores (built in)",
            Threads = 2,
            Training = Table([
                6.86, 9.06, 14.8, 31.6, 52.6, 78.8, 127, 506,
                16.6, 25.6, 27.1, 69.1, 78, 94.4, 146, 621,
                78.4, 89.3, 92.5, 156, 174, 183, 318, 1080,
                124, 144, 154, 312, 349, 376, 580, 2440,
                313, 277, 521, 835, 727, 776, 1260, 4580,
                627, 690, 865, 1690, 1460, 1640, 2560, 9270]),
            Greedy = Table([
                0.748, 1.52, 3.08, 3.88, 18.6, 12.4, 22.4, 115,
                1.71, 3.44, 6.92, 8.36, 39.2, 25.3, 48.6, 196,
                3.56, 7.11, 14.2, 17.8, 75.9, 43.4, 86.1, 343,
                7.27, 14.6, 29.4, 36.9, 148, 81.7, 158, 647,
                14.5, 29, 58.2, 73.1, 302, 159, 309, 1240,
                24.6, 49.8, 99.9, 125, 581, 313, 648, 2650]),
            TopK = sampling,
            Sampling = sampling,
            SelectionTime = 19,
            Memory = new MemoryTimes(new EquatableArray<long>([1 << 20, 4 << 20, 16 << 20, 64 << 20, 256 << 20]), new EquatableArray<double>([140, 140, 120, 60, 48])),
            UpdateTime = 0.62,
            TrainingHeadTime = 2200,
            TrainingTailTime = 1800,
            DecodingHeadTime = 400,
            DecodingTailTime = 200,
            BatchHeadTime = 400,
            BatchTailTime = 200,
        };
    }

    private static ProductTimes Table(double[] nanoseconds) => new(s_widths, s_batches, new EquatableArray<double>(nanoseconds));
}
