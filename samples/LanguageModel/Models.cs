using AdaptiveSoftmax;
using AdaptiveSoftmax.Corpus;
using AdaptiveSoftmax.Vocabulary;

namespace LanguageModelSample;

/// <summary>The two models that are compared. They differ in their softmax alone.</summary>
internal static class Models
{
    // Rarer tokens than these share one embedding: a table of 200,019 rows would be six times as large, for tokens that
    // the text hardly has.
    private const int EmbeddingRows = 32_768;

    /// <summary>The model with the generated adaptive softmax.</summary>
    public static Model CreateAdaptive(ulong seed, int threads) =>
        Create(seed, threads, ApiDocsSoftmax.Create(seed, new AdaptiveSoftmaxOptions { Threads = threads }));

    /// <summary>The model with a full softmax: one matrix with a row for each of the 200,019 tokens.</summary>
    public static Model CreateFull(ulong seed, int threads)
    {
        var layout = SoftmaxLayout.CreateFull(ApiDocsSoftmax.HiddenSize, ApiDocsSoftmax.VocabularySize);
        return Create(seed, threads, new DynamicAdaptiveSoftmax(layout, seed, new AdaptiveSoftmaxOptions { Threads = threads }));
    }

    private static Model Create(ulong seed, int threads, AdaptiveSoftmaxLayer softmax)
    {
        var shape = new BodyShape { Window = 8, EmbeddingRows = EmbeddingRows, EmbeddingSize = 128, HiddenSize = ApiDocsSoftmax.HiddenSize, Threads = threads };
        return new Model(new Body(shape, seed), softmax, AssignEmbeddings(), EncodedVocabulary.O200kBase.EndOfTextId);
    }

    /// <summary>Tokens have embeddings in the order of their slots, so that the frequent ones have their own.</summary>
    private static int[] AssignEmbeddings() =>
        [.. Enumerable.Range(0, ApiDocsSoftmax.VocabularySize).Select(id => Math.Min(ApiDocsSoftmax.Vocabulary.GetSlot(id).Slot, EmbeddingRows - 1))];
}
