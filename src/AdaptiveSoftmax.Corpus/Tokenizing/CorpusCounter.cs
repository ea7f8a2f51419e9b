using System.Runtime.InteropServices;

namespace AdaptiveSoftmax.Corpus;

/// <summary>
/// Counts files on several threads. Large files are read on one thread and encoded on the others; small ones are read where
/// they are encoded. Sums do not depend on which thread counted what.
/// </summary>
internal sealed class CorpusCounter(TextBorder border, int endOfTextId, Func<TextEncoder> createEncoder)
{
    // A batch takes about a millisecond, far longer than handing it over.
    private const int BatchLength = 1 << 16;
    private const long SmallFile = 1 << 18;
    private const long GroupBytes = 1 << 18;

    private readonly TextBorder _border = border;
    private readonly int _endOfTextId = endOfTextId;
    private readonly Func<TextEncoder> _createEncoder = createEncoder;

    /// <summary>Counts files.</summary>
    /// <param name="files">The files.</param>
    /// <param name="options">Threads and progress.</param>
    /// <param name="keepGoing">Whether files that cannot be read are left out.</param>
    /// <param name="cancellationToken">Stops within milliseconds.</param>
    /// <returns>The counts by domain (the empty one for files without) and what was left out.</returns>
    /// <exception cref="CorpusException">A file cannot be read.</exception>
    public (SortedDictionary<string, Tally> Domains, List<LeftOutPath> LeftOut) Count(IReadOnlyList<CorpusFile> files, TokenizeOptions options, bool keepGoing, CancellationToken cancellationToken)
    {
        var total = files.Sum(file => file.Length);
        var progress = new CorpusProgress(0, total, 0, 0);
        var domains = new SortedDictionary<string, Tally>(StringComparer.Ordinal);
        foreach (var file in files) domains.TryAdd(file.Domain ?? "", new Tally());
        var leftOut = new List<LeftOutPath>();
        var pending = new Tally();
        var work = OrderedParallel.Map(Read(files, keepGoing, cancellationToken), () => new Worker(this, files, keepGoing), static (worker, work, stop) => worker.Count(work, stop), options.Threads, cancellationToken);
        foreach (var parts in work)
        {
            foreach (var part in parts)
            {
                Add(part, files[part.File], domains, pending, leftOut, keepGoing);
                progress = progress with
                {
                    BytesDone = Math.Min(progress.BytesDone + part.Bytes, total),
                    Documents = progress.Documents + part.Documents,
                    Tokens = progress.Tokens + part.Counts.Sum() - (_endOfTextId >= 0 ? part.Documents : 0),
                };
            }

            options.Progress?.Report(progress);
        }

        return (domains, leftOut);
    }

    // Where a file may turn out to be left out, its counts wait for its end.
    private static void Add(CountPart part, CorpusFile file, SortedDictionary<string, Tally> domains, Tally pending, List<LeftOutPath> leftOut, bool keepGoing)
    {
        if (part.Fault is { } fault)
        {
            pending.Clear();
            leftOut.Add(LeftOutPath.FromFault(file.Path, fault));
            return;
        }

        if (!keepGoing)
        {
            domains[file.Domain ?? ""].Add(part);
            return;
        }

        pending.Add(part);
        if (!part.EndsFile) return;
        domains[file.Domain ?? ""].Add(pending);
        pending.Clear();
    }

    private IEnumerable<CountWork> Read(IReadOnlyList<CorpusFile> files, bool keepGoing, CancellationToken cancellationToken)
    {
        var first = 0;
        var bytes = 0L;
        for (var index = 0; index < files.Count; index++)
        {
            var file = files[index];
            if (file.Length <= SmallFile && file.Path != CorpusFile.StandardInput)
            {
                bytes += file.Length;
                if (bytes < GroupBytes) continue;
                yield return new CountWork(first, index + 1, []);
            }
            else
            {
                if (first < index) yield return new CountWork(first, index, []);
                foreach (var work in ReadLarge(file, index, keepGoing, cancellationToken)) yield return work;
            }

            (first, bytes) = (index + 1, 0);
        }

        if (first < files.Count) yield return new CountWork(first, files.Count, []);
    }

    private IEnumerable<CountWork> ReadLarge(CorpusFile file, int index, bool keepGoing, CancellationToken cancellationToken)
    {
        var pieces = new List<TextPiece>();
        var length = 0;
        var startsDocument = true;
        CorpusException? fault = null;
        using var reader = file.ReadPieces(_border, cancellationToken).GetEnumerator();
        while (TryMove(reader, keepGoing, ref fault))
        {
            var piece = reader.Current;
            pieces.Add(piece);
            length += piece.Text.Length;
            if (length < BatchLength) continue;
            yield return new CountWork(index, index, pieces) { StartsDocument = startsDocument };
            startsDocument = piece.EndsDocument;
            pieces = [];
            length = 0;
        }

        yield return new CountWork(index, index, pieces) { StartsDocument = startsDocument, EndsFile = true, Fault = fault };
    }

    private static bool TryMove(IEnumerator<TextPiece> reader, bool keepGoing, ref CorpusException? fault)
    {
        try
        {
            return reader.MoveNext();
        }
        catch (CorpusException exception) when (keepGoing)
        {
            fault = exception;
            return false;
        }
    }

    /// <summary>Whole files, or pieces of the one that comes first.</summary>
    private sealed record CountWork(int First, int End, List<TextPiece> Pieces)
    {
        public bool StartsDocument { get; init; }

        public bool EndsFile { get; init; }

        public CorpusException? Fault { get; init; }
    }

    private sealed class Worker(CorpusCounter counter, IReadOnlyList<CorpusFile> files, bool keepGoing)
    {
        private readonly TextEncoder _encoder = counter._createEncoder();
        private readonly Tally _tally = new();
        private readonly List<int> _ids = [];
        private bool _startsDocument;

        public List<CountPart> Count(CountWork work, CancellationToken cancellationToken) =>
            work.First == work.End ? [CountPieces(work, cancellationToken)] : CountFiles(work, cancellationToken);

        private CountPart CountPieces(CountWork work, CancellationToken cancellationToken)
        {
            _startsDocument = work.StartsDocument;
            foreach (var piece in work.Pieces) Count(piece, cancellationToken);
            return _tally.Take(work.First, work.Pieces.Sum(piece => piece.BytesRead)) with { EndsFile = work.EndsFile, Fault = work.Fault };
        }

        private List<CountPart> CountFiles(CountWork work, CancellationToken cancellationToken)
        {
            var parts = new List<CountPart>();
            var bytes = 0L;
            for (var index = work.First; index < work.End; index++)
            {
                var file = files[index];
                try
                {
                    _startsDocument = true;
                    foreach (var piece in file.ReadPieces(counter._border, cancellationToken)) Count(piece, cancellationToken);
                }
                catch (CorpusException exception) when (keepGoing)
                {
                    _tally.Clear();
                    parts.Add(new CountPart(index, [], [], 0, file.Length) { Fault = exception });
                    continue;
                }

                bytes += file.Length;
                if (!keepGoing && index + 1 < work.End && files[index + 1].Domain == file.Domain) continue;
                parts.Add(_tally.Take(index, bytes) with { EndsFile = true });
                bytes = 0;
            }

            return parts;
        }

        private void Count(TextPiece piece, CancellationToken cancellationToken)
        {
            _ids.Clear();
            _encoder.Encode(piece.Text, _startsDocument, _ids, cancellationToken);
            _startsDocument = piece.EndsDocument;
            if (piece.EndsDocument)
            {
                _tally.Documents++;
                if (counter._endOfTextId >= 0) _ids.Add(counter._endOfTextId);
            }

            _tally.Add(CollectionsMarshal.AsSpan(_ids));
        }
    }
}
