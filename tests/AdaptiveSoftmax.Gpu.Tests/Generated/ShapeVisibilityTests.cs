namespace AdaptiveSoftmax.Gpu.Tests.Generated;

/// <summary>Shapes that are not public, on a device where ILGPU hands arguments over in a struct of its own assembly.</summary>
[Collection(Backend.Collection)]
public sealed class ShapeVisibilityTests
{
    [Fact]
    public void InternalGeneratedClass_RunsThere()
    {
        using var layer = Shop.Create(Backend.Cpu, seed: 3);
        using var host = Shop.Create(seed: 3);
        var hidden = Enumerable.Range(0, 2 * Shop.HiddenSize).Select(i => (float)Math.Sin(i)).ToArray();
        int[] expected = [0, 0], actual = [0, 0];
        host.Predict(hidden, expected);
        layer.Predict(hidden, actual);
        Assert.Equal(expected, actual);
    }

    [Fact]
    public void PrivateShape_IsAnErrorThatSaysWhatToDo()
    {
        var exception = Assert.Throws<NotSupportedException>(() => new GpuHead<PrivateShape>(Backend.Cpu, default, clusters: 1, hasBias: false));
        Assert.Contains(nameof(PrivateShape), exception.Message, StringComparison.Ordinal);
        Assert.Contains("InternalsVisibleTo(\"ILGPURuntime\")", exception.Message, StringComparison.Ordinal);
        Assert.Throws<NotSupportedException>(() => new GpuTail<InternalShape, PrivateShape>(Backend.Cpu, 0, default, default));
        _ = new GpuHead<InternalShape>(Backend.Cpu, default, clusters: 1, hasBias: false);
    }

    [Fact]
    public void PrivateShape_IsFineOnOpenCL() => _ = new GpuHead<PrivateShape>(Backend.OpenCl, default, clusters: 1, hasBias: false);

    internal readonly struct InternalShape : IMatrixShape
    {
        public int Rows => 4;

        public int Columns => 8;
    }

    private readonly struct PrivateShape : IMatrixShape
    {
        public int Rows => 4;

        public int Columns => 8;
    }
}
