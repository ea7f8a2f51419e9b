using Microsoft.ML.Tokenizers;

namespace AdaptiveSoftmax.Corpus;

/// <summary>Byte pairs joined by the ranks of tokens, as tiktoken has them.</summary>
internal sealed class RankModel(EncodedVocabulary vocabulary, string split) : TextModel
{
    private readonly PreTokenizer _splitter = TextSplit.Create(split, vocabulary.SpecialTokens);
    private readonly BytePairRanks _ranks = new(vocabulary);

    public override EncodedVocabulary Vocabulary => vocabulary;

    public override TextBorder Border => TextBorder.Lines;

    public override string Description => split;

    public override TextEncoder CreateEncoder() => new SplitEncoder(_splitter, _ranks, vocabulary.SpecialTokens);
}
