namespace AdaptiveSoftmax;

/// <summary>Draws tokens by their counts, the same ones in every run.</summary>
internal sealed class TokenDraws
{
    private readonly double[] _sums;

    public TokenDraws(ReadOnlySpan<long> counts)
    {
        _sums = new double[counts.Length];
        var sum = 0.0;
        for (var slot = 0; slot < counts.Length; slot++) _sums[slot] = sum += counts[slot];
    }

    public int[] Draw(int tokens, int stream)
    {
        var random = CountedRandom.Start(seed: 2, (ulong)stream);
        return [.. Enumerable.Range(0, tokens).Select(token => Find(CountedRandom.Unit(random, (ulong)token)))];
    }

    /// <summary>The share of the slots from <paramref name="start"/> to before <paramref name="end"/>.</summary>
    public double ShareOf(int start, int end) => (_sums[end - 1] - (start == 0 ? 0 : _sums[start - 1])) / _sums[^1];

    private int Find(double part)
    {
        var found = Array.BinarySearch(_sums, part * _sums[^1]);
        var slot = found < 0 ? ~found : found + 1;
        // A slot without a count has the sum of the one before it, and is never the first beyond it.
        while (slot > 0 && _sums[slot] == _sums[slot - 1]) slot--;
        return slot;
    }
}
