namespace AdaptiveSoftmax.Benchmarks;

/// <summary>A backward pass for a body that does not learn against one for a body that does.</summary>
internal sealed class FixedBodyComparison : IComparison
{
    private const int HiddenSize = 512;
    private const int BatchSize = 256;

    public string Name => "train-fixed-body";

    public string Description => "Loss and gradients of the weights alone (256 targets from real text, hidden 512, o200k_base) against those of the hidden vectors too.";

    public double Run(ComparisonSession session)
    {
        var (slots, plan) = TrainingText.Load(HiddenSize, session);
        using var layer = new DynamicAdaptiveSoftmax(plan.Layout);
        var hidden = new float[BatchSize * HiddenSize];
        var gradient = new float[hidden.Length];
        var random = new Random(1);
        for (var i = 0; i < hidden.Length; i++) hidden[i] = (float)((2 * random.NextDouble()) - 1);
        return session.Compare(
            "pass", 1,
            new Contender("without the hidden vectors' gradient", () => BitConverter.SingleToInt32Bits(layer.Backward(hidden, slots.AsSpan(0, BatchSize)))),
            [new Contender("with it", () => BitConverter.SingleToInt32Bits(layer.Backward(hidden, slots.AsSpan(0, BatchSize), gradient)))]);
    }
}
