using System.Text;

namespace AdaptiveSoftmax.Corpus;

/// <summary>The pieces that neighbours may be joined to, by their bytes, and the order in which they are.</summary>
internal sealed record RankedPieces(BytePairRanks Ranks, int[] Ids, int UnknownId, int[]? ByteIds);

/// <summary>
/// Encodes words by joining neighbouring characters and pieces to pieces: of all that could be joined the one of the lowest
/// rank, the leftmost first.
/// </summary>
internal sealed class RankedPieceEncoder(RankedPieces pieces) : IWordModel
{
    private readonly BytePairEncoder _encoder = new(pieces.Ranks);
    private readonly List<(int Start, int End)> _parts = [];

    public void Encode(string word, List<int> ids, CancellationToken cancellationToken)
    {
        var bytes = Encoding.UTF8.GetBytes(word);
        _parts.Clear();
        _encoder.JoinCharacters(bytes, _parts, cancellationToken);
        var isUnknown = false;
        foreach (var (start, end) in _parts)
        {
            var wasUnknown = isUnknown;
            isUnknown = false;
            if (pieces.Ranks.TryGetId(bytes.AsSpan(start..end), out var rank))
            {
                ids.Add(pieces.Ids[rank]);
            }
            else if (pieces.ByteIds is { } byteIds)
            {
                foreach (var value in bytes.AsSpan(start..end)) ids.Add(byteIds[value]);
            }
            else
            {
                isUnknown = true;
                if (!wasUnknown) ids.Add(pieces.UnknownId);
            }
        }
    }
}
