using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using Microsoft.ML.Tokenizers;

namespace AdaptiveSoftmax.Corpus.Tests.Vocabularies;

public sealed class EncodedVocabularyTests
{
    public static TheoryData<string> Encodings => ["o200k_base", "cl100k_base"];

    // The hashes are those of the files that the encodings' publisher distributes, one "base64 id" a line.
    [Theory]
    [InlineData("o200k_base", "446a9538cb6c348e3516120d7c08b09f57c36495e2acfffe59a5bf8b0cfb1a2d")]
    [InlineData("cl100k_base", "223921b76ee99bde995b7ff738513eef100fb51d18c93597a113bcffe865b2a7")]
    public void OrdinaryTokens_AreThePublishersBytes(string encoding, string sha256)
    {
        var vocabulary = Get(encoding);
        var file = new StringBuilder();
        for (var id = 0; id < vocabulary.Count; id++)
        {
            if (vocabulary.GetKind(id) == TokenKind.Ordinary)
                file.Append(CultureInfo.InvariantCulture, $"{Convert.ToBase64String(vocabulary.GetToken(id))} {id}\n");
        }

        Assert.Equal(sha256, Convert.ToHexStringLower(SHA256.HashData(Encoding.ASCII.GetBytes(file.ToString()))));
    }

    [Fact]
    public void O200kBase_HasItsIdsSpecialsAndGaps()
    {
        var vocabulary = EncodedVocabulary.O200kBase;

        Assert.Equal(200_019, vocabulary.Count);
        Assert.Equal(199_999, vocabulary.EndOfTextId);
        Assert.Equal("<|endoftext|>"u8, vocabulary.GetToken(199_999));
        Assert.Equal("<|endofprompt|>"u8, vocabulary.GetToken(200_018));
        Assert.Equal("<|reserved_199998|>"u8, vocabulary.GetToken(199_998));
        Assert.Equal("<|reserved_200017|>"u8, vocabulary.GetToken(200_017));
        var kinds = Enumerable.Range(0, vocabulary.Count).CountBy(vocabulary.GetKind).ToDictionary();
        Assert.Equal(199_998, kinds[TokenKind.Ordinary]);
        Assert.Equal(2, kinds[TokenKind.Special]);
        Assert.Equal(19, kinds[TokenKind.Reserved]);
    }

    [Fact]
    public void Cl100kBase_HasItsIdsSpecialsAndGaps()
    {
        var vocabulary = EncodedVocabulary.Cl100kBase;

        Assert.Equal(100_277, vocabulary.Count);
        Assert.Equal(100_257, vocabulary.EndOfTextId);
        Assert.Equal("<|fim_suffix|>"u8, vocabulary.GetToken(100_260));
        Assert.Equal("<|reserved_100256|>"u8, vocabulary.GetToken(100_256));
        Assert.Equal(5, vocabulary.SpecialTokens.Count);
    }

    [Theory]
    [MemberData(nameof(Encodings))]
    public void EveryToken_IsDistinct(string encoding)
    {
        var vocabulary = Get(encoding);
        var seen = new HashSet<string>();
        for (var id = 0; id < vocabulary.Count; id++)
            Assert.True(seen.Add(Convert.ToHexString(vocabulary.GetToken(id))), $"Token {id} occurs twice.");
    }

    [Theory]
    [MemberData(nameof(Encodings))]
    public void Decode_UndoesTheTokenizer(string encoding)
    {
        const string Text = "Returns the number of elements — 数を返す 🎉🏳️‍🌈.\r\n\tif (x != null) { return; }  \u0000 é";
        var ids = TiktokenTokenizer.CreateForEncoding(encoding).EncodeToIds(Text);

        Assert.Equal(Text, Get(encoding).Decode([.. ids]));
    }

    [Fact]
    public void GetToken_OutsideTheIds_NamesTheRange()
    {
        var vocabulary = EncodedVocabulary.O200kBase;

        Assert.Contains("0 to 200018", Assert.Throws<ArgumentOutOfRangeException>(() => vocabulary.GetToken(200_019)).Message);
        Assert.Throws<ArgumentOutOfRangeException>(() => vocabulary.GetKind(-1));
    }

    private static EncodedVocabulary Get(string encoding) =>
        encoding == "o200k_base" ? EncodedVocabulary.O200kBase : EncodedVocabulary.Cl100kBase;
}
