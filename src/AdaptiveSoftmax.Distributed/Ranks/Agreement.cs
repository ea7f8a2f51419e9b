using System.Text;

namespace AdaptiveSoftmax.Distributed;

/// <summary>Compares what must be the same on all ranks.</summary>
internal static class Agreement
{
    // Neither stands in a name or a value, since both are cut there.
    private const char Between = '\u001f';
    private const char Behind = '\u001e';

    /// <summary>Compares all facts of all ranks with those of rank 0.</summary>
    /// <exception cref="RankMismatchException">Some differ; the message names the facts, the ranks and both values.</exception>
    public static void Check(Collectives collectives, IEnumerable<KeyValuePair<string, string>> facts)
    {
        var own = new StringBuilder();
        foreach (var (name, value) in facts) own.Append(name).Append(Between).Append(value).Append(Behind);
        var all = collectives.AllGatherUneven<byte>(Encoding.UTF8.GetBytes(own.ToString()), out var lengths);
        var first = Read(all.AsSpan(0, lengths[0]));
        var differences = new List<string>();
        var start = lengths[0];
        for (var rank = 1; rank < lengths.Length; rank++)
        {
            var others = Read(all.AsSpan(start, lengths[rank]));
            start += lengths[rank];
            foreach (var name in first.Keys.Union(others.Keys))
            {
                var (here, there) = (first.GetValueOrDefault(name, "nothing"), others.GetValueOrDefault(name, "nothing"));
                if (here != there) differences.Add(FormattableString.Invariant($"{name} is {there} on rank {rank} and {here} on rank 0"));
            }
        }

        if (differences.Count == 0) return;
        throw new RankMismatchException($"The ranks do not agree: {string.Join("; ", differences)}. Start all of them with the same program, files and options.");
    }

    private static Dictionary<string, string> Read(ReadOnlySpan<byte> text)
    {
        var result = new Dictionary<string, string>();
        foreach (var fact in Encoding.UTF8.GetString(text).Split(Behind, StringSplitOptions.RemoveEmptyEntries))
        {
            var cut = fact.IndexOf(Between, StringComparison.Ordinal);
            result[fact[..cut]] = fact[(cut + 1)..];
        }

        return result;
    }
}
