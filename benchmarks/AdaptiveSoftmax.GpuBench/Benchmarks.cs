using AdaptiveSoftmax.Gpu;
using AdaptiveSoftmax.Gpu.Cuda;
using AdaptiveSoftmax.Vocabulary;
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
    // A step reads more than any cache holds.
    private const int TrainingCopies = 3;

    private bool _hasFailed;

    private int Vocabulary => quick ? 5_000 : 262_144;

    private (int First, int Second) Cutoffs => quick ? (500, 2_000) : (8_192, 40_960);

    private int[] HiddenSizes => quick ? [64] : [1024, 2048];

    private string Version => accelerator is CudaAccelerator cuda ? $"driver for CUDA {cuda.DriverVersion}" : "";

    private int TrainingTokens => quick ? 64 : 8192;

    /// <summary>
    /// Measures every wanted row. Those by cuBLASLt and on tensor cores come last: what has failed on a device can fail all that follows.
    /// </summary>
    public IEnumerable<Result> Run()
    {
        foreach (var hidden in HiddenSizes)
        {
            foreach (var row in Train(hidden, GpuOptions.Default, "", "float32")) yield return row;
            foreach (var row in Decode(hidden, isBFloat16: false)) yield return row;
            foreach (var row in Decode(hidden, isBFloat16: true)) yield return row;
        }

        foreach (var row in HiddenSizes.SelectMany(hidden => Train(hidden, new GpuOptions { Precision = ProductPrecision.Tf32 }, " cublaslt", "tf32"))) yield return row;
        foreach (var row in HiddenSizes.SelectMany(hidden => Train(hidden, new GpuOptions { TensorCores = TensorCoreUse.On }, " tensor cores", "bf16"))) yield return row;
    }

    private IEnumerable<Result> Train(int hidden, GpuOptions options, string how, string precision)
    {
        foreach (var (withOptimizer, recorded) in new[] { (false, false), (false, true), (true, false), (true, true) })
        {
            var contender = $"adaptive{(withOptimizer ? "+adagrad" : "")}{how}{(recorded ? " graph" : "")}";
            if (recorded && options.Precision == ProductPrecision.Tf32) continue; // such steps are not recorded
            if (!IsWanted("train", contender, hidden, TrainingTokens)) continue;
            yield return Try("train", contender, hidden, TrainingTokens, () => Train(Layout(hidden), withOptimizer, recorded, options)) with { Precision = precision };
        }
    }

    private IEnumerable<Result> Decode(int hidden, bool isBFloat16)
    {
        DecodeWorkload? work = null;
        DecodeWorkload Work() => work ??= new DecodeWorkload(accelerator, Layout(hidden), isBFloat16);
        foreach (var tokens in new[] { 1, 8, 64, DecodeWorkload.Vectors })
        {
            foreach (var recorded in new[] { false, true })
            {
                var contender = $"adaptive{(isBFloat16 ? " bfloat16" : "")}{(recorded ? " graph" : "")}";
                if (!IsWanted("decode", contender, hidden, tokens)) continue;
                yield return Try("decode", contender, hidden, tokens, () => Decode(Work(), tokens, recorded)) with { Precision = isBFloat16 ? "bf16" : "float32" };
            }
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

    private Result Train(SoftmaxLayout layout, bool withOptimizer, bool recorded, GpuOptions options)
    {
        using var work = Create(layout, options);
        using var hidden = accelerator.Allocate1D(Workload.Hidden(TrainingTokens, layout.HiddenSize));
        using var gradient = accelerator.Allocate1D<float>(hidden.Length);
        using var targets = accelerator.Allocate1D(ZipfTargets.Create(TrainingTokens, Vocabulary, Cutoffs));
        using var optimizer = new GpuOptimizer(new Adagrad(1e-3));
        var recordings = Record(recorded ? TrainingCopies : 0, call => work[call].RecordBackward(hidden.View, targets.View, gradient.View));
        try
        {
            var (median, minimum) = Stopwatches.Time(accelerator, seconds, call =>
            {
                var layer = work[call];
                if (recorded) recordings[call % recordings.Count].Replay();
                else layer.Backward(hidden.View, targets.View, gradient.View);
                if (withOptimizer) optimizer.Step(layer);
                else foreach (var parameter in layer.Parameters) parameter.ZeroGradient();
            });
            return Measured(median, minimum, work.WorkingBytes, "gradients of the weights written over, as after a step", recordings);
        }
        finally
        {
            foreach (var recording in recordings) recording.Dispose();
        }
    }

    // A library that is missing is no failure, and leaves the device as it was.
    private Workload Create(SoftmaxLayout layout, GpuOptions options)
    {
        try
        {
            if (options.Precision == ProductPrecision.Tf32 && accelerator is CudaAccelerator) _ = CublasLtLibrary.Instance;
        }
        catch (CublasException exception)
        {
            throw new NotSupportedException(exception.Message, exception);
        }

        return new Workload(accelerator, layout, TrainingCopies, options);
    }

    private Result Decode(DecodeWorkload work, int tokens, bool recorded)
    {
        var recordings = Record(recorded ? DecodeWorkload.Calls(tokens) : 0, call => work.Layer(call).RecordPredict(work.Hidden(call, tokens), work.Tokens(tokens)));
        try
        {
            var (median, minimum) = Stopwatches.Time(accelerator, seconds, call =>
            {
                if (recorded) recordings[call % recordings.Count].Replay();
                else work.Layer(call).Predict(work.Hidden(call, tokens), work.Tokens(tokens));
            });
            return Measured(median, minimum, work.WorkingBytes, work.DescribeVisits(tokens), recordings);
        }
        finally
        {
            foreach (var recording in recordings) recording.Dispose();
        }
    }

    // One after the other: a recording that cannot be made leaves those before to be disposed with the accelerator.
    private static List<GpuRecording> Record(int count, Func<int, GpuRecording> record)
    {
        var recordings = new List<GpuRecording>();
        for (var call = 0; call < count; call++) recordings.Add(record(call));
        return recordings;
    }

    private Result Measured(double median, double minimum, long extraBytes, string note, List<GpuRecording> recordings) => new()
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
        Note = recordings is [{ IsGraph: false }, ..] ? $"{note}; no graph: {recordings[0].WhyPlain}" : note,
    };
}
