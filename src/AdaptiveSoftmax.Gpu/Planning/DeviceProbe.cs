using AdaptiveSoftmax.Vocabulary;
using ILGPU;
using ILGPU.Runtime;

namespace AdaptiveSoftmax.Gpu.Planning;

/// <summary>Steps of one layout on a device, each waited for.</summary>
internal sealed class DeviceProbe : IDisposable
{
    private readonly DynamicGpuSoftmax _layer;
    private readonly GpuOptimizer _optimizer = new(new AdamW());
    private readonly MemoryBuffer1D<float, Stride1D.Dense> _hidden;
    private readonly MemoryBuffer1D<float, Stride1D.Dense> _gradient;
    private readonly MemoryBuffer1D<int, Stride1D.Dense> _targets;
    private readonly MemoryBuffer1D<int, Stride1D.Dense> _tokens;

    public DeviceProbe(Accelerator accelerator, SoftmaxLayout layout, int mostTokens)
    {
        _layer = new DynamicGpuSoftmax(accelerator, layout);
        var hidden = ProbeData.Hidden(mostTokens, layout.HiddenSize);
        // The last token is one of the last tail, where there is any.
        int[] targets = [.. Enumerable.Range(0, mostTokens).Select(token => (int)((layout.VocabularySize - 1 + (token * 2654435761L)) % layout.VocabularySize))];
        _hidden = DeviceMemory.AllocateCopy(accelerator, hidden, "hidden vectors");
        _gradient = DeviceMemory.AllocateZeros<float>(accelerator, hidden.Length, "the gradient of hidden vectors");
        _targets = DeviceMemory.AllocateCopy(accelerator, targets, "targets");
        _tokens = DeviceMemory.AllocateZeros<int>(accelerator, mostTokens, "predictions");
    }

    /// <summary>The nanoseconds of loss and gradients.</summary>
    public double Propagate(StepWatch watch, int tokens) => watch.Measure(() => Propagate(tokens), ZeroGradients);

    /// <summary>The nanoseconds of an update by AdamW.</summary>
    public double Update(StepWatch watch) => watch.Measure(Update, () => Propagate(tokens: 1));

    /// <summary>The nanoseconds of greedy decoding.</summary>
    public double Predict(StepWatch watch, int tokens) => watch.Measure(() =>
    {
        _layer.Predict(_hidden.View.SubView(0, tokens * _layer.Layout.HiddenSize), _tokens.View.SubView(0, tokens));
        Wait();
    });

    public void Dispose()
    {
        foreach (var buffer in new MemoryBuffer[] { _hidden, _gradient, _targets, _tokens }) buffer.Dispose();
        _optimizer.Dispose();
        _layer.Dispose();
    }

    private void Propagate(int tokens)
    {
        var values = tokens * _layer.Layout.HiddenSize;
        _layer.Backward(_hidden.View.SubView(0, values), _targets.View.SubView(0, tokens), _gradient.View.SubView(0, values));
        Wait();
    }

    private void Update()
    {
        _optimizer.Step(_layer);
        Wait();
    }

    private void ZeroGradients()
    {
        foreach (var parameter in _layer.Parameters) parameter.ZeroGradient();
        Wait();
    }

    private void Wait() => _layer.Accelerator.DefaultStream.Synchronize();
}
