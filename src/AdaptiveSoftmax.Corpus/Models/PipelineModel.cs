namespace AdaptiveSoftmax.Corpus;

/// <summary>Text to ids in the steps that a tokenizer's file says.</summary>
internal sealed class PipelineModel(EncodedVocabulary vocabulary, TextPipeline pipeline, TextBorder border, string description) : TextModel
{
    public override EncodedVocabulary Vocabulary => vocabulary;

    public override TextBorder Border => border;

    public override string Description => description;

    public override TextEncoder CreateEncoder() => new PipelineEncoder(pipeline);
}
