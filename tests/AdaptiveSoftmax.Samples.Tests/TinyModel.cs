using AdaptiveSoftmax.Gpu;
using AdaptiveSoftmax.Vocabulary;
using ILGPU.Runtime;
using LanguageModelSample;

namespace AdaptiveSoftmax.Samples.Tests;

/// <summary>The sample's model in a size that a test can look at value by value.</summary>
internal static class TinyModel
{
    public const int Tokens = 12;
    public const int EndOfText = 11;

    // Two tokens share a row, as all rare ones do in the sample.
    private static readonly int[] s_rows = [0, 1, 2, 3, 4, 5, 6, 6, 7, 8, 9, 6];

    private static readonly SoftmaxLayout s_layout = SoftmaxLayout.Create(16, Tokens, [4, 8]);

    public static Model Create(ulong seed, int threads = 2)
    {
        var softmax = new DynamicAdaptiveSoftmax(s_layout, seed, new AdaptiveSoftmaxOptions { Threads = threads });
        return new Model(CreateBody(seed, threads), softmax, s_rows, EndOfText);
    }

    /// <summary>The same model on a device.</summary>
    public static GpuModel Create(ulong seed, Accelerator accelerator)
    {
        using var body = CreateBody(seed, threads: 1);
        return new GpuModel(new GpuBody(accelerator, body), new DynamicGpuSoftmax(accelerator, s_layout, seed), s_rows, EndOfText);
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

    /// <inheritdoc cref="Bits(Model)"/>
    public static int[] Bits(GpuModel model) => [.. model.Parameters.SelectMany(Values).Select(BitConverter.SingleToInt32Bits)];

    /// <summary>The values of a parameter on a device.</summary>
    public static float[] Values(GpuParameter parameter)
    {
        var values = new float[parameter.Rows * parameter.Columns];
        parameter.CopyTo(values);
        return values;
    }

    private static Body CreateBody(ulong seed, int threads) =>
        new(new BodyShape { Window = 3, EmbeddingRows = 10, EmbeddingSize = 4, HiddenSize = 16, Threads = threads }, seed);
}
