using AdaptiveSoftmax.Vocabulary;
using LanguageModelSample;

namespace AdaptiveSoftmax.Samples.Tests;

/// <summary>The sample's model in a size that a test can look at value by value.</summary>
internal static class TinyModel
{
    public const int Tokens = 12;
    public const int EndOfText = 11;

    // Two tokens share a row, as all rare ones do in the sample.
    private static readonly int[] s_rows = [0, 1, 2, 3, 4, 5, 6, 6, 7, 8, 9, 6];

    public static Model Create(ulong seed, int threads = 2)
    {
        var shape = new BodyShape { Window = 3, EmbeddingRows = 10, EmbeddingSize = 4, HiddenSize = 16, Threads = threads };
        var softmax = new DynamicAdaptiveSoftmax(SoftmaxLayout.Create(16, Tokens, [4, 8]), seed, new AdaptiveSoftmaxOptions { Threads = threads });
        return new Model(new Body(shape, seed), softmax, s_rows, EndOfText);
    }

    /// <summary>Text in which each token depends on the one before.</summary>
    public static int[] CreateText(int length)
    {
        var random = new Random(5);
        var text = new int[length];
        for (var i = 1; i < length; i++) text[i] = random.Next(4) == 0 ? random.Next(Tokens) : ((text[i - 1] * 5) + 1) % Tokens;
        return text;
    }

    /// <summary>All values of all parameters as bits.</summary>
    public static int[] Bits(Model model) =>
        [.. model.Parameters.SelectMany(parameter => parameter.Values.ToArray()).Select(BitConverter.SingleToInt32Bits)];
}
