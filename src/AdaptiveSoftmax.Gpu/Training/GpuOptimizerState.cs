using AdaptiveSoftmax.Gpu.Kernels;
using ILGPU;
using ILGPU.Runtime;

namespace AdaptiveSoftmax.Gpu;

/// <summary>What an optimizer remembers about one parameter, on the device.</summary>
internal sealed class GpuOptimizerState : IDisposable
{
    private readonly GpuParameter _parameter;
    private readonly MemoryBuffer1D<float, Stride1D.Dense>[] _buffers;
    private readonly MemoryBuffer1D<float, Stride1D.Dense> _corrections;
    private readonly MemoryBuffer1D<int, Stride1D.Dense> _counts;

    public GpuOptimizerState(GpuParameter parameter, IReadOnlyList<StateBuffer> state)
    {
        _parameter = parameter;
        _buffers = new MemoryBuffer1D<float, Stride1D.Dense>[state.Count];
        _corrections = DeviceMemory.AllocateZeros<float>(parameter.Accelerator, 2, $"the optimizer's corrections of '{parameter.Name}'");
        try
        {
            _counts = DeviceMemory.AllocateZeros<int>(parameter.Accelerator, StepState.Length, $"the optimizer's steps of '{parameter.Name}'");
            for (var i = 0; i < state.Count; i++)
            {
                _buffers[i] = DeviceMemory.AllocateZeros<float>(parameter.Accelerator, parameter.PaddedCount, FormattableString.Invariant($"the optimizer's state of '{parameter.Name}' [{parameter.Rows}, {parameter.Columns}]"));
                if (state[i].InitialValue != 0) Fill(parameter, i, (float)state[i].InitialValue);
            }
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>AdamW's 1 − β₁ᵗ and 1 − β₂ᵗ.</summary>
    public ArrayView<float> Corrections => _corrections.View;

    /// <summary>The <see cref="StepState"/>.</summary>
    public ArrayView<int> Counts => _counts.View;

    /// <summary>Of a row-sparse gradient, the rows that the step at hand moves, one value.</summary>
    public ArrayView<int> MovedRows => Counts.SubView(StepState.Rows, 1);

    public int Count => _buffers.Length;

    public long Bytes => _buffers.Sum(buffer => buffer.LengthInBytes);

    public ArrayView<float> Buffer(int i) => _buffers[i].View;

    /// <summary>The steps that the parameter took part in. Waits for the device.</summary>
    public int ReadSteps()
    {
        var counts = new int[StepState.Length];
        Counts.CopyToCPU(_parameter.Accelerator.DefaultStream, counts);
        return counts[StepState.Steps];
    }

    /// <summary>Sets the steps that the parameter took part in.</summary>
    public void SetSteps(int steps)
    {
        var counts = new int[StepState.Length];
        counts[StepState.Steps] = steps;
        Counts.CopyFromCPU(_parameter.Accelerator.DefaultStream, counts);
    }

    public void Dispose()
    {
        _corrections.Dispose();
        _counts?.Dispose();
        foreach (var buffer in _buffers) buffer?.Dispose();
    }

    private unsafe void Fill(GpuParameter parameter, int buffer, float value)
    {
        using var host = parameter.CreateHost();
        host.WritableValues.Fill(value);
        parameter.Upload(host.ValuesPointer, Buffer(buffer));
    }
}
