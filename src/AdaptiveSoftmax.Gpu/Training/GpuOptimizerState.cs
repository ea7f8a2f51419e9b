using ILGPU;
using ILGPU.Runtime;

namespace AdaptiveSoftmax.Gpu;

/// <summary>What an optimizer remembers about one parameter, on the device.</summary>
internal sealed class GpuOptimizerState : IDisposable
{
    private readonly MemoryBuffer1D<float, Stride1D.Dense>[] _buffers;
    private readonly MemoryBuffer1D<float, Stride1D.Dense> _corrections;

    public GpuOptimizerState(GpuParameter parameter, IReadOnlyList<StateBuffer> state)
    {
        _corrections = DeviceMemory.AllocateZeros<float>(parameter.Accelerator, 2, $"the optimizer's corrections of '{parameter.Name}'");
        _buffers = new MemoryBuffer1D<float, Stride1D.Dense>[state.Count];
        try
        {
            for (var i = 0; i < state.Count; i++)
            {
                _buffers[i] = DeviceMemory.AllocateZeros<float>(parameter.Accelerator, parameter.PaddedCount, $"the optimizer's state of '{parameter.Name}' [{parameter.Rows}, {parameter.Columns}]");
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

    public int Count => _buffers.Length;

    public long Bytes => _buffers.Sum(buffer => buffer.LengthInBytes);

    public ArrayView<float> Buffer(int i) => _buffers[i].View;

    public void Dispose()
    {
        _corrections.Dispose();
        foreach (var buffer in _buffers) buffer?.Dispose();
    }

    private unsafe void Fill(GpuParameter parameter, int buffer, float value)
    {
        using var host = parameter.CreateHost();
        host.WritableValues.Fill(value);
        parameter.Upload(host.ValuesPointer, Buffer(buffer));
    }
}
