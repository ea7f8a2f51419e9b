using System.Text;
using Microsoft.ML.Tokenizers;

namespace AdaptiveSoftmax.Corpus.Tests.Tokenizing;

/// <summary>The encoder gives the tokens that the library gives, and takes no longer for one word than for another.</summary>
public sealed class BytePairEncoderTests
{
    private static readonly string[] s_alphabets =
    [
        "abcdefghijklmnopqrstuvwxyz", "ab", "aeiou", "AaBb", "01", "!?-_/", " ", "日本語中国的数を返", "абвгд", "\u0301e", "\ud83d\ude00", "ééàüß",
    ];

    [Theory]
    [InlineData("o200k_base")]
    [InlineData("cl100k_base")]
    public void RandomWords_HaveTheLibrarysTokens(string encoding)
    {
        var tokenizer = CorpusTokenizer.Create(encoding);
        var library = TiktokenTokenizer.CreateForEncoding(encoding);
        var random = new Random(20);
        for (var trial = 0; trial < 3000; trial++)
        {
            var word = RandomWord(random, trial % 100 == 0 ? 2000 : 1 + random.Next(150));
            Assert.Equal(library.EncodeToIds(word), tokenizer.Encode(word, TestContext.Current.CancellationToken));
        }
    }

    [Fact]
    public void RandomCharacters_HaveTheLibrarysTokens()
    {
        var tokenizer = CorpusTokenizer.Create("o200k_base");
        var library = TiktokenTokenizer.CreateForEncoding("o200k_base");
        var random = new Random(21);
        for (var trial = 0; trial < 1000; trial++)
        {
            var text = string.Concat(Enumerable.Range(0, 1 + random.Next(400)).Select(_ => char.ConvertFromUtf32(RandomRune(random))));
            Assert.Equal(library.EncodeToIds(text), tokenizer.Encode(text, TestContext.Current.CancellationToken));
        }
    }

    [Theory]
    [InlineData("x")]
    [InlineData("ab")]
    [InlineData("的")]
    [InlineData("qzjx")]
    [InlineData("-")]
    public void LongWords_HaveTheLibrarysTokens(string repeated)
    {
        var tokenizer = CorpusTokenizer.Create("cl100k_base");
        var library = TiktokenTokenizer.CreateForEncoding("cl100k_base");
        var word = string.Concat(Enumerable.Repeat(repeated, 3000 / repeated.Length));
        Assert.Equal(library.EncodeToIds(word), tokenizer.Encode(word, TestContext.Current.CancellationToken));
    }

    [Fact]
    public void StepsOfAWord_GrowWithItsLength()
    {
        // As many as there are tokens to look up: an encoder that searched all pairs at each join would need the square.
        var letters = new Random(22);
        foreach (var length in new[] { 1_000, 100_000, 1_000_000 })
        {
            var word = string.Create(length, letters, static (span, random) =>
            {
                foreach (ref var letter in span) letter = (char)('a' + random.Next(26));
            });
            var ids = CorpusTokenizer.Create("o200k_base").Encode(word, TestContext.Current.CancellationToken);
            Assert.Equal(word, EncodedVocabulary.O200kBase.Decode(ids));
        }
    }

    [Fact]
    public void AWord_IsCancelledInside()
    {
        using var cancellation = new CancellationTokenSource();
        cancellation.Cancel();
        Assert.Throws<OperationCanceledException>(() => CorpusTokenizer.Create("o200k_base").Encode(new string('x', 1_000_000), cancellation.Token));
        var ranks = new BytePairRanks(EncodedVocabulary.O200kBase);
        Assert.Throws<OperationCanceledException>(() => new BytePairEncoder(ranks).Encode(Encoding.ASCII.GetBytes(new string('x', 100_000)), [], cancellation.Token));
    }

    private static string RandomWord(Random random, int length)
    {
        var alphabet = s_alphabets[random.Next(s_alphabets.Length)].EnumerateRunes().ToArray();
        return string.Concat(Enumerable.Range(0, length).Select(_ => alphabet[random.Next(alphabet.Length)].ToString()));
    }

    private static int RandomRune(Random random)
    {
        while (true)
        {
            var rune = random.Next(random.Next(3) switch { 0 => 0x80, 1 => 0x3000, _ => 0x20000 });
            if (rune is < 0xD800 or > 0xDFFF) return rune;
        }
    }
}
