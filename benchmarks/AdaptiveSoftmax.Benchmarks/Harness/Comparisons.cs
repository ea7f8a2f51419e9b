using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax.Benchmarks;

/// <summary>What <c>compare</c> knows by name.</summary>
internal static class Comparisons
{
    private static readonly QuantizationOptions s_bfloat16 = new() { Head = WeightPrecision.BFloat16, Tails = WeightPrecision.BFloat16 };
    private static readonly QuantizationOptions s_int4 = new() { Head = WeightPrecision.Int4, Tails = WeightPrecision.Int4 };

    public static IReadOnlyList<IComparison> All { get; } =
    [
        new LookupComparison(),
        new CountComparison(),
        new OddComparison(),
        new PlanComparison(),
        new TrainComparison(),
        new FixedBodyComparison(),
        new TorchTrainComparison(),
        new TorchTrainFullComparison(),
        new ScaleComparison(),
        new DecodeComparison(),
        new TopKComparison(),
        new SampleComparison(),
        new BatchDecodeComparison(),
        new TorchDecodeComparison(),
        new TorchDecodeAdaptiveComparison(),
        new SmallWeightsComparison("decode-int8", "int8", layer => layer.Quantize()),
        new SmallWeightsComparison("decode-int4", "int4", layer => layer.Quantize(s_int4)),
        new SmallWeightsComparison("decode-bf16", "bfloat16", layer => layer.Quantize(s_bfloat16)),
        new SmallWeightsComparison("decode-certified", "certified int8", layer => layer.Certify()),
        new DenseDecodeComparison(),
        new DenseSampleComparison(),
        new DenseBatchComparison(),
        new LoadComparison(),
        new LimitComparison(),
        new MigrateComparison(),
        new AdoptComparison(),
        new ExtendComparison(),
        new MetricsComparison(),
        new GenerateColdComparison(),
        new GenerateEditComparison(),
        new GenerateSessionComparison(),
    ];
}
