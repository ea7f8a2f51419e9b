using AdaptiveSoftmax.Vocabulary;
using LanguageModelSample;

namespace AdaptiveSoftmax.Samples.Tests;

public class CacheGainTests
{
    [Fact]
    public void Perplexities_AreThoseOfTheMixture_ComputedPlainly()
    {
        using var model = TinyModel.Create(seed: 4);
        var text = TinyModel.CreateText(600);
        var gain = CacheGain.Measure(model, text, states: 40, TestContext.Current.CancellationToken);
        Assert.Equal((40, 300, 300), (gain.States, gain.ChosenOn, gain.JudgedOn));
        var size = model.Layout.HiddenSize;
        var (hidden, batch) = (new float[300 * size], new Batch(300, model.Window));
        batch.Fill(text, [.. Enumerable.Range(300, 300)], model.EndOfText);
        model.CopyHidden(batch.Windows, hidden);
        var (without, with, tailsWithout, tailsWith) = (0.0, 0.0, 0, 0);
        for (var i = 0; i < 300; i++)
        {
            var state = hidden.AsSpan(i * size, size).ToArray();
            var p = Math.Exp(model.Softmax.LogProbOf(state, text[300 + i]));
            var last = Enumerable.Range(Math.Max(0, i - 40), Math.Min(i, 40)).ToArray();
            var weights = last.Select(j => Math.Exp(gain.Theta * state.Zip(hidden.Skip(j * size), (a, b) => (double)a * b).Sum())).ToArray();
            var all = Enumerable.Range(0, model.Layout.VocabularySize).Select(token => Math.Exp(model.Softmax.LogProbOf(state, token))).ToArray();
            var retrieved = new double[all.Length];
            for (var at = 0; at < last.Length; at++) retrieved[text[300 + last[at]]] += weights[at] / weights.Sum();
            tailsWithout += CountTails(model.Layout, all, retrieved, weight: 0);
            tailsWith += CountTails(model.Layout, all, retrieved, i == 0 ? 0 : gain.Weight);
            var q = last.Select((j, at) => text[300 + j] == text[300 + i] ? weights[at] : 0).Sum() / weights.Sum();
            without -= Math.Log(p);
            with -= Math.Log(i == 0 ? p : ((1 - gain.Weight) * p) + (gain.Weight * q));
        }

        Assert.Equal(Math.Exp(without / 300), gain.Without, 1e-3);
        Assert.Equal(Math.Exp(with / 300), gain.With, 1e-3);

        Assert.Equal(tailsWithout / 300.0, gain.TailsWithout, 1e-2);
        Assert.Equal(tailsWith / 300.0, gain.TailsWith, 1e-2);

        // Text in which tokens depend on each other has a past that helps a model which has learned nothing.
        Assert.True(gain.Weight > 0);
        Assert.True(gain.With < gain.Without);
    }

    /// <summary>Tails in the order of the most that a token in them may have, until none may have more than the best.</summary>
    private static int CountTails(SoftmaxLayout layout, double[] p, double[] q, double weight)
    {
        var mixture = p.Zip(q, (own, other) => ((1 - weight) * own) + (weight * other)).ToArray();
        var (best, count) = (mixture.Take(layout.ShortlistSize).Max(), 0);
        foreach (var (slots, bound) in layout.Tails
            .Select(tail => (Slots: tail.Start..(tail.Start + tail.Size), Bound: ((1 - weight) * p[tail.Start..(tail.Start + tail.Size)].Sum()) + (weight * q[tail.Start..(tail.Start + tail.Size)].Max())))
            .OrderByDescending(tail => tail.Bound))
        {
            if (best >= bound) break;
            best = Math.Max(best, mixture[slots].Max());
            count++;
        }

        return count;
    }
}
