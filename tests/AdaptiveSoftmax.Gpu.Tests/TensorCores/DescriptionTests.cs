using System.Reflection;
using AdaptiveSoftmax.Generators;

namespace AdaptiveSoftmax.Gpu.Tests.TensorCores;

public sealed class DescriptionTests
{
    [Theory]
    [InlineData(-1, 128, 128, 2, 4, 3, "the input size is negative")]
    [InlineData(0, 128, 128, 2, 4, 1, "the number of stages is not 2 to 8")]
    [InlineData(0, 96, 128, 2, 4, 3, "a side of the tile is not a power of two of at least 64")]
    [InlineData(0, 128, 32, 2, 4, 3, "a side of the tile is not a power of two of at least 64")]
    [InlineData(0, 128, 128, 3, 4, 3, "the warps are not a power of two a side")]
    [InlineData(0, 128, 256, 2, 2, 3, "16 to 64 columns")]
    [InlineData(0, 128, 128, 1, 2, 3, "there are fewer threads than rows or columns")]
    [InlineData(0, 256, 256, 4, 4, 2, "a tile of results does not fit into the stages")]
    [InlineData(0, 64, 256, 4, 8, 3, "a pass of copies covers more than an operand's block")]
    public void SizesThatDoNotFit_AreRefusedWithTheirReason(
        int inputSize, int tileRows, int tileColumns, int warpRows, int warpColumns, int stages, string reason)
    {
        var kernel = new TensorCoreKernel("Head", TensorCoreRole.Logits, inputSize, tileRows, tileColumns, warpRows, warpColumns, stages);
        var exception = Assert.Throws<ArgumentException>(() => CompiledKernel.Write(kernel));
        Assert.Contains("'Head'", exception.Message, StringComparison.Ordinal);
        Assert.Contains(reason, exception.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void RowsOfALeftOperandThatIsTransposed_AreAtMost64AWarp()
    {
        var kernel = new TensorCoreKernel("Weights", TensorCoreRole.WeightGradient, 0, 128, 128, 1, 4);
        Assert.Contains("more than 64 rows", Assert.Throws<ArgumentException>(kernel.Validate).Message, StringComparison.Ordinal);
        (kernel with { Role = TensorCoreRole.Gradient }).Validate();
    }

    // No launch happens without a device, and one with other parameters would fail there.
    [Theory]
    [InlineData(nameof(TensorCoreRole.Logits))]
    [InlineData(nameof(TensorCoreRole.Gradient))]
    [InlineData(nameof(TensorCoreRole.InputGradient))]
    [InlineData(nameof(TensorCoreRole.WeightGradient))]
    public void Launcher_HasTheKernelsParameters(string role)
    {
        var launcher = typeof(CudaTensorProducts).GetNestedType(role + "Launcher", BindingFlags.NonPublic)!.GetMethod("Invoke")!;
        var parameters = launcher.GetParameters().Skip(2).Select(parameter => $"{(parameter.ParameterType == typeof(long) ? "long" : "int")} {parameter.Name}");
        Assert.Equal(TensorCoreKernelWriter.Parameters(Enum.Parse<TensorCoreRole>(role)), string.Join(", ", parameters));
    }

    [Fact]
    public void LaunchNumbers_AreThoseOfTheTile()
    {
        var kernel = new TensorCoreKernel("Head", TensorCoreRole.Logits, 1024);
        Assert.Equal((256, 3 * 2 * 64 * (128 + 128)), (kernel.Threads, kernel.SharedBytes));
        Assert.Contains("groups of 256 threads and 98304 bytes of dynamic shared memory", CompiledKernel.Write(kernel), StringComparison.Ordinal);
    }
}
