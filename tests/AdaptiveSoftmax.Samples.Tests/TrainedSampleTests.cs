using AdaptiveSoftmax.Corpus;
using LanguageModelSample;

namespace AdaptiveSoftmax.Samples.Tests;

/// <summary>Decoding that computes only some tails, on the sample's own vocabulary and trained weights.</summary>
public sealed class TrainedSampleTests
{
    private const int Steps = 40;
    private const int States = 24;
    private const int K = 40;

    [Fact]
    public void TopKNucleusAndCertifiedPredictions_AreThoseOfAllLogProbs()
    {
        using var model = Models.CreateAdaptive(seed: 1, threads: 2);
        var files = ReferencePacks.FindDocumentation().Take(8).ToArray();
        var text = TextData.Load(files, CorpusTokenizer.Create("o200k_base"), new TokenizeOptions(), TestContext.Current.CancellationToken);
        using (var trainer = new Trainer(model, text.Training, seed: 1))
        {
            while (trainer.Step < Steps) trainer.Advance();
        }

        var softmax = model.Softmax;
        var batch = new Batch(States, model.Window);
        batch.Fill(text.HeldOut, TextData.SpreadPositions(text.HeldOut, States), model.EndOfText);
        var hidden = model.Forward(batch.Windows).ToArray();
        using var certified = softmax.Certify();
        using var decoding = softmax.CreateSession();
        var options = new DecodeOptions { Temperature = 0.8f, TopP = 0.9f };
        var random = new SampleRandom(7);
        var (all, tokens, logProbs) = (new float[softmax.Layout.VocabularySize], new int[K], new float[K]);
        var skipped = 0;
        for (var state = 0; state < States; state++)
        {
            var vector = hidden.AsSpan(state * softmax.Layout.HiddenSize, softmax.Layout.HiddenSize);
            softmax.LogProb(vector, all);
            var ranking = Enumerable.Range(0, all.Length).OrderByDescending(slot => all[slot]).ThenBy(slot => slot).ToArray();

            var top = decoding.TopK(vector, tokens, logProbs);
            Assert.Equal(ranking.Take(K), tokens.Select(SlotOf));
            Assert.Equal(ranking.Take(K).Select(slot => all[slot]), logProbs);
            Assert.Equal(tokens[0], certified.Predict(vector));
            skipped += softmax.Layout.TailCount - top.TailsVisited;

            var drawn = decoding.Sample(vector, options, ref random);
            var best = all.Max();
            var weights = ranking.Select(slot => Math.Exp((all[slot] - best) / 0.8)).ToArray();
            var before = weights.Take(Array.IndexOf(ranking, SlotOf(drawn.Token))).Sum();
            Assert.True(before <= 0.9001 * weights.Sum(), $"State {state}: tokens above the drawn one have {before / weights.Sum():P1} of the mass.");
        }

        Assert.True(skipped > 0, "No tail was left out, so that nothing was proven.");
    }

    private static int SlotOf(int token) => ApiDocsSoftmax.Vocabulary.GetSlot(token).Slot;
}
