using System.Globalization;
using System.Text;
using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax.Tests;

/// <summary>Vocabularies with Zipf-like counts, and draws from them.</summary>
internal static class DriftTables
{
    /// <summary>The 200,019 tokens of o200k_base with their counts in the .NET API reference.</summary>
    public static TokenTable ApiDocs { get; } = TokenTableReader.Read("ApiDocs.tokens", File.ReadAllText(Path.Combine(AppContext.BaseDirectory, "ApiDocs.tokens"))).Table!;

    /// <summary>The counts of tokens drawn from a table, ranked anew.</summary>
    public static TokenTable Sample(TokenTable table, int count, int seed)
    {
        var counts = Draw(table, count, seed).CountBy(id => id).ToDictionary(pair => pair.Key, pair => pair.Value);
        return TokenTable.Create(table.Ids, [.. table.Ids.ToArray().Select(id => (long)counts.GetValueOrDefault(id))], [.. Enumerable.Range(0, table.Count).Select(slot => table.GetToken(slot).ToArray())]);
    }

    /// <summary>A table whose token in slot s has the id <c>7 + 3 s</c>, and count 0 in the last tenth of the slots.</summary>
    public static TokenTable Zipf(int size, long total = 1_000_000_000)
    {
        var seen = size - (size / 10);
        var harmonic = Enumerable.Range(1, seen).Sum(rank => 1.0 / rank);
        return Create([.. Enumerable.Range(0, size).Select(slot => slot < seen ? Math.Max(1, (long)(total / harmonic / (slot + 1))) : 0)]);
    }

    public static TokenTable Create(long[] counts, int idStep = 3) => TokenTable.Create(
        [.. Enumerable.Range(0, counts.Length).Select(slot => 7 + (idStep * slot))],
        counts,
        [.. Enumerable.Range(0, counts.Length).Select(slot => Encoding.ASCII.GetBytes(string.Create(CultureInfo.InvariantCulture, $"t{slot}")))]);

    public static DriftBaseline Baseline(TokenTable table, params int[] cutoffs) =>
        new(table, cutoffs.Length == 0 ? SoftmaxLayout.CreateFull(64, table.Count) : SoftmaxLayout.Create(64, table.Count, cutoffs, 2.0, hasHeadBias: false));

    /// <summary>Ids of tokens drawn by the table's counts.</summary>
    public static int[] Draw(TokenTable table, int count, int seed)
    {
        var cumulative = new double[table.Count];
        var sum = 0.0;
        for (var slot = 0; slot < table.Count; slot++) cumulative[slot] = sum += table.GetCount(slot);
        var random = new Random(seed);
        var ids = new int[count];
        for (var i = 0; i < count; i++)
        {
            var found = Array.BinarySearch(cumulative, random.NextDouble() * sum);
            ids[i] = table.GetId(found < 0 ? ~found : found + 1);
        }

        return ids;
    }

    /// <summary>The Jensen-Shannon divergence as the mean entropy subtracted from the entropy of the mean, over all tokens.</summary>
    public static double JensenShannon(double[] p, double[] q) =>
        Entropy([.. p.Zip(q, (a, b) => (a + b) / 2)]) - ((Entropy(p) + Entropy(q)) / 2);

    /// <summary>The population stability index as the sum of both directions' relative entropies.</summary>
    /// <param name="p">The observed shares.</param>
    /// <param name="q">The expected shares.</param>
    /// <param name="least">What smaller ones count for.</param>
    public static double Stability(double[] p, double[] q, double[] least)
    {
        double[] a = [.. p.Zip(least, (share, smallest) => Math.Max(Math.Max(share, smallest), 1e-4))], b = [.. q.Zip(least, (share, smallest) => Math.Max(Math.Max(share, smallest), 1e-4))];
        return a.Zip(b, (x, y) => x * Math.Log(x / y)).Sum() + b.Zip(a, (x, y) => x * Math.Log(x / y)).Sum();
    }

    public static double[] Shares(IEnumerable<long> counts)
    {
        double[] values = [.. counts.Select(count => (double)count)];
        var sum = values.Sum();
        return [.. values.Select(value => value / sum)];
    }

    private static double Entropy(double[] shares) => -shares.Where(share => share > 0).Sum(share => share * Math.Log(share));
}
