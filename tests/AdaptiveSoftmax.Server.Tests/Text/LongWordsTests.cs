using AdaptiveSoftmax.Corpus;
using CsCheck;
using ServerSample;

namespace AdaptiveSoftmax.Server.Tests;

public sealed class LongWordsTests
{
    // Characters of every kind that the encodings tell apart, a surrogate pair's halves kept together.
    private static readonly string[] s_characters = ["a", "B", "ö", "中", "ʰ", "\u0301", "\u20dd", "1", "٣", " ", "\n", "\r", "\u3000", "/", "!", "'s", "'", "𠀀", "🙂", "\u180e", "\u200b", "<|endoftext|>"];
    private static readonly Gen<string> s_text = Gen.Int[0, s_characters.Length - 1].Array[0, 24].Select(places => string.Concat(places.Select(place => s_characters[place])));

    [Theory]
    [InlineData("o200k_base")]
    [InlineData("cl100k_base")]
    public void NoWordOfAnEncoding_IsLongerThanWhatIsFound(string encoding)
    {
        var tokenizer = CorpusTokenizer.Create(encoding);
        s_text.Sample(text =>
        {
            var longest = 0;
            foreach (var word in tokenizer.EncodeWords(text))
            {
                var bytes = 0;
                foreach (var id in word.Span) bytes += tokenizer.Vocabulary.GetToken(id).Length;
                // One character before letters, "'s" and the like behind them; the name of a special token is a word of its own.
                if (!word.Span.Contains(tokenizer.Vocabulary.EndOfTextId)) longest = Math.Max(longest, bytes - 7);
            }

            if (longest > 0) Assert.NotEqual(-1, LongWords.Find(text, longest - 1));
        }, iter: 20_000);
    }

    [Theory]
    [InlineData("aaaa bbbbb", 4, 5)]
    [InlineData("aaaa bbbbb", 5, -1)]
    [InlineData("中中", 5, 0)]
    [InlineData("中中", 6, -1)]
    [InlineData("x/\n/\n/\n/", 6, 1)]
    [InlineData("}\n}\n}\n}\n}\n", 3, -1)]
    [InlineData("𠀀!𠀀!", 9, 0)]
    [InlineData("123456789", 3, -1)]
    [InlineData("a     b", 4, 1)]
    public void LongestRun_IsFoundWhereItBegins(string text, int mostBytes, int start) => Assert.Equal(start, LongWords.Find(text, mostBytes));
}
