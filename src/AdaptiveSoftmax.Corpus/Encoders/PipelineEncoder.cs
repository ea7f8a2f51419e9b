using System.Runtime.InteropServices;

namespace AdaptiveSoftmax.Corpus;

/// <summary>What stands before a segment of text.</summary>
internal enum SegmentStart
{
    /// <summary>Nothing: it begins a document.</summary>
    Document,

    /// <summary>A token that was written out.</summary>
    Token,

    /// <summary>The text before it, which only was cut off.</summary>
    Text,
}

/// <summary>
/// Encodes text in four steps: tokens that are written out, then of what is between them its normal form, its words, and the
/// tokens of each word, which are remembered.
/// </summary>
internal sealed class PipelineEncoder(TextPipeline pipeline) : TextEncoder
{
    private const int WordsBetweenChecks = 1 << 10;

    private readonly WordMemory _words = new();
    private readonly IWordModel _model = pipeline.CreateModel();
    private readonly List<int> _ids = [];
    private int _checks;

    public override void Encode(string text, bool startsDocument, List<int> ids, CancellationToken cancellationToken)
    {
        foreach (var (segment, id, start) in pipeline.Written.Split(text, startsDocument ? SegmentStart.Document : SegmentStart.Text))
        {
            if (id >= 0)
            {
                ids.Add(id);
                continue;
            }

            foreach (var (part, partId, partStart) in pipeline.WrittenNormally.Split(pipeline.Normalize(segment, start), start))
            {
                if (partId >= 0) ids.Add(partId);
                else EncodeWords(part, partStart, ids, cancellationToken);
            }
        }
    }

    private void EncodeWords(string text, SegmentStart start, List<int> ids, CancellationToken cancellationToken)
    {
        foreach (var word in pipeline.Split(text, start))
        {
            if (_checks++ % WordsBetweenChecks == 0) cancellationToken.ThrowIfCancellationRequested();
            if (_words.TryAppend(word, ids)) continue;
            _ids.Clear();
            _model.Encode(word, _ids, cancellationToken);
            _words.Add(word, CollectionsMarshal.AsSpan(_ids));
            ids.AddRange(CollectionsMarshal.AsSpan(_ids));
        }
    }
}

/// <summary>The tokens of single words, on one thread.</summary>
internal interface IWordModel
{
    /// <summary>Appends the ids of a word.</summary>
    void Encode(string word, List<int> ids, CancellationToken cancellationToken);
}

/// <summary>The steps from text to tokens. Immutable.</summary>
internal sealed record TextPipeline(Func<IWordModel> CreateModel)
{
    /// <summary>The tokens that are found in text as it is.</summary>
    public WrittenTokens Written { get; init; } = WrittenTokens.None;

    /// <summary>The tokens that are found in normalised text.</summary>
    public WrittenTokens WrittenNormally { get; init; } = WrittenTokens.None;

    public IReadOnlyList<Func<string, SegmentStart, string>> Normalizers { get; init; } = [];

    public IReadOnlyList<Func<string, SegmentStart, IEnumerable<string>>> Splits { get; init; } = [];

    public string Normalize(string text, SegmentStart start)
    {
        foreach (var normalize in Normalizers) text = normalize(text, start);
        return text;
    }

    public IEnumerable<string> Split(string text, SegmentStart start)
    {
        if (text.Length == 0) return [];
        IEnumerable<string> words = [text];
        foreach (var split in Splits) words = Split(words, split, start);
        return words;
    }

    private static IEnumerable<string> Split(IEnumerable<string> words, Func<string, SegmentStart, IEnumerable<string>> split, SegmentStart start)
    {
        foreach (var word in words)
        {
            foreach (var part in split(word, start))
            {
                if (part.Length > 0) yield return part;
            }

            start = SegmentStart.Token;
        }
    }
}
