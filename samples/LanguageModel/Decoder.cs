using AdaptiveSoftmax.Corpus;

namespace LanguageModelSample;

/// <summary>Lets a model write.</summary>
internal sealed class Decoder(Model model, CorpusTokenizer tokenizer)
{
    /// <summary>Continues a text greedily, with the most probable token each time, to the end of a document.</summary>
    /// <param name="prompt">The text to continue.</param>
    /// <param name="maxTokens">The most tokens to write.</param>
    public string Continue(string prompt, int maxTokens = 80)
    {
        // The window before the prompt is filled as at the start of a text, with ends of documents.
        List<int> tokens = [.. Enumerable.Repeat(model.EndOfText, model.Window), .. tokenizer.Encode(prompt)];
        var start = tokens.Count;
        while (tokens.Count < start + maxTokens)
        {
            var next = model.Softmax.Predict(model.Forward([.. tokens[^model.Window..]]));
            if (next == model.EndOfText) break;
            tokens.Add(next);
        }

        return tokenizer.Vocabulary.Decode([.. tokens[start..]]);
    }
}
