using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax.Distributed.Tests;

/// <summary>The second program of docs/distributed.md.</summary>
internal static class VocabularyPage
{
    public static int Run(Collectives ranks, Action<string> print)
    {
        // Page
        var layout = SoftmaxLayout.Create(hiddenSize: 16, vocabularySize: 5000, cutoffs: [1000, 3000], divValue: 2);
        using var softmax = new VocabularyParallel(ranks, layout, seed: 1);      // the weights that DynamicAdaptiveSoftmax has from the seed
        using var optimizer = new AdamW(learningRate: 0.05);
        for (var step = 0; step < 50; step++)
        {
            var (hidden, targets) = Batch(step);                                 // the same on every rank
            var loss = softmax.Backward(hidden, targets, new float[hidden.Length]);
            softmax.ClipByGlobalNorm(1);                                         // the norm over the rows of all ranks
            softmax.Step(optimizer);
            if (ranks.Rank == 0 && step % 49 == 0) print($"step {step}: loss {loss:F3}");
        }

        var next = softmax.Predict(Batch(0).Hidden.AsSpan(0, 16));               // on every rank, and so TopK, Sample, LogProb
        // End of page
        return next;
    }

    // A vector for each of some tokens, of which each is followed by the same one.
    private static (float[] Hidden, int[] Targets) Batch(int step)
    {
        var hidden = new float[8 * 16];
        var targets = new int[8];
        for (var token = 0; token < 8; token++)
        {
            var random = new Random((step + token) % 10);
            for (var i = 0; i < 16; i++) hidden[(token * 16) + i] = (float)(random.NextDouble() - 0.5) * 4;
            targets[token] = random.Next(5000);
        }

        return (hidden, targets);
    }
}
