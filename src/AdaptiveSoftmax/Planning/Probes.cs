using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax;

/// <summary>Hidden vectors and targets for measurements: values that no product can skip, the same in every run.</summary>
internal static class ProbeData
{
    public static float[] Hidden(int tokens, int width)
    {
        var random = CountedRandom.Start(seed: 1, stream: 0);
        var values = new float[tokens * width];
        for (var i = 0; i < values.Length; i++) values[i] = (float)(CountedRandom.Unit(random, (ulong)i) - 0.5);
        return values;
    }
}

/// <summary>Training steps of one matrix that no cache holds.</summary>
internal sealed class TrainingProbe : IDisposable
{
    private const int Weights = 1 << 23;
    private const int MostTokens = 256;

    private readonly DynamicAdaptiveSoftmax _layer;
    private readonly AdamW _optimizer;
    private readonly float[] _hidden;
    private readonly float[] _gradient;
    private readonly int[] _targets;
    private readonly int _width;

    public TrainingProbe(int width, AdaptiveSoftmaxOptions options)
    {
        _width = width;
        var rows = Weights / width;
        _layer = new DynamicAdaptiveSoftmax(SoftmaxLayout.CreateFull(width, rows), seed: 1, options);
        _optimizer = new AdamW { Threads = options.Threads };
        _hidden = ProbeData.Hidden(MostTokens, width);
        _gradient = new float[_hidden.Length];
        _targets = [.. Enumerable.Range(0, MostTokens).Select(token => (int)(token * 2654435761L % rows))];
    }

    /// <summary>The nanoseconds of a row: loss and gradients.</summary>
    public double Measure(StepWatch watch, int tokens) => watch.Measure(() => Propagate(tokens), ZeroGradients) / (Weights / _width);

    /// <summary>The nanoseconds of an update of one weight.</summary>
    public double MeasureUpdate(StepWatch watch) => watch.Measure(() => _optimizer.Step(_layer), () => Propagate(tokens: 1)) / Weights;

    public void Dispose()
    {
        _optimizer.Dispose();
        _layer.Dispose();
    }

    private void ZeroGradients()
    {
        foreach (var parameter in _layer.Parameters) parameter.ZeroGradient();
    }

    private void Propagate(int tokens) =>
        _layer.Backward(_hidden.AsSpan(0, tokens * _width), _targets.AsSpan(0, tokens), _gradient.AsSpan(0, tokens * _width));
}

/// <summary>Decoding steps of one matrix, as large as caches hold or larger.</summary>
internal sealed class DecodingProbe : IDisposable
{
    private const int MostTokens = 256;

    private readonly DynamicAdaptiveSoftmax _layer;
    private readonly DecodeSession _session;
    private readonly float[] _hidden;
    private readonly int _width;

    public DecodingProbe(int width, long bytes, AdaptiveSoftmaxOptions options)
    {
        _width = width;
        Rows = (int)(bytes / sizeof(float) / width);
        _layer = new DynamicAdaptiveSoftmax(SoftmaxLayout.CreateFull(width, Rows), seed: 1, options);
        _session = _layer.CreateSession();
        _hidden = ProbeData.Hidden(MostTokens, width);
    }

    /// <summary>The rows of the matrix.</summary>
    public int Rows { get; }

    public Action Predict(int tokens)
    {
        var found = new int[tokens];
        return tokens == 1 ? () => _layer.Predict(Hidden(1)) : () => _layer.Predict(Hidden(tokens), found);
    }

    public Action FindBest(int tokens, int k)
    {
        var (found, logProbs, results) = (new int[tokens * k], new float[tokens * k], new TopKResult[tokens]);
        return tokens == 1 ? () => _session.TopK(Hidden(1), found, logProbs) : () => _session.TopK(Hidden(tokens), found, logProbs, results);
    }

    public Action Draw(int tokens)
    {
        var sequences = Enumerable.Range(0, tokens).Select(token => new DecodeSequence(_layer, seed: (ulong)token)).ToArray();
        var results = new DecodedToken[tokens];
        return tokens == 1 ? () => _session.Sample(Hidden(1), sequences[0]) : () => _session.Sample(Hidden(tokens), sequences, results);
    }

    public void Dispose()
    {
        _session.Dispose();
        _layer.Dispose();
    }

    private ReadOnlySpan<float> Hidden(int tokens) => _hidden.AsSpan(0, tokens * _width);
}

/// <summary>Decodes with matrices of several sizes, as many bytes as caches hold and more: reading them is what it then waits for.</summary>
internal static class MemoryProbe
{
    private const int Width = 512;
    private static readonly long[] s_bytes = [1 << 20, 4 << 20, 8 << 20, 16 << 20, 20 << 20, 24 << 20, 28 << 20, 32 << 20, 40 << 20, 64 << 20, 128 << 20, 384 << 20];

    // Others that share a cache or the memory come and go: longer than what a product has.
    private static readonly TimeSpan s_least = TimeSpan.FromMilliseconds(100);

    public static MemoryTimes Measure(StepWatch watch, AdaptiveSoftmaxOptions options)
    {
        var hidden = ProbeData.Hidden(1, Width);
        var rates = Array.ConvertAll(s_bytes, Measure);
        for (var round = 1; round < MachineCalibrator.Rounds; round++) rates = [.. rates.Zip(s_bytes.Select(Measure), Math.Max)];
        return new MemoryTimes(new EquatableArray<long>(s_bytes), new EquatableArray<double>(rates));

        double Measure(long bytes)
        {
            using var layer = new DynamicAdaptiveSoftmax(SoftmaxLayout.CreateFull(Width, (int)(bytes / sizeof(float) / Width)), seed: 1, options);
            return bytes / watch.Measure(() => layer.Predict(hidden), least: s_least);
        }
    }
}

/// <summary>Asks for one and for forty of many tokens in no order: what differs is that more are kept on the way.</summary>
internal static class SelectionProbe
{
    private const int Width = 16;
    private const int Rows = 1 << 15;
    private const int Tokens = 32;
    private const int Many = 40;

    public static double Measure(StepWatch watch, AdaptiveSoftmaxOptions options)
    {
        using var layer = new DynamicAdaptiveSoftmax(SoftmaxLayout.CreateFull(Width, Rows), seed: 1, options);
        using var session = layer.CreateSession();
        var hidden = ProbeData.Hidden(Tokens, Width);
        double Time(int k)
        {
            var (found, logProbs) = (new int[k], new float[k]);
            return watch.Measure(() =>
            {
                for (var token = 0; token < Tokens; token++) session.TopK(hidden.AsSpan(token * Width, Width), found, logProbs);
            }) / Tokens;
        }

        double Kept(int k) => k * (1 + Math.Log((double)Rows / k));
        var one = Time(1);
        return Math.Max(0.1, (Time(Many) - one) / (Kept(Many) - Kept(1)));
    }
}

/// <summary>What a head and a tail take however small they are.</summary>
internal static class FixedTimes
{
    private const int Width = 16;
    private const int Batch = 16;

    // A shortlist of one token beside a tail of the others, and all of them in a head.
    private static readonly SoftmaxLayout s_withTail = SoftmaxLayout.Create(Width, 64, [1], [Width]);
    private static readonly SoftmaxLayout s_full = SoftmaxLayout.CreateFull(Width, 64);

    public static (double Head, double Tail) OfTraining(StepWatch watch, AdaptiveSoftmaxOptions options)
    {
        double Measure(SoftmaxLayout layout)
        {
            using var layer = new DynamicAdaptiveSoftmax(layout, seed: 1, options);
            using var optimizer = new AdamW { Threads = options.Threads };
            var hidden = ProbeData.Hidden(1, Width);
            var gradient = new float[Width];
            return watch.Measure(() =>
            {
                layer.Backward(hidden, [layout.VocabularySize - 1], gradient);
                optimizer.Step(layer);
            });
        }

        return Split(Measure(s_full), Measure(s_withTail));
    }

    public static (double Head, double Tail) OfDecoding(StepWatch watch, AdaptiveSoftmaxOptions options)
    {
        // Two tokens of a shortlist of one: the tail must be visited.
        double Measure(SoftmaxLayout layout)
        {
            using var layer = new DynamicAdaptiveSoftmax(layout, seed: 1, options);
            using var session = layer.CreateSession();
            var hidden = ProbeData.Hidden(1, Width);
            var (tokens, logProbs) = (new int[2], new float[2]);
            return watch.Measure(() => session.TopK(hidden, tokens, logProbs));
        }

        return Split(Measure(s_full), Measure(s_withTail));
    }

    public static (double Head, double Tail) OfBatches(StepWatch watch, AdaptiveSoftmaxOptions options)
    {
        double Measure(SoftmaxLayout layout)
        {
            using var layer = new DynamicAdaptiveSoftmax(layout, seed: 1, options);
            using var session = layer.CreateSession();
            var hidden = ProbeData.Hidden(Batch, Width);
            var (tokens, logProbs, results) = (new int[2 * Batch], new float[2 * Batch], new TopKResult[Batch]);
            return watch.Measure(() => session.TopK(hidden, tokens, logProbs, results));
        }

        return Split(Measure(s_full), Measure(s_withTail));
    }

    private static (double Head, double Tail) Split(double head, double both) => (head, Math.Max(head / 10, both - head));
}
