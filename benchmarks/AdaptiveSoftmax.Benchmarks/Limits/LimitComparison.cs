using System.Globalization;
using AdaptiveSoftmax.Vocabulary;
using Spectre.Console;

namespace AdaptiveSoftmax.Benchmarks;

/// <summary>
/// What share of this machine's limit decoding and training reach: the bytes that a token must read over the bandwidth of
/// memory, and the operations of a step over the fastest product, both measured in the same run, in turn with them.
/// </summary>
internal sealed class LimitComparison : IComparison
{
    private const double AimOfDecoding = 0.70;
    private const double AimOfTraining = 0.60;
    private const int States = 8;
    private const int HiddenSize = 512;

    public string Name => "limit";

    public string Description => "What share of this machine's limit greedy decoding of one token reaches (bytes that must be read over the bandwidth of memory; a head of 64 MiB that caches do not hold) and a training step (operations over the fastest product), limits measured in the same run. The figure is decoding's.";

    public double Run(ComparisonSession session)
    {
        var share = Decode(session);
        Train(session);
        return share;
    }

    private static double Decode(ComparisonSession session)
    {
        using var large = new LargeHead();
        using var full = new DynamicAdaptiveSoftmax(SoftmaxLayout.CreateFull(HiddenSize, 200_000));
        using var int8 = large.Softmax.Quantize(new QuantizationOptions { Head = WeightPrecision.Int8, Tails = WeightPrecision.Int8 });
        using var bfloat16 = large.Softmax.Quantize(new QuantizationOptions { Head = WeightPrecision.BFloat16, Tails = WeightPrecision.BFloat16 });
        using var certified = large.Softmax.Certify();
        using var reads = new MemoryReads();

        // States that look into no tail, so that the head's bytes are all that must be read.
        var states = large.CreateStates(8 * States).Where(state => large.Softmax.TopK(state, new int[1], new float[1]).TailsVisited == 0).Take(States).ToList();
        if (states.Count == 0) throw new InvalidOperationException("Every state looks into a tail.");
        var layout = large.Softmax.Layout;
        var values = (long)layout.HeadRows * layout.HiddenSize;
        Contender Greedy(string name, SoftmaxDecoder softmax) => new(name, () => states.Sum(state => (long)softmax.Predict(state)));
        Work[] work =
        [
            new(Greedy("decoding, float32", large.Softmax), states.Count * values * sizeof(float)),
            new(Greedy("decoding, bfloat16", bfloat16), states.Count * values * sizeof(ushort)),
            new(Greedy("decoding, int8", int8), states.Count * (values + ((long)layout.HeadRows * sizeof(float)))),
            new(Greedy("decoding, certified", certified), states.Count * (values + ((long)layout.HeadRows * 2 * sizeof(float)))),
            new(Greedy("decoding, full softmax of 200,000, float32", full), states.Count * full.Layout.ParameterBytes),
        ];
        return Print(session, "GB/s", reads.Contenders, MemoryReads.Bytes, work, AimOfDecoding);
    }

    private static void Train(ComparisonSession session)
    {
        using var products = new Products();
        var text = TrainingText.Load(HiddenSize, session);
        using var step = new TrainingStep(text.Plan.Layout, text.Slots);
        Work[] work =
        [
            new(new Contender("training, forward and backward", step.Propagate), step.Operations),
            new(new Contender("training, with Adagrad", step.PropagateAndUpdate), step.Operations),
        ];
        Print(session, "GFLOP/s", products.Contenders, Products.Operations, work, AimOfTraining);
    }

    // The limit is the best way's median, and so is what is measured against it.
    private static double Print(ComparisonSession session, string unit, IReadOnlyList<Contender> limits, long limitAmount, Work[] work, double aim)
    {
        var measurements = session.Measure([.. work.Select(item => item.Contender), .. limits]);
        var ways = measurements.Skip(work.Length).Select(way => (way.Name, Rate: Rate(limitAmount, way))).ToArray();
        var limit = ways.Max(way => way.Rate);
        var table = new Table().Border(TableBorder.Rounded)
            .AddColumn("what")
            .AddColumn(new TableColumn("ms a round, median").RightAligned())
            .AddColumn(new TableColumn(unit).RightAligned())
            .AddColumn(new TableColumn("of the limit").RightAligned());
        foreach (var (measurement, item) in measurements.Zip(work))
            AddRow(table, measurement.Name, measurement.Median, Rate(item.Amount, measurement), limit);
        foreach (var (measurement, way) in measurements.Skip(work.Length).Zip(ways)) AddRow(table, $"limit: {way.Name}", measurement.Median, way.Rate, limit);
        session.Console.Write(table);
        var share = Rate(work[0].Amount, measurements[0]) / limit;
        session.Note($"{work[0].Contender.Name}: {100 * share:F0} % of the limit; the aim is {100 * aim:F0} %");
        return share;
    }

    private static void AddRow(Table table, string name, double milliseconds, double rate, double limit) => table.AddRow(
        Markup.Escape(name),
        milliseconds.ToString("N2", CultureInfo.InvariantCulture),
        rate.ToString("N1", CultureInfo.InvariantCulture),
        string.Create(CultureInfo.InvariantCulture, $"{100 * rate / limit:F0} %"));

    // Thousand millions a second.
    private static double Rate(long amount, Measurement measurement) => amount / measurement.Median / 1e6;

    /// <summary>Something with a limit, and the bytes or operations of its round.</summary>
    private sealed record Work(Contender Contender, long Amount);
}
