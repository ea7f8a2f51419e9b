using System.Globalization;
using System.Text;
using System.Text.Unicode;
using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax.Corpus;

/// <summary>
/// Adds counts up, to the bytes that counting everything at once would have written. Counts are those of corpora over the same
/// tokens, or all shards of one corpus.
/// </summary>
public static class CountMerge
{
    /// <summary>Adds counts up.</summary>
    /// <param name="files">The counts, at least one, in any order.</param>
    /// <returns>The token table, and the counts by domain; null where the files have none.</returns>
    /// <exception cref="CorpusException">The files do not go together, or a shard is missing or there twice; the message says which.</exception>
    public static (TokenTable Table, IReadOnlyList<DomainCounts>? Domains) Merge(IReadOnlyList<CountFile> files)
    {
        ArgumentNullException.ThrowIfNull(files);
        if (files.Count == 0) throw new CorpusException("There are no counts to add up; give token tables.");
        CheckShards(files);
        CheckDomains(files);
        try
        {
            return files[0].Header?.Words is { } words ? MergeWords(files, words) : MergeTokens(files);
        }
        catch (OverflowException exception)
        {
            throw new CorpusException("The counts add up to more than 63 bits hold; scale them down.", exception);
        }
    }

    private static void CheckShards(IReadOnlyList<CountFile> files)
    {
        var whole = files.FirstOrDefault(file => file.Header is null);
        var part = files.FirstOrDefault(file => file.Header is not null);
        if (part is null) return;
        if (whole is not null) throw new CorpusException($"{Excerpt.Line(part.Path)} is shard {part.Shard} of a corpus, and {Excerpt.Line(whole.Path)} is a whole one; add up the shards first.");
        var first = files[0].Header!;
        var seen = new Dictionary<int, string>();
        foreach (var file in files)
        {
            var header = file.Header!;
            if (header.Shard.Count != first.Shard.Count) throw new CorpusException($"{Excerpt.Line(files[0].Path)} is shard {first.Shard}, and {Excerpt.Line(file.Path)} is shard {header.Shard}: they are of two runs. Give the shards of one.");
            if (header.Settings != first.Settings) throw new CorpusException($"{Excerpt.Line(files[0].Path)} and {Excerpt.Line(file.Path)} were counted with different settings, or over files that changed between them; count both anew in the same way.");
            if (seen.TryGetValue(header.Shard.Index, out var place)) throw new CorpusException($"The shard {header.Shard} is there twice: {Excerpt.Line(place)} and {Excerpt.Line(file.Path)}. Give each shard once.");
            seen.Add(header.Shard.Index, file.Path);
        }

        // How many there are is what a file says: nothing is kept of each.
        var (count, missing) = (first.Shard.Count, first.Shard.Count - seen.Count);
        if (missing > 0)
            throw new CorpusException(string.Create(CultureInfo.InvariantCulture, $"Of {count} shards {missing} {(missing == 1 ? "is" : "are")} missing: {Excerpt.List(Enumerable.Range(1, count).Where(index => !seen.ContainsKey(index)), missing, index => string.Create(CultureInfo.InvariantCulture, $"{index}/{count}"))}. Give all of them."));
    }

    private static void CheckDomains(IReadOnlyList<CountFile> files)
    {
        var with = files.FirstOrDefault(file => file.Domains is not null);
        var without = files.FirstOrDefault(file => file.Domains is null);
        if (with is not null && without is not null) throw new CorpusException($"{DomainTable.FileOf(with.Path)} has counts by domain, and {Excerpt.Line(without.Path)} has none beside it; count it with --domain, or move the others away.");
        foreach (var file in files)
        {
            if (file.Domains is { } domains && !DomainTable.AddsUpTo(domains, file.Table))
                throw new CorpusException($"{Excerpt.Line(DomainTable.FileOf(file.Path))} does not add up to {Excerpt.Line(file.Path)}, and is of another count; count both anew with --domain, or delete it.");
        }
    }

    private static (TokenTable, IReadOnlyList<DomainCounts>?) MergeTokens(IReadOnlyList<CountFile> files)
    {
        var first = files[0].Table;
        var slots = new Dictionary<int, int>(first.Count);
        for (var slot = 0; slot < first.Count; slot++) slots.Add(first.GetId(slot), slot);
        var sums = first.Counts.ToArray();
        foreach (var file in files.Skip(1)) Add(files[0], file, slots, sums);
        var tokens = new byte[first.Count][];
        for (var slot = 0; slot < tokens.Length; slot++) tokens[slot] = first.GetToken(slot).ToArray();
        var table = TokenTable.Create(first.Ids, sums, tokens, first.Ids[..first.KeptCount], first.PinnedCount);
        return (table, files[0].Domains is null ? null : DomainCounts.Merge(files.SelectMany(file => file.Domains!)));
    }

    private static void Add(CountFile first, CountFile file, Dictionary<int, int> slots, long[] sums)
    {
        var table = file.Table;
        if (table.Count != first.Table.Count) throw Different(first, file, string.Create(CultureInfo.InvariantCulture, $"one has {first.Table.Count} tokens and the other {table.Count}"));
        if (!table.Ids[..table.PinnedCount].SequenceEqual(first.Table.Ids[..first.Table.PinnedCount])) throw Different(first, file, "they pin different tokens to the front");
        if (!table.Ids[..table.KeptCount].SequenceEqual(first.Table.Ids[..first.Table.KeptCount])) throw Different(first, file, "they keep tokens in different places");
        for (var slot = 0; slot < table.Count; slot++)
        {
            if (!slots.TryGetValue(table.GetId(slot), out var place) || !first.Table.GetToken(place).SequenceEqual(table.GetToken(slot)))
                throw Different(first, file, string.Create(CultureInfo.InvariantCulture, $"the id {table.GetId(slot)} is not the same token in both"));
            sums[place] = checked(sums[place] + table.GetCount(slot));
        }
    }

    private static CorpusException Different(CountFile first, CountFile file, string why) =>
        new($"{Excerpt.Line(first.Path)} and {Excerpt.Line(file.Path)} are counts of different tokens: {why}. Count both with one encoding.");

    // Each shard has words and ids of its own; which words are tokens is decided by their sums.
    private static (TokenTable, IReadOnlyList<DomainCounts>?) MergeWords(IReadOnlyList<CountFile> files, WordOptions words)
    {
        var domains = new List<WordDomain>();
        foreach (var file in files)
        {
            var byId = new Dictionary<int, (string Word, long Count)>();
            for (var slot = 0; slot < file.Table.Count; slot++) byId.Add(file.Table.GetId(slot), (WordAt(file, slot), file.Table.GetCount(slot)));
            if (file.Domains is null) domains.Add(new WordDomain("", file.Header!.Documents, byId.Values.ToDictionary(word => word.Word, word => word.Count, StringComparer.Ordinal)));
            foreach (var domain in file.Domains ?? [])
            {
                var counts = new Dictionary<string, long>(StringComparer.Ordinal);
                for (var i = 0; i < domain.Ids.Length; i++) counts.Add(byId[domain.Ids[i]].Word, domain.Counts[i]);
                domains.Add(new WordDomain(domain.Name, domain.Documents, counts));
            }
        }

        var (table, merged) = new WordCounts(words, domains, []).ToTable();
        return (table, files[0].Domains is null ? null : DomainCounts.Merge(merged));
    }

    private static string WordAt(CountFile file, int slot)
    {
        var token = file.Table.GetToken(slot);
        return Utf8.IsValid(token)
            ? Encoding.UTF8.GetString(token)
            : throw new CorpusException($"{Excerpt.Line(file.Path)} has the token {Excerpt.Token(token)}, which is no text, and the words of a corpus are; the file is damaged, count the shard anew.");
    }
}
