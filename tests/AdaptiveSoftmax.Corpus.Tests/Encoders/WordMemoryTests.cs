namespace AdaptiveSoftmax.Corpus.Tests.Encoders;

public sealed class WordMemoryTests
{
    // More words than it holds, so that it starts over on the way: what it gives back is then still what was given last.
    [Fact]
    public void Words_ComeBackWithTheirIds_OrNotAtAll()
    {
        const int Words = 600_000;
        var memory = new WordMemory();
        var given = new Dictionary<string, int[]>(StringComparer.Ordinal);
        var random = new Random(1);
        var ids = new List<int>();
        var (known, longWords) = (0, 0);
        for (var i = 0; i < Words; i++)
        {
            var word = new string((char)('a' + random.Next(26)), random.Next(4) == 0 ? random.Next(200) : 0) + (random.Next(8) == 0 ? random.Next(500) : random.Next()).ToString(null, System.Globalization.CultureInfo.InvariantCulture);
            ids.Clear();
            ids.Add(-1);
            if (memory.TryAppend(word, ids))
            {
                Check([-1, .. given[word]]);
                known++;
                continue;
            }

            Check([-1]);
            int[] own = [.. Enumerable.Range(0, random.Next(6)).Select(_ => random.Next())];
            memory.Add(word, own);
            given[word] = own;
            ids.Clear();
            if (memory.TryAppend(word, ids) != word.Length <= 128) Assert.Fail($"A word of {word.Length} characters is remembered, or is not.");
            if (word.Length <= 128) Check(own);
            else longWords++;
        }

        Assert.True(known > 5_000 && longWords > 10_000 && given.Count > 3 << 17);

        // An assertion a word would take most of the time.
        void Check(int[] expected)
        {
            if (!expected.SequenceEqual(ids)) Assert.Equal(expected, ids);
        }
    }
}
