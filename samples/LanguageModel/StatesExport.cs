using AdaptiveSoftmax;

namespace LanguageModelSample;

/// <summary>Writes what the model's softmax sees of a text, for tools that know the softmax and not the model.</summary>
internal static class StatesExport
{
    private const int TokensPerBatch = 256;

    /// <summary>Writes the states before tokens spread over a text, and those tokens, and returns how many they are.</summary>
    public static int Write(LanguageModel model, int[] text, string path, int tokens, CancellationToken cancellation)
    {
        var positions = TextData.SpreadPositions(text, Math.Min(tokens, text.Length));
        StatesWriter.Write(path, model.Layout.HiddenSize, writer =>
        {
            foreach (var part in positions.Chunk(TokensPerBatch))
            {
                var batch = new Batch(part.Length, model.Window);
                batch.Fill(text, part, model.EndOfText);
                var hidden = new float[part.Length * model.Layout.HiddenSize];
                model.CopyHidden(batch.Windows, hidden);
                writer.Add(hidden, batch.Targets);
            }
        }, cancellationToken: cancellation);
        return positions.Length;
    }
}
