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

    /// <summary>The slot that holds a part of all occurrences, from 0 to below 1.</summary>
    public int Find(double part)
    {
        var value = part * _sums[^1];
        var found = Array.BinarySearch(_sums, value);
        var slot = found < 0 ? ~found : found;
        // A slot has what lies from the sum before it to below its own: nothing where its count is 0.
        while (_sums[slot] <= value) slot++;
        return slot;
    }
}
