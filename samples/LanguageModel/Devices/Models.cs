using AdaptiveSoftmax;
using AdaptiveSoftmax.Corpus;
using AdaptiveSoftmax.Gpu;
using AdaptiveSoftmax.Vocabulary;
using ILGPU.Runtime;

namespace LanguageModelSample;

/// <summary>The two models that are compared, on the processor and on a device. They differ in their softmax alone.</summary>
internal static class Models
{
    // Rarer tokens than these share one embedding: a table of 200,019 rows would be six times as large, for tokens that
    // the text hardly has.
    private const int EmbeddingRows = 32_768;

    /// <summary>The model with the generated adaptive softmax.</summary>
    public static Model CreateAdaptive(ulong seed, int threads) =>
        Create(seed, threads, ApiDocsSoftmax.Create(seed, new AdaptiveSoftmaxOptions { Threads = threads }));

    /// <summary>The model with an adaptive softmax that was planned since this program was built, as a migration makes it.</summary>
    /// <exception cref="InvalidDataException">Its hidden size is not the body's.</exception>
    public static Model CreateAdaptive(ulong seed, int threads, SoftmaxDefinition spec)
    {
        if (spec.Layout.HiddenSize != ApiDocsSoftmax.HiddenSize)
            throw new InvalidDataException($"The spec has a hidden size of {spec.Layout.HiddenSize}, and the body's is {ApiDocsSoftmax.HiddenSize}; give the spec that the weights were migrated to.");
        return Create(seed, threads, new DynamicAdaptiveSoftmax(spec, seed, new AdaptiveSoftmaxOptions { Threads = threads }));
    }

    /// <summary>The model with a full softmax: one matrix with a row for each of the 200,019 tokens.</summary>
    public static Model CreateFull(ulong seed, int threads)
    {
        var layout = SoftmaxLayout.CreateFull(ApiDocsSoftmax.HiddenSize, ApiDocsSoftmax.VocabularySize);
        return Create(seed, threads, new DynamicAdaptiveSoftmax(layout, seed, new AdaptiveSoftmaxOptions { Threads = threads }));
    }

    /// <summary>The model with the generated adaptive softmax on a device.</summary>
    public static GpuModel CreateAdaptive(ulong seed, Accelerator accelerator) =>
        Create(seed, accelerator, ApiDocsSoftmax.Create(accelerator, seed));

    /// <summary>The model with a full softmax on a device.</summary>
    public static GpuModel CreateFull(ulong seed, Accelerator accelerator)
    {
        var layout = SoftmaxLayout.CreateFull(ApiDocsSoftmax.HiddenSize, ApiDocsSoftmax.VocabularySize);
        return Create(seed, accelerator, new DynamicGpuSoftmax(accelerator, layout, seed));
    }

    /// <summary>The model over a vocabulary whose ids are slots, each with an embedding of its own.</summary>
    /// <param name="seed">Decides the first weights.</param>
    /// <param name="layout">The sizes of the softmax.</param>
    /// <param name="endOfText">The token that ends a document.</param>
    /// <param name="threads">The threads that compute.</param>
    public static Model CreateForStudy(ulong seed, SoftmaxLayout layout, int endOfText, int threads) => new(
        CreateBody(seed, threads, layout.HiddenSize, layout.VocabularySize),
        new DynamicAdaptiveSoftmax(layout, seed, new AdaptiveSoftmaxOptions { Threads = threads }),
        [.. Enumerable.Range(0, layout.VocabularySize)],
        endOfText);

    private static Model Create(ulong seed, int threads, AdaptiveSoftmaxLayer softmax) =>
        new(CreateBody(seed, threads), softmax, AssignEmbeddings(), EncodedVocabulary.O200kBase.EndOfTextId);

    // The first weights are drawn on the processor, so that they are the same everywhere.
    private static GpuModel Create(ulong seed, Accelerator accelerator, GpuAdaptiveSoftmax softmax)
    {
        using var source = CreateBody(seed, threads: 1);
        return new GpuModel(new GpuBody(accelerator, source), softmax, AssignEmbeddings(), EncodedVocabulary.O200kBase.EndOfTextId);
    }

    private static Body CreateBody(ulong seed, int threads, int hiddenSize = ApiDocsSoftmax.HiddenSize, int embeddingRows = EmbeddingRows) => new(
        new BodyShape { Window = 8, EmbeddingRows = embeddingRows, EmbeddingSize = 128, HiddenSize = hiddenSize, Threads = threads },
        seed);

    /// <summary>Tokens have embeddings in the order of their slots, so that the frequent ones have their own.</summary>
    private static int[] AssignEmbeddings() =>
        [.. Enumerable.Range(0, ApiDocsSoftmax.VocabularySize).Select(id => Math.Min(ApiDocsSoftmax.Vocabulary.GetSlot(id).Slot, EmbeddingRows - 1))];
}
