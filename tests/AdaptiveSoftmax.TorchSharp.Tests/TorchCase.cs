using static TorchSharp.torch;

namespace AdaptiveSoftmax.TorchSharp.Tests;

/// <summary>Arguments of a module, its targets, and the projection widths that PyTorch gives them.</summary>
internal sealed record TorchCase(string Name, int Hidden, int Classes, int[] Cutoffs, double DivValue, bool HeadBias, long[] Targets, int[] Widths)
{
    private static readonly long[] s_mixed = [0, 19, 5, 20, 39, 21, 7, 59, 60, 99, 3, 98, 41];

    public static readonly TorchCase[] All =
    [
        new("one cutoff", 16, 100, [40], 4, false, s_mixed, [4]),
        new("two cutoffs", 16, 100, [20, 60], 4, false, s_mixed, [4, 1]),
        new("three cutoffs, div 2", 16, 100, [20, 60, 80], 2, true, s_mixed, [8, 4, 2]),
        new("four cutoffs, div 1", 16, 100, [20, 40, 60, 98], 1, false, s_mixed, [16, 16, 16, 16]),
        new("five cutoffs, div 1.6", 512, 100, [20, 21, 40, 60, 99], 1.6, true, s_mixed, [319, 199, 124, 78, 48]),
        new("div 10", 100, 100, [20, 60], 10, false, s_mixed, [10, 1]),
        new("div below 1", 8, 100, [20, 60], 0.5, false, s_mixed, [16, 32]),
        new("hidden not divisible", 13, 100, [20, 60], 3, true, s_mixed, [4, 1]),
        new("one cluster only", 16, 100, [20, 60], 4, false, [60, 99, 70, 60], [4, 1]),
        new("shortlist only", 16, 100, [20, 60], 4, false, [0, 19, 3], [4, 1]),
        new("no target in a cluster", 16, 100, [20, 60], 4, true, [0, 99, 3], [4, 1]),
        new("batch of one", 16, 100, [20, 60], 4, false, [25], [4, 1]),
        new("a shortlist of one", 16, 100, [1, 2, 99], 2, false, [0, 1, 2, 98, 99], [8, 4, 2]),
    ];

    public static TheoryData<string> Names => [.. All.Select(one => one.Name)];

    public static TorchCase Find(string name) => All.Single(one => one.Name == name);

    public AdaptiveLogSoftmaxWithLoss Create(ScalarType type = ScalarType.Float64, long ignoreIndex = -100, double smoothing = 0, nn.Reduction reduction = nn.Reduction.Mean)
    {
        manual_seed(7);
        return new AdaptiveLogSoftmaxWithLoss(Hidden, Classes, [.. Cutoffs.Select(cutoff => (long)cutoff)], DivValue, HeadBias, dtype: type, ignore_index: ignoreIndex, label_smoothing: smoothing, reduction: reduction);
    }

    public Tensor Input(ScalarType type = ScalarType.Float64) => (randn(Targets.Length, Hidden, ScalarType.Float64, generator: new Generator(3)) * 3).to(type);

    public Tensor Target() => tensor(Targets);
}
