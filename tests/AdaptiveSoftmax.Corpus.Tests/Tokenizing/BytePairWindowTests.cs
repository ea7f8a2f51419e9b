using System.Text;

namespace AdaptiveSoftmax.Corpus.Tests.Tokenizing;

/// <summary>Long words are joined window by window, and have the tokens that joining the whole of them pair by pair gives.</summary>
public sealed class BytePairWindowTests
{
    [Theory]
    [InlineData(1, 2)]
    [InlineData(2, 3)]
    [InlineData(3, 5)]
    [InlineData(4, 26)]
    public void AnyRanks_GiveTheTokensOfJoiningTheWholeWord(int seed, int letters)
    {
        var random = new Random(seed);
        for (var trial = 0; trial < 40; trial++)
        {
            var tokens = RandomTokens(random, letters);
            var encoder = new BytePairEncoder(new BytePairRanks(tokens));
            var ranks = tokens.ToDictionary(token => Text(token.Token), token => token.Rank);
            for (var word = 0; word < 3; word++)
            {
                var bytes = RandomWord(random, tokens, random.Next(4) == 0 ? 1 + random.Next(100) : 1 + random.Next(500));
                List<int> ids = [];
                encoder.Encode(bytes, ids, TestContext.Current.CancellationToken);
                IEnumerable<int> expected = ranks.TryGetValue(Text(bytes), out var whole) ? [whole] : JoinAll(Text(bytes), ranks, areCharacters: false).Select(piece => ranks[piece]);
                Assert.Equal(expected, ids);
            }
        }
    }

    [Theory]
    [InlineData("o200k_base")]
    [InlineData("cl100k_base")]
    public void RealRanks_GiveTheTokensOfJoiningTheWholeWord(string encoding)
    {
        var vocabulary = BuiltInEncoding.All.First(known => known.Name == encoding).Vocabulary;
        var tokens = Enumerable.Range(0, vocabulary.Count).Where(id => vocabulary.GetKind(id) == TokenKind.Ordinary).Select(id => (Token: vocabulary.GetToken(id).ToArray(), Rank: id)).ToList();
        var ranks = tokens.ToDictionary(token => Text(token.Token), token => token.Rank);
        var encoder = new BytePairEncoder(new BytePairRanks(tokens));
        var random = new Random(7);
        for (var trial = 0; trial < 24; trial++)
        {
            // Of tokens, of letters, of one character alone, of any bytes: runs of one are the longest tokens that there are.
            byte[] bytes = (trial % 4) switch
            {
                0 => RandomWord(random, tokens, 1200),
                1 => [.. Enumerable.Range(0, 1200).Select(_ => (byte)('a' + random.Next(26)))],
                2 => [.. Enumerable.Repeat((byte)" \n-=!a0"[random.Next(7)], 700 + random.Next(900))],
                _ => [.. Enumerable.Range(0, 1200).Select(_ => (byte)random.Next(256))],
            };
            List<int> ids = [];
            encoder.Encode(bytes, ids, TestContext.Current.CancellationToken);
            Assert.Equal(JoinAll(Text(bytes), ranks, areCharacters: false).Select(piece => ranks[piece]), ids);
        }
    }

    [Theory]
    [InlineData(300)]
    [InlineData(2000)]
    public void WhereTheEndOfATextReachesFarBack_WindowsGrow(int length)
    {
        // Each byte may be joined to the next, the last pairs of the alphabet first: which ones are depends on all that follows.
        var tokens = Enumerable.Range(0, 256).Select(value => (Token: new[] { (byte)value }, Rank: value)).ToList();
        tokens.AddRange(Enumerable.Range(0, 255).Select(value => (new[] { (byte)value, (byte)(value + 1) }, 1000 - value)));
        var ranks = tokens.ToDictionary(token => Text(token.Token), token => token.Rank);
        var word = Enumerable.Range(0, length).Select(i => (byte)i).ToArray();
        List<int> ids = [];
        new BytePairEncoder(new BytePairRanks(tokens)).Encode(word, ids, TestContext.Current.CancellationToken);
        Assert.Equal(JoinAll(Text(word), ranks, areCharacters: false).Select(piece => ranks[piece]), ids);
    }

    [Theory]
    [InlineData(2)]
    [InlineData(5)]
    public void ALongWindow_IsJoinedInAHeapAlike(int letters)
    {
        var random = new Random(letters);
        for (var trial = 0; trial < 20; trial++)
        {
            var tokens = RandomTokens(random, letters);
            var ranks = tokens.ToDictionary(token => Text(token.Token), token => token.Rank);
            var text = RandomWord(random, tokens, 520 + random.Next(300));
            var joiner = new PairJoiner(new BytePairRanks(tokens));
            joiner.Join(text, areCharacters: false, TestContext.Current.CancellationToken);
            List<int> ids = [];
            for (var start = 0; start < text.Length; start = joiner.EndOf(start)) ids.Add(joiner.IdOf(start));
            Assert.Equal(JoinAll(Text(text), ranks, areCharacters: false).Select(piece => ranks[piece]), ids);
        }
    }

    [Fact]
    public void Characters_AreJoinedAsInTheWholeWord()
    {
        var random = new Random(5);
        string[] alphabet = ["a", "é", "的", "\ud83d\ude00", "b"];
        for (var trial = 0; trial < 60; trial++)
        {
            var names = new HashSet<string>();
            while (names.Count < 40) names.Add(string.Concat(Enumerable.Range(0, 1 + random.Next(5)).Select(_ => alphabet[random.Next(alphabet.Length)])));
            var order = names.Select(_ => random.Next()).ToArray();
            var ranks = names.Select((name, i) => (name, i)).OrderBy(pair => order[pair.i]).Select((pair, rank) => (pair.name, rank)).ToDictionary(pair => pair.name, pair => pair.rank);
            var encoder = new BytePairEncoder(new BytePairRanks(ranks.Select(pair => (Encoding.UTF8.GetBytes(pair.Key), pair.Value))));
            var word = string.Concat(Enumerable.Range(0, 1 + random.Next(600)).Select(_ => alphabet[random.Next(alphabet.Length)]));
            List<(int Start, int End)> pieces = [];
            var bytes = Encoding.UTF8.GetBytes(word);
            encoder.JoinCharacters(bytes, pieces, TestContext.Current.CancellationToken);
            Assert.Equal(JoinAll(word, ranks, areCharacters: true), pieces.Select(piece => Encoding.UTF8.GetString(bytes[piece.Start..piece.End])));
        }
    }

    // Joins the lowest, the leftmost first, until there is none: as plain as it can be, and quadratic.
    private static List<string> JoinAll(string word, Dictionary<string, int> ranks, bool areCharacters)
    {
        List<string> pieces = areCharacters ? [.. word.EnumerateRunes().Select(rune => rune.ToString())] : [.. word.Select(letter => letter.ToString())];
        while (true)
        {
            var (lowest, place) = (int.MaxValue, -1);
            for (var i = 0; i + 1 < pieces.Count; i++)
            {
                if (ranks.TryGetValue(pieces[i] + pieces[i + 1], out var rank) && rank < lowest) (lowest, place) = (rank, i);
            }

            if (place < 0) return pieces;
            pieces[place] += pieces[place + 1];
            pieces.RemoveAt(place + 1);
        }
    }

    // Every letter, and tokens that are two others or anything, so that some can be reached and others not, in any order.
    private static List<(byte[] Token, int Rank)> RandomTokens(Random random, int letters)
    {
        var tokens = Enumerable.Range(0, letters).Select(letter => new[] { (byte)('a' + letter) }).ToList();
        var known = tokens.Select(Text).ToHashSet();
        for (var tries = random.Next(300); tries > 0; tries--)
        {
            byte[] token = random.Next(4) == 0
                ? [.. Enumerable.Range(0, 2 + random.Next(6)).Select(_ => (byte)('a' + random.Next(letters)))]
                : [.. tokens[random.Next(tokens.Count)], .. tokens[random.Next(tokens.Count)]];
            if (token.Length < 40 && known.Add(Text(token))) tokens.Add(token);
        }

        var ranks = Enumerable.Range(0, tokens.Count).ToArray();
        if (random.Next(2) == 0) random.Shuffle(ranks);
        return [.. tokens.Select((token, i) => (token, ranks[i]))];
    }

    private static byte[] RandomWord(Random random, List<(byte[] Token, int Rank)> tokens, int length)
    {
        List<byte> word = [];
        var few = random.Next(2) == 0 ? tokens.Count : Math.Min(tokens.Count, 3);
        while (word.Count < length) word.AddRange(tokens[random.Next(few)].Token);
        return [.. word];
    }

    private static string Text(byte[] bytes) => Encoding.Latin1.GetString(bytes);
}
