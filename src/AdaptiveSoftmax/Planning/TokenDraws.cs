namespace AdaptiveSoftmax;

/// <summary>Draws tokens by their shares, the same ones in every run.</summary>
internal sealed class TokenDraws
{
    private readonly double[] _sums;

    public TokenDraws(IReadOnlyList<double> shares)
    {
        _sums = new double[shares.Count];
        var sum = 0.0;
        for (var slot = 0; slot < shares.Count; slot++) _sums[slot] = sum += shares[slot];
    }

    public int[] Draw(int tokens, int stream)
    {
        var random = CountedRandom.Start(seed: 2, (ulong)stream);
        return [.. Enumerable.Range(0, tokens).Select(token => Find(CountedRandom.Unit(random, (ulong)token)))];
    }

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
