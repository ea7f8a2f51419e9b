using AdaptiveSoftmax;

namespace LanguageModelSample;

/// <summary>Texts that a model writes by sampling from its whole distribution, and how varied they are.</summary>
internal static class WrittenText
{
    private const int RepeatedLength = 4;

    /// <summary>Lets a model go on after windows of a text, each with random numbers of its own.</summary>
    /// <param name="model">The model.</param>
    /// <param name="text">The text whose windows begin.</param>
    /// <param name="options">How many texts, and how long.</param>
    /// <param name="cancellation">Stops between two tokens.</param>
    /// <returns>What was written, without the windows.</returns>
    public static int[][] Write(Model model, int[] text, StudyOptions options, CancellationToken cancellation)
    {
        using var session = model.Softmax.CreateSession();
        var texts = new int[options.Texts][];
        var batch = new Batch(options.Texts, model.Window);
        batch.Fill(text, TextData.SpreadPositions(text, options.Texts), model.EndOfText);
        for (var i = 0; i < texts.Length; i++)
        {
            List<int> tokens = [.. batch.Windows.AsSpan(i * model.Window, model.Window)];
            var sequence = new DecodeSequence(model.Softmax, seed: (ulong)i);
            while (tokens.Count < model.Window + options.TextTokens)
            {
                cancellation.ThrowIfCancellationRequested();
                tokens.Add(session.Sample(model.Forward([.. tokens[^model.Window..]]), sequence).Token);
            }

            texts[i] = [.. tokens[model.Window..]];
        }

        return texts;
    }

    /// <summary>Different n-grams over all n-grams of texts.</summary>
    public static double Distinct(IEnumerable<int[]> texts, int length)
    {
        string[] grams = [.. texts.SelectMany(text => Grams(text, length))];
        return grams.Length == 0 ? 0 : (double)grams.Distinct(StringComparer.Ordinal).Count() / grams.Length;
    }

    /// <summary>The share of 4-grams that stand earlier in the same text.</summary>
    public static double Repetition(IEnumerable<int[]> texts)
    {
        var (repeated, all) = (0, 0);
        foreach (var text in texts)
        {
            string[] grams = [.. Grams(text, RepeatedLength)];
            all += grams.Length;
            repeated += grams.Length - grams.Distinct(StringComparer.Ordinal).Count();
        }

        return all == 0 ? 0 : (double)repeated / all;
    }

    private static IEnumerable<string> Grams(int[] text, int length) =>
        Enumerable.Range(0, Math.Max(0, text.Length - length + 1)).Select(start => string.Join(' ', text.Skip(start).Take(length)));
}
