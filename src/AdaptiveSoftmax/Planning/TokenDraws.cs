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

    /// <summary>Tokens that have their shares as nearly as so many can, in no order: rare clusters have what is expected of them, not more or less by luck.</summary>
    public int[] Draw(int tokens, int stream) => [.. Shuffle(tokens, stream).Select(place => Find((place + 0.5) / tokens))];

    /// <summary>The numbers below a count, in an order that a stream of random numbers gives.</summary>
    public static int[] Shuffle(int count, int stream)
    {
        var random = CountedRandom.Start(seed: 2, (ulong)stream);
        int[] places = [.. Enumerable.Range(0, count)];
        Array.Sort(Array.ConvertAll(places, place => CountedRandom.Bits(random, (ulong)place)), places);
        return places;
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
