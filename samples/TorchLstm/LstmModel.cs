using static TorchSharp.torch;

namespace TorchLstmSample;

/// <summary>A language model: a body that reads slots one after the other, and a softmax over the next one.</summary>
/// <param name="body">The body.</param>
/// <param name="head">The softmax, adaptive or full.</param>
internal sealed class LstmModel(LstmBody body, SoftmaxHead head) : IDisposable
{
    // What a full softmax takes at a time: 0.8 MB of logits a token.
    private const int TokensPerPart = 256;
    private const int StretchesPerBatch = 32;

    /// <summary>The tokens that are read before one is judged, and the judged ones behind them, in a stretch of held-out text.</summary>
    public const int ContextTokens = 64, JudgedTokens = 64;

    public LstmBody Body => body;

    public SoftmaxHead Head => head;

    /// <summary>Reads slots without learning from them.</summary>
    /// <param name="slots">Slots, int64 [steps, streams].</param>
    /// <param name="state">The state before them, and then behind them.</param>
    /// <returns>Hidden states, [steps, streams, hidden].</returns>
    public Tensor Read(Tensor slots, LstmState state)
    {
        using var scope = NewDisposeScope();
        using var noGradient = no_grad();
        var (hidden, next) = body.Forward(body.Embeddings.Find(slots), state, isTraining: false);
        state.CopyFrom(next);
        return hidden.MoveToOuterDisposeScope();
    }

    /// <summary>
    /// The perplexity of held-out text: exp of the mean loss of tokens in stretches that are spread over it, each judged
    /// behind as many tokens that are only read.
    /// </summary>
    /// <param name="slots">The text.</param>
    /// <param name="tokens">How many tokens to judge; rounded up to whole stretches.</param>
    public double Perplexity(ReadOnlySpan<int> slots, int tokens)
    {
        var count = (tokens + JudgedTokens - 1) / JudgedTokens;
        var loss = 0.0;
        for (var first = 0; first < count; first += StretchesPerBatch)
            loss += SumLosses(TakeStretches(slots, first, Math.Min(StretchesPerBatch, count - first), count));
        return Math.Exp(loss / ((double)count * JudgedTokens));
    }

    /// <summary>The hidden states behind stretches that are spread over a text, [stretches, hidden].</summary>
    public Tensor ReadStretches(ReadOnlySpan<int> slots, int stretches)
    {
        using var scope = NewDisposeScope();
        var batch = TakeStretches(slots, 0, stretches, stretches);
        return Read(batch.Inputs(), LstmState.Zero(stretches, body.Shape.HiddenSize))[^1].contiguous().MoveToOuterDisposeScope();
    }

    public void Dispose()
    {
        body.Dispose();
        head.Dispose();
    }

    // Some of the stretches that are spread over a text.
    private static TokenBatch TakeStretches(ReadOnlySpan<int> slots, int first, int count, int all)
    {
        const int Length = ContextTokens + JudgedTokens;
        var last = slots.Length - Length - 1;
        if (last < 0) throw new ArgumentException($"The text has {slots.Length} tokens; a stretch takes {Length + 1}.", nameof(slots));
        var batch = new TokenBatch(Length, count);
        for (var i = 0; i < count; i++) batch.Fill(i, slots[(int)((long)(first + i) * last / Math.Max(1, all - 1))..]);
        return batch;
    }

    private double SumLosses(TokenBatch batch)
    {
        using var scope = NewDisposeScope();
        using var noGradient = no_grad();
        var hidden = Read(batch.Inputs(), LstmState.Zero(batch.Streams, body.Shape.HiddenSize));
        var judged = hidden.narrow(0, ContextTokens, JudgedTokens).reshape(-1, body.Shape.HiddenSize);
        var targets = batch.Targets().reshape(batch.Steps, -1).narrow(0, ContextTokens, JudgedTokens).reshape(-1);
        var loss = 0.0;
        for (var start = 0L; start < targets.shape[0]; start += TokensPerPart)
        {
            using var part = NewDisposeScope();
            var count = Math.Min(TokensPerPart, targets.shape[0] - start);
            loss += head.Loss(judged.narrow(0, start, count), targets.narrow(0, start, count)).item<float>() * (double)count;
        }

        return loss;
    }
}
