using AdaptiveSoftmax.Corpus;

namespace LanguageModelSample;

/// <summary>Lets a model write.</summary>
internal sealed class Decoder(LanguageModel model, CorpusTokenizer tokenizer)
{
    /// <summary>Continues a text greedily, with the most probable token each time, over the ends of documents.</summary>
    /// <param name="prompt">The text to continue.</param>
    /// <param name="count">The tokens to write.</param>
    public string Continue(string prompt, int count)
    {
        // The window before the prompt is filled as at the start of a text, with ends of documents.
        List<int> tokens = [.. Enumerable.Repeat(model.EndOfText, model.Window), .. tokenizer.Encode(prompt)];
        var start = tokens.Count;
        while (tokens.Count < start + count) tokens.Add(model.Predict([.. tokens[^model.Window..]]));
        return tokenizer.Vocabulary.Decode([.. tokens[start..]]).Replace(EncodedVocabulary.EndOfText, "\n", StringComparison.Ordinal);
    }
}
