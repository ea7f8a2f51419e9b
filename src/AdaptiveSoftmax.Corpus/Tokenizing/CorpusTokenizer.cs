using Microsoft.ML.Tokenizers;

namespace AdaptiveSoftmax.Corpus;

/// <summary>
/// Tokenises corpora on several threads. Results do not depend on the number of threads. The name of a special token in
/// a text, such as <c>&lt;|endoftext|&gt;</c>, stands for that token. Safe to share between threads.
/// </summary>
public sealed class CorpusTokenizer
{
    // A batch takes about a millisecond, far longer than handing it over.
    private const int BatchLength = 1 << 15;

    private readonly TiktokenTokenizer _tokenizer;

    private CorpusTokenizer(TiktokenTokenizer tokenizer, EncodedVocabulary vocabulary)
    {
        _tokenizer = tokenizer;
        Vocabulary = vocabulary;
    }

    /// <summary>The names that <see cref="Create"/> knows.</summary>
    public static IReadOnlyList<string> KnownEncodings { get; } = [.. BuiltInEncoding.All.Select(encoding => encoding.Name)];

    /// <summary>The tokens of the encoding.</summary>
    public EncodedVocabulary Vocabulary { get; }

    /// <summary>Creates the tokenizer of a known encoding.</summary>
    /// <param name="encoding">One of <see cref="KnownEncodings"/>.</param>
    /// <exception cref="ArgumentException">The encoding is unknown.</exception>
    public static CorpusTokenizer Create(string encoding)
    {
        var builtIn = BuiltInEncoding.All.FirstOrDefault(known => known.Name == encoding)
            ?? throw new ArgumentException($"The encoding {encoding} is unknown; there are {string.Join(", ", KnownEncodings)}.", nameof(encoding));
        var vocabulary = builtIn == BuiltInEncoding.O200kBase ? EncodedVocabulary.O200kBase : EncodedVocabulary.Cl100kBase;
        return new CorpusTokenizer(TiktokenTokenizer.CreateForEncoding(encoding), vocabulary);
    }

    /// <summary>
    /// Creates the tokenizer of a <c>.tiktoken</c> file: one token in base64 and its id a line. The ids go on with an
    /// end-of-text token. Text is split into words before it is encoded as a known encoding splits it.
    /// </summary>
    /// <param name="path">The file.</param>
    /// <param name="splitLike">One of <see cref="KnownEncodings"/>.</param>
    /// <exception cref="ArgumentException">The encoding to split like is unknown.</exception>
    /// <exception cref="CorpusException">The file cannot be read or is not such a file; the message says where.</exception>
    public static CorpusTokenizer ReadTiktoken(string path, string splitLike = "o200k_base")
    {
        ArgumentNullException.ThrowIfNull(path);
        if (!KnownEncodings.Contains(splitLike))
            throw new ArgumentException($"The encoding {splitLike} is unknown; there are {string.Join(", ", KnownEncodings)}.", nameof(splitLike));
        var vocabulary = TiktokenFile.Read(path);
        var splitter = TiktokenTokenizer.CreateForEncoding(splitLike).PreTokenizer;
        return new CorpusTokenizer(TiktokenTokenizer.Create(path, splitter, normalizer: null, vocabulary.SpecialTokens), vocabulary);
    }

    /// <summary>The ids of one text.</summary>
    /// <param name="text">The text.</param>
    public int[] Encode(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        var ids = new List<int>();
        new WordEncoder(_tokenizer).Encode(text, ids);
        return [.. ids];
    }

    /// <summary>
    /// Yields the ids of one text word by word, so that a caller can stop in the midst of it. Together they are those of
    /// <see cref="Encode(string)"/>.
    /// </summary>
    /// <param name="text">The text.</param>
    public IEnumerable<ReadOnlyMemory<int>> EncodeWords(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        return new WordEncoder(_tokenizer).EncodeWords(text);
    }

    /// <summary>Yields the ids of each document in the order of the files.</summary>
    /// <param name="files">The files.</param>
    /// <param name="options">Threads and progress.</param>
    /// <param name="cancellationToken">Stops within milliseconds.</param>
    /// <exception cref="CorpusException">A file cannot be read or is not what its format says.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    public IEnumerable<int[]> ReadDocuments(IReadOnlyList<CorpusFile> files, TokenizeOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(files);
        return ReadAllDocuments(files, options ?? new TokenizeOptions(), cancellationToken);
    }

    /// <summary>The ids of all documents one after the other, each ended by the end-of-text token.</summary>
    /// <param name="files">The files.</param>
    /// <param name="options">Threads and progress.</param>
    /// <param name="cancellationToken">Stops within milliseconds.</param>
    /// <exception cref="CorpusException">A file cannot be read or is not what its format says, or there are more tokens than an array holds.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    public int[] ReadStream(IReadOnlyList<CorpusFile> files, TokenizeOptions? options = null, CancellationToken cancellationToken = default)
    {
        var documents = new List<int[]>();
        var length = 0L;
        foreach (var document in ReadDocuments(files, options, cancellationToken))
        {
            documents.Add(document);
            length += document.Length + 1;
            if (length > Array.MaxLength)
                throw new CorpusException($"The corpus has more than {Array.MaxLength} tokens, too many for one array; read it by documents.");
        }

        var stream = new int[length];
        var position = 0;
        foreach (var document in documents)
        {
            document.CopyTo(stream, position);
            position += document.Length;
            stream[position++] = Vocabulary.EndOfTextId;
        }

        return stream;
    }

    /// <summary>Counts how often each token occurs. The end of a document counts as an end-of-text token.</summary>
    /// <param name="files">The files.</param>
    /// <param name="options">Threads and progress.</param>
    /// <param name="cancellationToken">Stops within milliseconds.</param>
    /// <exception cref="CorpusException">A file cannot be read or is not what its format says.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    public TokenCounts Count(IReadOnlyList<CorpusFile> files, TokenizeOptions? options = null, CancellationToken cancellationToken = default)
    {
        var counts = new TokenCounts(Vocabulary);
        foreach (var document in ReadDocuments(files, options, cancellationToken)) counts.AddDocument(document);
        return counts;
    }

    private IEnumerable<int[]> ReadAllDocuments(IReadOnlyList<CorpusFile> files, TokenizeOptions options, CancellationToken cancellationToken)
    {
        var total = files.Sum(file => file.Length);
        var progress = new CorpusProgress(0, total, 0, 0);
        var open = new List<int>();
        var batches = OrderedParallel.Map(Batch(files, cancellationToken), () => new WordEncoder(_tokenizer), Encode, options.Threads, cancellationToken);
        foreach (var batch in batches)
        {
            foreach (var (ids, endsDocument) in batch.Pieces)
            {
                if (!endsDocument || open.Count > 0) open.AddRange(ids);
                if (!endsDocument) continue;
                progress = progress with { Documents = progress.Documents + 1 };
                if (open.Count == 0)
                {
                    yield return ids;
                    continue;
                }

                yield return open.ToArray();
                open.Clear();
            }

            progress = progress with
            {
                BytesDone = Math.Min(progress.BytesDone + batch.Bytes, total),
                Tokens = progress.Tokens + batch.Pieces.Sum(piece => (long)piece.Ids.Length),
            };
            options.Progress?.Report(progress);
        }
    }

    private static EncodedBatch Encode(WordEncoder encoder, TextBatch batch)
    {
        var pieces = new (int[] Ids, bool EndsDocument)[batch.Pieces.Count];
        var ids = new List<int>();
        for (var i = 0; i < pieces.Length; i++)
        {
            ids.Clear();
            encoder.Encode(batch.Pieces[i].Text, ids);
            pieces[i] = ([.. ids], batch.Pieces[i].EndsDocument);
        }

        return new EncodedBatch(pieces, batch.Bytes);
    }

    private static IEnumerable<TextBatch> Batch(IReadOnlyList<CorpusFile> files, CancellationToken cancellationToken)
    {
        var pieces = new List<TextPiece>();
        var length = 0;
        var bytes = 0L;
        foreach (var file in files)
        {
            foreach (var piece in file.ReadPieces(cancellationToken))
            {
                pieces.Add(piece);
                length += piece.Text.Length;
                bytes += piece.BytesRead;
                if (length < BatchLength) continue;
                yield return new TextBatch(pieces, bytes);
                pieces = [];
                length = 0;
                bytes = 0;
            }
        }

        if (pieces.Count > 0) yield return new TextBatch(pieces, bytes);
    }

    private sealed record TextBatch(List<TextPiece> Pieces, long Bytes);

    private sealed record EncodedBatch((int[] Ids, bool EndsDocument)[] Pieces, long Bytes);
}
