using System.Text.RegularExpressions;

namespace AdaptiveSoftmax.Corpus;

/// <summary>Byte pairs joined by the ranks of tokens, as tiktoken has them.</summary>
internal sealed class RankModel(EncodedVocabulary vocabulary, string split) : TextModel
{
    private readonly Regex _pattern = TextSplit.PatternOf(split);
    private readonly Regex? _special = TextSplit.PatternOf(vocabulary.SpecialTokens.Keys);
    private readonly BytePairRanks _ranks = new(vocabulary);

    public override EncodedVocabulary Vocabulary => vocabulary;

    public override TextBorder Border => TextBorder.Lines;

    public override string Description => split;

    public override TextEncoder CreateEncoder() => new SplitEncoder(new WordSplitter(_pattern, _special), _ranks, vocabulary.SpecialTokens);
}
