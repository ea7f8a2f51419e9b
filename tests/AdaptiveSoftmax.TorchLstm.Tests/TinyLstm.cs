using AdaptiveSoftmax.TorchSharp;
using AdaptiveSoftmax.Vocabulary;
using TorchLstmSample;
using Xunit.Sdk;
using Xunit.v3;
using static TorchSharp.torch;

// How many threads libtorch computes with is one setting of the process.
[assembly: Parallelization(Mode = ParallelMode.None)]

namespace AdaptiveSoftmax.TorchLstm.Tests;

/// <summary>The sample's model in a size that a test can look at value by value. Its slots are its token ids.</summary>
internal static class TinyLstm
{
    public const int Tokens = 24;
    public const int EndOfText = 23;
    public const int Streams = 4;
    public const int Steps = 5;

    // Not 16: of that size alone, the LSTM of libtorch's oneDNN gives wrong states on some processors with AVX-512 (AMD's EPYC with bfloat16).
    public const int Hidden = 20;

    // The last slots share an embedding, as the rare ones do in the sample.
    private static readonly LstmShape s_shape = new() { EmbeddingRows = 20, EmbeddingSize = 6, HiddenSize = Hidden, Dropout = 0.2 };

    private static readonly SoftmaxLayout s_layout = SoftmaxLayout.Create(Hidden, Tokens, [6, 14], divValue: 2);

    public static DynamicAdaptiveSoftmax CreateLayer(ulong seed) => new(s_layout, seed);

    public static LstmModel CreateAdaptive(AdaptiveSoftmaxLayer layer, ulong seed, double dropout = 0.2, SoftmaxImplementation implementation = SoftmaxImplementation.Fused)
    {
        // The same bits on any machine, however many threads another test asks for.
        set_num_threads(1);
        var module = layer.ToTorch();
        return new LstmModel(new LstmBody(s_shape with { Dropout = dropout }, seed), new AdaptiveHead(module, implementation));
    }

    public static LstmModel CreateFull(ulong seed) => new(new LstmBody(s_shape, seed), new FullHead(s_layout.HiddenSize, s_layout.VocabularySize));

    /// <summary>Text in which each token depends on the two before.</summary>
    public static int[] CreateText(int length)
    {
        var random = new Random(5);
        var text = new int[length];
        for (var i = 2; i < length; i++) text[i] = random.Next(5) == 0 ? random.Next(Tokens) : ((text[i - 1] * 5) + text[i - 2] + 1) % Tokens;
        return text;
    }

    /// <summary>All that a model has learned, as bits.</summary>
    public static int[] Bits(LstmModel model) =>
        [.. model.Body.Parameters.Concat(model.Head.Parameters).Append(model.Body.Embeddings.Values).SelectMany(Floats).Select(BitConverter.SingleToInt32Bits)];

    public static float[] Floats(Tensor tensor)
    {
        using var contiguous = tensor.detach().contiguous();
        return contiguous.data<float>().ToArray();
    }
}
