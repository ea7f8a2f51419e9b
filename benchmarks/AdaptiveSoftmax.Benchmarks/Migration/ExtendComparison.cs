using System.Globalization;
using Spectre.Console;

namespace AdaptiveSoftmax.Benchmarks;

/// <summary>
/// The sample's softmax with words of another language as one more tail: the words' perplexity in texts that were not counted for
/// training, at once and after some steps, beside a tail and a gate at random.
/// </summary>
internal sealed class ExtendComparison : IComparison
{
    private const int Width = 64;
    private const double Share = 0.1;
    private const int Steps = 200;
    private const int BatchSize = 256;
    private const double Rate = 0.02;
    private const double Tolerance = 1e-4;

    public string Name => "extend";

    public string Description => "the sample's softmax with words of a domain as one more tail: their perplexity at once, over that with random rows";

    public double Run(ComparisonSession session)
    {
        var sample = SampleWeights.Prepare(session);
        var to = SoftmaxMigration.Extend(sample.Definition, sample.Domain, Width, "extended.tokens", out _);
        var output = Path.GetTempFileName();
        try
        {
            var options = new MigrationOptions { StatesPath = sample.Fit, AddedShare = Share, AddedCounts = sample.Domain };
            SoftmaxMigration.Migrate(sample.Weights, sample.Definition, to, output, options, session.Cancellation);
            using var before = DynamicAdaptiveSoftmax.Load(sample.Weights, sample.Definition.Layout);
            using var extended = DynamicAdaptiveSoftmax.Load(output, to.Layout);
            using var random = new DynamicAdaptiveSoftmax(to.Layout, seed: 1);
            foreach (var parameter in before.Parameters)
            {
                var copy = random.Parameters.Single(other => other.Name == parameter.Name);
                for (var row = 0; row < Math.Min(parameter.Rows, copy.Rows); row++) parameter.Row(row).CopyTo(copy.WritableRow(row));
            }

            session.Note($"{to.Layout.Tails[^1].Size:N0} words, planned for {Share:P0} of the text; old tokens' log-probs change by the new mass and {MassError(before, extended, sample):E1} at most.");
            var slots = Enumerable.Range(0, to.Table.Count).ToDictionary(to.Table.GetId);
            var table = new Table().Border(TableBorder.Rounded).AddColumn("the new tail");
            foreach (var title in new[] { "perplexity of the words", $"after {Steps} steps", "of old text", $"after {Steps} steps" }) table.AddColumn(new TableColumn(title).RightAligned());
            var figure = Measure("extended", extended) / Measure("at random", random);
            session.Console.Write(table);
            return figure;

            double Measure(string name, DynamicAdaptiveSoftmax softmax)
            {
                var (words, text) = (Perplexity(softmax, sample.DomainHeld, slots), Perplexity(softmax, sample.Held, slots));
                Train(softmax, sample, slots, session.Cancellation);
                table.AddRow(name, Cell(words), Cell(Perplexity(softmax, sample.DomainHeld, slots)), Cell(text), Cell(Perplexity(softmax, sample.Held, slots)));
                return words;
            }
        }
        finally
        {
            File.Delete(output);
        }
    }

    // log p of an old token, for tokens all over the vocabulary, is log(1 - new mass) less: the largest difference from that.
    private static double MassError(DynamicAdaptiveSoftmax before, DynamicAdaptiveSoftmax after, SampleWeights sample)
    {
        const int States = 8;
        const int Tokens = 1_000;
        var size = before.Layout.VocabularySize;
        int[] old = [.. Enumerable.Range(0, Tokens).Select(i => (int)((long)i * size / Tokens))];
        int[] added = [.. Enumerable.Range(size, after.Layout.VocabularySize - size)];
        using var states = StatesFile.Open(sample.Held);
        var block = new StatesBlock();
        states.Read(0, States, block);
        var worst = 0.0;
        for (var i = 0; i < States; i++)
        {
            var hidden = block.Hidden.Slice(i * states.HiddenSize, states.HiddenSize).ToArray();
            var (was, now) = (LogProbs(before, hidden, old), LogProbs(after, hidden, old));
            var kept = Math.Log(1 - LogProbs(after, hidden, added).Sum(logProb => Math.Exp(logProb)));
            for (var k = 0; k < old.Length; k++) worst = Math.Max(worst, Math.Abs(now[k] - was[k] - kept));
        }

        return worst < Tolerance ? worst : throw new InvalidOperationException(FormattableString.Invariant($"An old token's log-prob changed by {worst} beyond the new mass."));
    }

    private static float[] LogProbs(DynamicAdaptiveSoftmax softmax, float[] hidden, int[] slots)
    {
        var logProbs = new float[slots.Length];
        softmax.Forward([.. Enumerable.Repeat(hidden, slots.Length).SelectMany(row => row)], slots, logProbs);
        return logProbs;
    }

    private static void Train(DynamicAdaptiveSoftmax softmax, SampleWeights sample, Dictionary<int, int> slots, CancellationToken cancellation)
    {
        using var optimizer = new Adagrad { LearningRate = Rate };
        using var text = StatesFile.Open(sample.Fit);
        using var words = StatesFile.Open(sample.DomainFit);
        var size = softmax.Layout.HiddenSize;
        var (hidden, targets, gradient) = (new float[2 * BatchSize * size], new int[2 * BatchSize], new float[2 * BatchSize * size]);
        var block = new StatesBlock();
        for (var step = 0; step < Steps; step++)
        {
            cancellation.ThrowIfCancellationRequested();
            for (var i = 0; i < targets.Length; i++)
            {
                var file = i < BatchSize ? text : words;
                file.Read(((step * (long)BatchSize) + (i % BatchSize)) * 7_919 % file.Count, 1, block);
                block.Hidden.CopyTo(hidden.AsSpan(i * size));
                targets[i] = slots[block.Targets[0]];
            }

            softmax.Backward(hidden, targets, gradient);
            optimizer.Step(softmax.Parameters);
        }
    }

    private static double Perplexity(DynamicAdaptiveSoftmax softmax, string path, Dictionary<int, int> slots)
    {
        using var states = StatesFile.Open(path);
        var loss = 0.0;
        foreach (var block in states.ReadBlocks()) loss += (double)softmax.Loss(block.Hidden, [.. block.Targets.ToArray().Select(id => slots[id])]) * block.Count;
        return Math.Exp(loss / states.Count);
    }

    private static string Cell(double value) => value.ToString("N2", CultureInfo.InvariantCulture);
}
