using AdaptiveSoftmax.Vocabulary;
using ILGPU.Runtime;

namespace AdaptiveSoftmax.Gpu.Planning;

/// <summary>What launching and waiting take, however small the head and a tail are, in nanoseconds.</summary>
/// <param name="Propagation">Loss and gradients of a head.</param>
/// <param name="Update">The update of a head.</param>
/// <param name="TrainingTail">What a tail adds to both.</param>
/// <param name="OneHead">Decoding one token with a head.</param>
/// <param name="OneTail">What a tail adds to it.</param>
/// <param name="BatchHead">Decoding several tokens with a head.</param>
/// <param name="BatchTail">What a tail adds to it.</param>
internal sealed record DeviceFixedTimes(double Propagation, double Update, double TrainingTail, double OneHead, double OneTail, double BatchHead, double BatchTail)
{
    private const int Width = 16;
    private const int Tokens = 64;
    private const int Batch = 16;

    public static DeviceFixedTimes Measure(Accelerator accelerator, StepWatch watch)
    {
        using var full = new DeviceProbe(accelerator, SoftmaxLayout.CreateFull(Width, Tokens), Batch);
        using var tailed = new DeviceProbe(accelerator, SoftmaxLayout.Create(Width, Tokens, [1], [Width]), Batch);
        var (propagation, update) = (full.Propagate(watch, tokens: 1), full.Update(watch));
        var (one, batch) = (full.Predict(watch, tokens: 1), full.Predict(watch, Batch));
        return new DeviceFixedTimes(
            propagation,
            update,
            Added(propagation + update, tailed.Propagate(watch, tokens: 1) + tailed.Update(watch)),
            one,
            Added(one, tailed.Predict(watch, tokens: 1)),
            batch,
            Added(batch, tailed.Predict(watch, Batch)));
    }

    // A tail has launches, so it is not for nothing, whatever the runs say.
    private static double Added(double head, double both) => Math.Max(head / 10, both - head);
}
