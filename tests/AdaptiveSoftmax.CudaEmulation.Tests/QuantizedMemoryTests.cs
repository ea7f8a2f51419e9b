using AdaptiveSoftmax.CudaEmulation.Tests.Driver;
using AdaptiveSoftmax.Gpu;
using AdaptiveSoftmax.Gpu.Tests;
using AdaptiveSoftmax.Vocabulary;
using ILGPU.Runtime;

namespace AdaptiveSoftmax.CudaEmulation.Tests;

/// <summary>What weights of two bytes take of a device's memory, to the byte.</summary>
[Collection(Backend.Collection)]
public sealed class QuantizedMemoryTests
{
    private static Accelerator Accelerator => EmulatedBackend.Cuda;

    [Fact]
    public void DisposedOrFailed_LeavesNoMemory()
    {
        using var host = new DynamicAdaptiveSoftmax(SoftmaxLayout.Create(40, 700, [130, 300], [20, 10], hasHeadBias: true), seed: 2);
        using var small = host.Quantize(new QuantizationOptions { Head = WeightPrecision.BFloat16, Tails = WeightPrecision.BFloat16 });
        new GpuQuantizedSoftmax(Accelerator, small).Dispose();
        var bytes = CudaExports.Device.Memory.AllocatedBytes;
        var layer = new GpuQuantizedSoftmax(Accelerator, small);
        Assert.Equal(bytes + layer.WeightBytes + layer.WorkingBytes, CudaExports.Device.Memory.AllocatedBytes);
        var session = layer.CreateSession();
        session.TopK(new float[9 * 40], new int[9], new float[9], new TopKResult[9]);
        layer.Predict(new float[9 * 40], new int[9]);
        Assert.Equal(bytes + layer.WeightBytes + layer.WorkingBytes + session.WorkingBytes, CudaExports.Device.Memory.AllocatedBytes);
        session.Dispose();
        layer.Dispose();
        Assert.Equal(bytes, CudaExports.Device.Memory.AllocatedBytes);

        // Each allocation without room, of tables and of weights.
        var purposes = new List<string>();
        for (var left = 0; left < 40; left++)
        {
            CudaExports.Device.AllocationsLeft = left;
            var exception = Record.Exception(() => new GpuQuantizedSoftmax(Accelerator, small).Dispose());
            CudaExports.Device.AllocationsLeft = null;
            if (exception is null) break;
            purposes.Add(Assert.IsType<GpuMemoryException>(exception).Purpose);
            Assert.Equal(bytes, CudaExports.Device.Memory.AllocatedBytes);
        }

        Assert.Superset(new HashSet<string> { "token ids", "the weight 'head.weight' [132, 40] in bfloat16", "the bias 'head.bias'", "the weight 'tail.1.1.weight' [400, 10] in bfloat16" }, purposes.ToHashSet());
        Assert.Equal(bytes, CudaExports.Device.Memory.AllocatedBytes);
    }
}
