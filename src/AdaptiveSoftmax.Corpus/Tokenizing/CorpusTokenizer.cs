using System.Runtime.ExceptionServices;
using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax.Corpus;

/// <summary>
/// Tokenises corpora on several threads. Results do not depend on the number of threads. The name of a special token in
/// a text, such as <c>&lt;|endoftext|&gt;</c>, stands for that token. Safe to share between threads.
/// </summary>
public sealed class CorpusTokenizer
{
    // Encoding a batch takes far longer than handing it over.
    private const int BatchLength = 1 << 15;

    private readonly TextModel _model;

    private CorpusTokenizer(TextModel model) => _model = model;

    /// <summary>The names that <see cref="Create"/> knows.</summary>
    public static IReadOnlyList<string> KnownEncodings { get; } = [.. BuiltInEncoding.All.Select(encoding => encoding.Name)];

    /// <summary>The names that <see cref="TiktokenOptions.Split"/> may have.</summary>
    public static IReadOnlyList<string> KnownSplits => TextSplit.Names;

    /// <summary>The tokens of the encoding.</summary>
    public EncodedVocabulary Vocabulary => _model.Vocabulary;

    /// <summary>How text is split into words before words are encoded: one of <see cref="KnownSplits"/>, or a few words of what a tokenizer's file says.</summary>
    public string Split => _model.Description;

    /// <summary>Creates the tokenizer of a known encoding.</summary>
    /// <param name="encoding">One of <see cref="KnownEncodings"/>.</param>
    /// <exception cref="ArgumentException">The encoding is unknown.</exception>
    public static CorpusTokenizer Create(string encoding)
    {
        var builtIn = BuiltInEncoding.All.FirstOrDefault(known => known.Name == encoding)
            ?? throw new ArgumentException($"The encoding {encoding} is unknown; there are {string.Join(", ", KnownEncodings)}.", nameof(encoding));
        return new CorpusTokenizer(new RankModel(builtIn.Vocabulary, builtIn.Split));
    }

    /// <summary>
    /// Creates the tokenizer of a file, which is known by its content, not by its name: ranks as <see cref="ReadTiktoken"/> has
    /// them, the <c>tokenizer.json</c> of Hugging Face's tokenizers, or a SentencePiece <c>.model</c>. What such a file says that
    /// is not known here is refused by its name; nothing is encoded with a guess. Tokens that a tokenizer puts before and behind
    /// texts are not added.
    /// </summary>
    /// <param name="path">The file.</param>
    /// <param name="options">What a rank file leaves open; of it, the token that ends a document goes with the others too.</param>
    /// <exception cref="CorpusException">The file cannot be read, is something else or says what is not known, or the options do not go with it; the message says where and what to give.</exception>
    public static CorpusTokenizer Read(string path, TiktokenOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(path);
        options ??= new TiktokenOptions();
        try
        {
            var kind = FileContent.Find(path);
            var isJson = kind == FileContentKind.Json;
            if (!isJson && !(kind is FileContentKind.Binary or FileContentKind.Text && HasPieces(path))) return ReadTiktoken(path, options);
            if (options.Split is not null || options.SpecialTokens.Count > 0)
                throw new CorpusException($"{Excerpt.Line(path)} says itself how text is split and which tokens are special; leave out the split and special tokens.");
            var end = options.EndOfText == EncodedVocabulary.EndOfText ? null : options.EndOfText;
            return new CorpusTokenizer(isJson ? TokenizerJson.Read(path, File.ReadAllText(path), end) : SentencePieceModel.Read(path, File.ReadAllBytes(path), end));
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new CorpusException($"{Excerpt.Line(path)} cannot be read: {exception.Message}", exception);
        }
    }

    private static bool HasPieces(string path)
    {
        Span<byte> start = stackalloc byte[8];
        using var file = File.OpenRead(path);
        return SentencePieceFile.IsLikely(start[..file.ReadAtLeast(start, start.Length, throwOnEndOfStream: false)]);
    }

    /// <summary>
    /// Creates the tokenizer of a rank file, which is known by its content, not by its name: one token in base64 and its id a
    /// line, as tiktoken, Llama 3 and Whisper have it.
    /// </summary>
    /// <param name="path">The file.</param>
    /// <param name="options">How text is split, and the special tokens, which such a file does not say; needed unless it holds the tokens of a built-in encoding.</param>
    /// <exception cref="CorpusException">The file cannot be read or is not such a file, or the options do not go with it; the message says where and what to give.</exception>
    public static CorpusTokenizer ReadTiktoken(string path, TiktokenOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(path);
        options ??= new TiktokenOptions();
        var known = string.Join(", ", KnownSplits);
        var split = options.Split is { } name ? TextSplit.Find(name) ?? throw new CorpusException($"Text cannot be split like {Excerpt.Quote(name)}; there are {known}.") : null;
        foreach (var token in options.SpecialTokens.Keys)
        {
            if (token.Length == 0 || token.Any(char.IsWhiteSpace)) throw new CorpusException($"A special token cannot be called {Excerpt.Quote(token)}; give a name without white space, such as {EncodedVocabulary.EndOfText}.");
        }

        var file = TiktokenFile.Read(path);
        var builtIn = split is null || options.SpecialTokens.Count == 0 ? file.FindBuiltIn() : null;
        split ??= builtIn?.Split
            ?? throw new CorpusException($"{Excerpt.Line(path)} holds the tokens of no built-in encoding, and does not say how text is split into words before they are encoded; give a split: one of {known}.");
        var special = options.SpecialTokens.Count == 0 && builtIn is not null ? builtIn.SpecialTokens : options.SpecialTokens;
        var vocabulary = file.CreateVocabulary(special, options.EndOfText);
        if (vocabulary.EndOfTextId < 0 && options.EndOfText != EncodedVocabulary.EndOfText)
            throw new CorpusException($"{Excerpt.Name(options.EndOfText)} is to end documents, and is no special token of {Excerpt.Line(path)}; give its id.");
        return new CorpusTokenizer(new RankModel(vocabulary, split));
    }

    /// <summary>The ids of one text.</summary>
    /// <param name="text">The text.</param>
    /// <param name="cancellationToken">Stops within milliseconds.</param>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    public int[] Encode(string text, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(text);
        var ids = new List<int>();
        _model.CreateEncoder().Encode(text, startsDocument: true, ids, cancellationToken);
        return [.. ids];
    }

    /// <summary>
    /// Yields the ids of one text word by word, so that a caller can stop in the midst of it. Together they are those of
    /// <see cref="Encode(string, CancellationToken)"/>.
    /// </summary>
    /// <param name="text">The text.</param>
    /// <param name="cancellationToken">Stops within milliseconds, inside a word too.</param>
    public IEnumerable<ReadOnlyMemory<int>> EncodeWords(string text, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(text);
        return _model.CreateEncoder().EncodeWords(text, cancellationToken);
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
    /// <exception cref="CorpusException">A file cannot be read or is not what its format says, the encoding has no end-of-text token, or there are more tokens than an array holds.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    public int[] ReadStream(IReadOnlyList<CorpusFile> files, TokenizeOptions? options = null, CancellationToken cancellationToken = default)
    {
        if (Vocabulary.EndOfTextId < 0) throw new CorpusException($"No token of {Vocabulary.Name} ends a document, so that documents cannot stand one after the other; name a special token that does.");
        var documents = new List<int[]>();
        var length = 0L;
        foreach (var document in ReadDocuments(files, options, cancellationToken))
        {
            documents.Add(document);
            length += document.Length + 1;
            if (length > Array.MaxLength)
                throw new CorpusException(FormattableString.Invariant($"The corpus has more than {Array.MaxLength} tokens, too many for one array; read it by documents."));
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
        return CountDomains(files, options, keepGoing: false, cancellationToken).Total;
    }

    /// <summary>Counts how often each token occurs, by the domains of the files too.</summary>
    /// <param name="files">The files.</param>
    /// <param name="options">Threads and progress.</param>
    /// <param name="keepGoing">Whether files that cannot be read, or are not what their format says, are left out as wholes.</param>
    /// <param name="cancellationToken">Stops within milliseconds.</param>
    /// <exception cref="CorpusException">A file cannot be read or is not what its format says, and is not left out.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    public CorpusCounts CountDomains(IReadOnlyList<CorpusFile> files, TokenizeOptions? options = null, bool keepGoing = false, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(files);
        var counter = new CorpusCounter(_model.Border, Vocabulary.EndOfTextId, _model.CreateEncoder);
        var (domains, leftOut) = counter.Count(files, options ?? new TokenizeOptions(), keepGoing, cancellationToken);
        var total = new TokenCounts(Vocabulary);
        foreach (var tally in domains.Values) total.Add(tally);
        var named = new SortedDictionary<string, TokenCounts>(StringComparer.Ordinal);
        foreach (var (name, tally) in domains)
        {
            if (name.Length > 0) (named[name] = new TokenCounts(Vocabulary)).Add(tally);
        }

        return new CorpusCounts(total, named, leftOut);
    }

    private IEnumerable<int[]> ReadAllDocuments(IReadOnlyList<CorpusFile> files, TokenizeOptions options, CancellationToken cancellationToken)
    {
        var total = files.Sum(file => file.Length);
        var progress = new CorpusProgress(0, total, 0, 0);
        var open = new List<int>();
        var batches = OrderedParallel.Map(Batch(files, cancellationToken), _model.CreateEncoder, Encode, options.Threads, cancellationToken);
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

    private static EncodedBatch Encode(TextEncoder encoder, TextBatch batch, CancellationToken cancellationToken)
    {
        var pieces = new (int[] Ids, bool EndsDocument)[batch.Pieces.Count];
        var ids = new List<int>();
        for (var i = 0; i < pieces.Length; i++)
        {
            ids.Clear();
            encoder.Encode(batch.Pieces[i].Text, i == 0 ? batch.StartsDocument : batch.Pieces[i - 1].EndsDocument, ids, cancellationToken);
            pieces[i] = ([.. ids], batch.Pieces[i].EndsDocument);
        }

        return new EncodedBatch(pieces, batch.Bytes);
    }

    private IEnumerable<TextBatch> Batch(IReadOnlyList<CorpusFile> files, CancellationToken cancellationToken)
    {
        var pieces = new List<TextPiece>();
        var length = 0;
        var bytes = 0L;
        var startsDocument = true;
        foreach (var file in files)
        {
            using var reader = file.ReadPieces(_model.Border, cancellationToken).GetEnumerator();
            CorpusException? fault;
            while (TryMove(reader, out fault))
            {
                var piece = reader.Current;
                pieces.Add(piece);
                length += piece.Text.Length;
                bytes += piece.BytesRead;
                if (length < BatchLength) continue;
                yield return new TextBatch(pieces, bytes, startsDocument);
                startsDocument = piece.EndsDocument;
                pieces = [];
                length = 0;
                bytes = 0;
            }

            if (fault is null) continue;
            // The documents before the file come out before its error.
            if (pieces.Count > 0) yield return new TextBatch(pieces, bytes, startsDocument);
            ExceptionDispatchInfo.Throw(fault);
        }

        if (pieces.Count > 0) yield return new TextBatch(pieces, bytes, startsDocument);
    }

    private static bool TryMove(IEnumerator<TextPiece> reader, out CorpusException? fault)
    {
        fault = null;
        try
        {
            return reader.MoveNext();
        }
        catch (CorpusException exception)
        {
            fault = exception;
            return false;
        }
    }

    private sealed record TextBatch(List<TextPiece> Pieces, long Bytes, bool StartsDocument);

    private sealed record EncodedBatch((int[] Ids, bool EndsDocument)[] Pieces, long Bytes);
}
