namespace AdaptiveSoftmax;

/// <summary>
/// Tokens that the source does not have: each starts as the weighted mean of the rows of the tokens that it was split into
/// before (in a cluster of new tokens alone, as a part of that), or of its cluster where these are not known, and as likely in the mean state as its count says beside its cluster's others.
/// </summary>
internal sealed class AddedTokens
{
    // Among new tokens alone, parts say little of how the tokens differ: with this much of it the sample's model has nearly the
    // perplexity of the counts alone, and learns fastest from there (`compare extend`).
    private const double PartsShare = 0.25;

    private readonly TokenMap _map;
    private readonly Dictionary<int, int> _numbers = [];
    private readonly IReadOnlyList<RowGroup>[] _groups;
    private readonly double[] _logCounts;

    public AddedTokens(TokenMap map, EffectiveRows effective, FitStates states, double[] counts, Func<int, IReadOnlyList<(int Slot, double Weight)>> splits)
    {
        _map = map;
        _logCounts = Array.ConvertAll(counts, count => Math.Log(count + 0.5));
        for (var slot = 0; slot < map.Sources.Length; slot++)
        {
            if (map.Sources[slot] < 0) _numbers.Add(slot, _numbers.Count);
        }

        Rows = new AddedRows(_numbers.Count, effective.Size);
        _groups = new IReadOnlyList<RowGroup>[map.To.TailCount + 1];
        for (var cluster = 0; cluster < _groups.Length; cluster++)
        {
            var (start, size) = cluster == 0 ? (0, map.To.ShortlistSize) : (map.To.Tails[cluster - 1].Start, map.To.Tails[cluster - 1].Size);
            _groups[cluster] = RowGroup.Of(map, start, size, _numbers);
            if (_groups[cluster].Any(group => group.Origin == RowOrigin.Added)) Start(start, size, effective, states, splits);
        }
    }

    /// <summary>The rows, by the tokens' numbers.</summary>
    public AddedRows Rows { get; }

    /// <summary>The number of a new token by its slot.</summary>
    public int NumberOf(int slot) => _numbers[slot];

    /// <summary>The members of a cluster of the target.</summary>
    public IReadOnlyList<RowGroup> GroupsOf(int cluster) => _groups[cluster];

    private void Start(int start, int size, EffectiveRows effective, FitStates states, Func<int, IReadOnlyList<(int Slot, double Weight)>> splits)
    {
        var (row, mean) = (new double[effective.Size], new double[effective.Size]);
        var (offset, known, logCount) = (0.0, 0, 0.0);
        for (var slot = start; slot < start + size; slot++)
        {
            if (_map.Sources[slot] < 0) continue;
            offset += effective.Get(_map.Sources[slot], row);
            DoubleVectors.Add(mean, 1, row);
            logCount += _logCounts[slot];
            known++;
        }

        for (var i = 0; i < mean.Length; i++) mean[i] /= Math.Max(known, 1);
        offset /= Math.Max(known, 1);
        logCount /= Math.Max(known, 1);
        // In a cluster of new tokens alone the gate has the level.
        var level = known == 0 ? 0 : DoubleVectors.Dot(mean, states.Mean) + offset - logCount;
        for (var slot = start; slot < start + size; slot++)
        {
            if (_map.Sources[slot] >= 0) continue;
            var number = NumberOf(slot);
            var own = Rows.Rows.Row(number);
            var parts = splits(slot);
            var weight = parts.Sum(part => part.Weight);
            if (parts.Count == 0 || weight <= 0) mean.CopyTo(own);
            else foreach (var (part, share) in parts)
            {
                effective.Get(part, row);
                DoubleVectors.Add(own, (known == 0 ? PartsShare : 1) * share / weight, row);
            }

            Rows.Offsets[number] = level + _logCounts[slot] - DoubleVectors.Dot(own, states.Mean);
        }
    }
}
