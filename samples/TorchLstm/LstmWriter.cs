using System.Runtime.InteropServices;
using AdaptiveSoftmax.Corpus;
using static TorchSharp.torch;

namespace TorchLstmSample;

/// <summary>Lets a model write: the body is TorchSharp's, the choice of each token the generated class's exact greedy one.</summary>
/// <param name="model">The model.</param>
/// <param name="softmax">The generated class with the model's weights.</param>
/// <param name="tokenizer">The tokenizer.</param>
internal sealed class LstmWriter(LstmModel model, ApiDocsLstm softmax, CorpusTokenizer tokenizer)
{
    /// <summary>Continues a text, over the ends of documents.</summary>
    /// <param name="prompt">The text to continue.</param>
    /// <param name="count">The tokens to write.</param>
    public string Continue(string prompt, int count)
    {
        using var state = LstmState.Zero(1, model.Body.Shape.HiddenSize);
        var written = new int[count];
        // The model has learned what follows the end of a document, and nothing of what follows nothing.
        var next = Predict([tokenizer.Vocabulary.EndOfTextId, .. tokenizer.Encode(prompt)], state);
        for (var i = 0; i < count; i++)
        {
            written[i] = next;
            next = Predict([next], state);
        }

        return tokenizer.Vocabulary.Decode(written).Replace(EncodedVocabulary.EndOfText, "\n", StringComparison.Ordinal);
    }

    private int Predict(IEnumerable<int> ids, LstmState state)
    {
        using var scope = NewDisposeScope();
        long[] slots = [.. ids.Select(id => (long)ApiDocsLstm.Vocabulary.GetSlot(id).Slot)];
        var hidden = model.Read(tensor(slots, [slots.Length, 1]), state)[^1].contiguous();
        return softmax.Predict(MemoryMarshal.Cast<byte, float>(hidden.bytes));
    }
}
