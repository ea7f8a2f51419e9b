using AdaptiveSoftmax.Gpu;
using AdaptiveSoftmax.Vocabulary;
using ILGPU;
using ILGPU.Runtime;
using ILGPU.Runtime.Cuda;

namespace AdaptiveSoftmax.GpuBench;

/// <summary>The table: a training step and greedy decoding, at the sizes that PyTorch is measured at.</summary>
/// <param name="accelerator">The device.</param>
/// <param name="quick">Small sizes, to see that all runs; the figures mean nothing.</param>
/// <param name="seconds">How long to measure each row.</param>
/// <param name="isWanted">Which rows, by <c>case contender hidden tokens</c>.</param>
internal sealed class Benchmarks(Accelerator accelerator, bool quick, double seconds, Func<string, bool> isWanted)
{
    // A step reads more than any cache holds. Decoding one token reads the head, 34 MB at a hidden size of 1,024.
    private const int TrainingCopies = 3;
    private const int DecodingCopies = 8;

    private bool _hasFailed;

    private int Vocabulary => quick ? 5_000 : 262_144;

    private (int First, int Second) Cutoffs => quick ? (500, 2_000) : (8_192, 40_960);

    private int[] HiddenSizes => quick ? [64] : [1024, 2048];

    private string Version => accelerator is CudaAccelerator cuda ? $"driver for CUDA {cuda.DriverVersion}" : "";

    private int TrainingTokens => quick ? 64 : 8192;

    /// <summary>Measures every wanted row. Those on tensor cores come last: what has failed on a device can fail all that follows.</summary>
    public IEnumerable<Result> Run()
    {
        foreach (var hidden in HiddenSizes)
        {
            if (IsWanted("train", "adaptive", hidden, TrainingTokens)) yield return Try("train", "adaptive", hidden, TrainingTokens, () => Train(Layout(hidden), withOptimizer: false));
            if (IsWanted("train", "adaptive+adagrad", hidden, TrainingTokens)) yield return Try("train", "adaptive+adagrad", hidden, TrainingTokens, () => Train(Layout(hidden), withOptimizer: true));
            foreach (var row in Decode(hidden)) yield return row;
        }

        foreach (var hidden in HiddenSizes)
        {
            if (IsWanted("train", "adaptive tensor cores", hidden, TrainingTokens))
                yield return Try("train", "adaptive tensor cores", hidden, TrainingTokens, () => Train(Layout(hidden), withOptimizer: false, onTensorCores: true)) with { Precision = "bf16" };
        }
    }

    private IEnumerable<Result> Decode(int hidden)
    {
        Workload? work = null;
        Workload Work() => work ??= new Workload(accelerator, Layout(hidden), DecodingCopies);
        foreach (var tokens in new[] { 1, 8, 64, 512 })
        {
            if (IsWanted("decode", "adaptive", hidden, tokens)) yield return Try("decode", "adaptive", hidden, tokens, () => Decode(Work(), tokens, recorded: false));
            if (IsWanted("decode", "adaptive graph", hidden, tokens)) yield return Try("decode", "adaptive graph", hidden, tokens, () => Decode(Work(), tokens, recorded: true));
        }

        if (!_hasFailed) work?.Dispose();
    }

    private SoftmaxLayout Layout(int hidden) => SoftmaxLayout.Create(hidden, Vocabulary, [Cutoffs.First, Cutoffs.Second], [hidden / 4, hidden / 16]);

    private bool IsWanted(string @case, string contender, int hidden, int tokens) => isWanted($"{@case} {contender} {hidden} {tokens}");

    // A row that says what failed is worth more than a run that stops, and loses the others.
    private Result Try(string @case, string contender, int hidden, int tokens, Func<Result> measure)
    {
        var row = new Result { Device = accelerator.Name, Version = Version, Case = @case, Contender = contender, Hidden = hidden, Vocabulary = Vocabulary, Tokens = tokens };
        try
        {
            var measured = measure();
            return row with { Median = measured.Median, Minimum = measured.Minimum, ExtraBytes = measured.ExtraBytes, Note = measured.Note };
        }
        catch (NotSupportedException exception)
        {
            return row with { Note = exception.Message };
        }
        catch (Exception exception)
        {
            _hasFailed = true;
            return row with { HasFailed = true, Note = $"{exception.GetType().Name}: {exception.Message}" };
        }
    }

    private Result Train(SoftmaxLayout layout, bool withOptimizer, bool onTensorCores = false)
    {
        using var work = new Workload(accelerator, layout, TrainingCopies, onTensorCores);
        using var hidden = work.Hidden(TrainingTokens);
        using var gradient = accelerator.Allocate1D<float>(hidden.Length);
        using var targets = accelerator.Allocate1D(ZipfTargets.Create(TrainingTokens, Vocabulary, Cutoffs));
        using var optimizer = new GpuOptimizer(new Adagrad(1e-3));
        var (median, minimum) = Stopwatches.Time(accelerator, seconds, call =>
        {
            var layer = work[call];
            layer.Backward(hidden.View, targets.View, gradient.View);
            if (withOptimizer) optimizer.Step(layer);
            else foreach (var parameter in layer.Parameters) parameter.ZeroGradient();
        });
        return Measured(median, minimum, work.WorkingBytes, "gradients of the weights written over, as after a step");
    }

    private Result Decode(Workload work, int tokens, bool recorded)
    {
        using var hidden = work.Hidden(tokens);
        using var result = accelerator.Allocate1D<int>(tokens);
        ArrayView<float> vectors = hidden.View;
        ArrayView<int> predictions = result.View;
        var recordings = new List<GpuRecording>();
        for (var copy = 0; copy < (recorded ? work.Copies : 0); copy++) recordings.Add(work[copy].RecordPredict(vectors, predictions));
        try
        {
            var (median, minimum) = Stopwatches.Time(accelerator, seconds, call =>
            {
                if (recorded) recordings[call % recordings.Count].Replay();
                else work[call].Predict(vectors, predictions);
            });
            return Measured(median, minimum, work.WorkingBytes, recorded && !recordings[0].IsGraph ? $"no graph: {recordings[0].WhyPlain}" : "");
        }
        finally
        {
            foreach (var recording in recordings) recording.Dispose();
        }
    }

    private Result Measured(double median, double minimum, long extraBytes, string note) => new()
    {
        Device = accelerator.Name,
        Case = "",
        Contender = "",
        Hidden = 0,
        Vocabulary = Vocabulary,
        Tokens = 0,
        Median = median,
        Minimum = minimum,
        ExtraBytes = extraBytes,
        Note = note,
    };
}
