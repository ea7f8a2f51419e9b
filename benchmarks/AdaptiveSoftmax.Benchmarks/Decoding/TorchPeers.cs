using AdaptiveSoftmax.TorchSharp;
using static TorchSharp.torch;

namespace AdaptiveSoftmax.Benchmarks;

/// <summary>
/// TorchSharp's side of the decoding comparisons: the hidden states and both softmaxes as tensors, made beforehand, and as
/// many threads as we use. Memory of a call's tensors is released with the call.
/// </summary>
internal sealed class TorchPeers : IDisposable
{
    // What float32 sums of 512 products differ by in another order, several times over.
    private const float Tolerance = 1e-4f;

    private readonly AdaptiveLogSoftmaxWithLoss _full;
    private readonly Tensor[] _states;

    public TorchPeers(DecodePeers peers)
    {
        set_num_threads(Environment.ProcessorCount);
        Adaptive = peers.Adaptive.ToTorch();
        _full = peers.Full.ToTorch();
        FullWeight = _full.head.weight.detach();
        var hidden = new float[peers.Hidden.Count * peers.Hidden.Size];
        for (var i = 0; i < peers.Hidden.Count; i++) peers.Hidden[i].CopyTo(hidden.AsSpan(i * peers.Hidden.Size));
        Batch = Rows(hidden, peers.Hidden.Count);
        _states = [.. Enumerable.Range(0, peers.Hidden.Count).Select(i => Batch.narrow(0, i, 1))];
    }

    /// <summary>The sample model's adaptive softmax, in TorchSharp's operations.</summary>
    public AdaptiveLogSoftmaxWithLoss Adaptive { get; }

    /// <summary>The full softmax's weight, [vocabulary, hidden].</summary>
    public Tensor FullWeight { get; }

    /// <summary>All hidden states, [states, hidden].</summary>
    public Tensor Batch { get; }

    /// <summary>Adds up the tokens that a peer chooses, a hidden state at a time.</summary>
    /// <param name="choose">Gives a token for a hidden state, [1, hidden], and its number.</param>
    public long Sum(Func<Tensor, int, Tensor> choose)
    {
        var sum = 0L;
        for (var i = 0; i < _states.Length; i++) sum += Run(() => choose(_states[i], i).item<long>());
        return sum;
    }

    /// <summary>Runs one call without gradients and releases its tensors.</summary>
    public static T Run<T>(Func<T> call)
    {
        using var mode = inference_mode();
        using var scope = NewDisposeScope();
        return call();
    }

    /// <summary>An array as [rows, columns].</summary>
    public static Tensor Rows(float[] values, int rows) => tensor(values, rows, values.Length / rows);

    /// <summary>The full softmax's logits: <c>linear</c>, which no other product beats for one state or many.</summary>
    /// <param name="hidden">Hidden states, [n, hidden].</param>
    public Tensor FullLogits(Tensor hidden) => nn.functional.linear(hidden, FullWeight);

    /// <summary>All log-probs of the full softmax, [n, vocabulary].</summary>
    /// <param name="hidden">Hidden states, [n, hidden].</param>
    public Tensor FullLogProbs(Tensor hidden) => special.log_softmax(FullLogits(hidden), 1);

    /// <summary>Fails unless a peer and we choose the best token of each state; of equals, up to rounding, any is the best.</summary>
    /// <param name="scores">The scores of a state's tokens, [1, vocabulary].</param>
    /// <param name="theirs">The slot that the peer chooses.</param>
    /// <param name="ours">The slot that we choose.</param>
    public void CheckBest(Func<Tensor, Tensor> scores, Func<Tensor, Tensor> theirs, Func<int, int> ours)
    {
        for (var i = 0; i < _states.Length; i++)
        {
            var (best, their, our) = Run(() =>
            {
                var all = scores(_states[i])[0];
                return (all.max().item<float>(), all[theirs(_states[i]).item<long>()].item<float>(), all[ours(i)].item<float>());
            });
            if (their < best - Tolerance || our < best - Tolerance)
                throw new InvalidOperationException($"State {i}: the best score is {best}, that of TorchSharp's token {their}, that of ours {our}.");
        }
    }

    /// <summary>Fails unless a peer's best log-probs of a state are ours.</summary>
    /// <param name="state">The state's number.</param>
    /// <param name="logProbs">All log-probs of a state, [1, vocabulary].</param>
    /// <param name="ours">Our best log-probs, best first.</param>
    public void CheckTopK(int state, Func<Tensor, Tensor> logProbs, ReadOnlySpan<float> ours)
    {
        var k = ours.Length;
        var theirs = Run(() => logProbs(_states[state]).topk(k).values.data<float>().ToArray());
        for (var i = 0; i < k; i++)
        {
            if (!(MathF.Abs(theirs[i] - ours[i]) <= Tolerance * MathF.Max(1, MathF.Abs(ours[i]))))
                throw new InvalidOperationException($"State {state}: log-prob {i} of the best is {theirs[i]} for TorchSharp and {ours[i]} for us.");
        }
    }

    public void Dispose()
    {
        foreach (var state in _states) state.Dispose();
        Batch.Dispose();
        FullWeight.Dispose();
        _full.Dispose();
        Adaptive.Dispose();
    }
}
