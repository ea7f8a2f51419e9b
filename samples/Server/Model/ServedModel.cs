using AdaptiveSoftmax;
using AdaptiveSoftmax.Corpus;
using LanguageModelSample;

namespace ServerSample;

/// <summary>A model with all that serving needs of it.</summary>
/// <param name="Id">Its name in the interface.</param>
/// <param name="Model">Body and softmax.</param>
/// <param name="Tokenizer">Text to tokens and back.</param>
/// <param name="Baseline">What tokens were expected when the clusters were planned.</param>
/// <param name="Fingerprint">Changes with the weights and with what decides their last bits.</param>
internal sealed record ServedModel(string Id, Model Model, CorpusTokenizer Tokenizer, DriftBaseline Baseline, string Fingerprint) : IDisposable
{
    private readonly HashSet<int> _written = [.. Baseline.Table.Ids];

    /// <summary>What decodes: the model's own softmax, or a smaller or certified copy of it, which is this object's from then on.</summary>
    public SoftmaxDecoder Head { get; init; } = Model.Softmax;

    /// <summary>Whether the softmax has a token. It has not all that the tokenizer makes where rare ones were dropped.</summary>
    public bool Writes(int token) => _written.Contains(token);

    public void Dispose()
    {
        // A certified copy reads the model's weights.
        Head.Dispose();
        Model.Dispose();
    }
}
