using AdaptiveSoftmax.Vocabulary;
using LanguageModelSample;

namespace AdaptiveSoftmax.Benchmarks;

/// <summary>The trained sample model, hidden states of it, and a full softmax of the same vocabulary beside it.</summary>
internal sealed class DecodePeers : IDisposable
{
    private const ulong Seed = 1;
    private readonly Model _model;
    private readonly TextData _text;

    public DecodePeers(ComparisonSession session, int states)
    {
        _model = Models.CreateAdaptive(Seed, Environment.ProcessorCount);
        _text = TrainedSample.Prepare(_model, Seed, session);
        Hidden = CreateStates(states);
        Full = new DynamicAdaptiveSoftmax(SoftmaxLayout.CreateFull(Hidden.Size, Adaptive.Layout.VocabularySize));
    }

    public AdaptiveSoftmaxLayer Adaptive => _model.Softmax;

    public DynamicAdaptiveSoftmax Full { get; }

    public HiddenStates Hidden { get; }

    /// <summary>Hidden states of windows spread over the held-out text.</summary>
    public HiddenStates CreateStates(int count) => new(_model, _text.HeldOut, count);

    /// <summary>
    /// The sample model's log-probs of each state, [states, vocabulary]. The full softmax is not trained, and its nearly flat
    /// log-probs would take far longer to sample from; so it computes its own and then samples from these.
    /// </summary>
    public float[] TrainedLogProbs()
    {
        var hidden = new float[Hidden.Count * Hidden.Size];
        for (var i = 0; i < Hidden.Count; i++) Hidden[i].CopyTo(hidden.AsSpan(i * Hidden.Size));
        var logProbs = new float[Hidden.Count * Adaptive.Layout.VocabularySize];
        Adaptive.LogProb(hidden, logProbs);
        return logProbs;
    }

    public void Dispose()
    {
        _model.Dispose();
        Full.Dispose();
    }
}
