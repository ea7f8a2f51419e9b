using AdaptiveSoftmax;
using AdaptiveSoftmax.TorchSharp;

namespace TorchLstmSample;

/// <summary>The two models that are compared. They differ in their softmax alone.</summary>
internal static class LstmModels
{
    // Rarer tokens than these share one embedding: the text hardly has them.
    private static readonly LstmShape s_shape = new() { EmbeddingRows = 32_768, EmbeddingSize = 128, HiddenSize = ApiDocsLstm.HiddenSize, Dropout = 0.1 };

    /// <summary>The model with the adaptive softmax.</summary>
    /// <param name="layer">What the softmax's first weights and its fingerprint are taken from.</param>
    /// <param name="seed">Decides the body's first weights.</param>
    /// <param name="implementation">What computes the softmax.</param>
    public static LstmModel CreateAdaptive(AdaptiveSoftmaxLayer layer, ulong seed, SoftmaxImplementation implementation = SoftmaxImplementation.Fused)
    {
        // First: the module says what is missing where libtorch does not load.
        var head = new AdaptiveHead(layer.ToTorch(), implementation);
        return new LstmModel(new LstmBody(s_shape, seed), head);
    }

    /// <summary>The model with TorchSharp's full softmax.</summary>
    public static LstmModel CreateFull(ulong seed) => new(new LstmBody(s_shape, seed), new FullHead(ApiDocsLstm.HiddenSize, ApiDocsLstm.VocabularySize));
}
