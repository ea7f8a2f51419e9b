namespace AdaptiveSoftmax.Benchmarks;

/// <summary>What <c>compare</c> knows by name.</summary>
internal static class Comparisons
{
    public static IReadOnlyList<IComparison> All { get; } =
    [
        new LookupComparison(),
        new TrainComparison(),
        new TorchTrainComparison(),
        new TorchTrainFullComparison(),
        new DecodeComparison(),
        new TopKComparison(),
        new SampleComparison(),
        new BatchDecodeComparison(),
        new TorchDecodeComparison(),
        new TorchDecodeAdaptiveComparison(),
        new MetricsComparison(),
        new GenerateColdComparison(),
        new GenerateEditComparison(),
    ];
}
