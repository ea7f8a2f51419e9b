using AdaptiveSoftmax.Gpu;
using AdaptiveSoftmax.Gpu.Cuda;
using AdaptiveSoftmax.Gpu.Tests;
using ILGPU;
using ILGPU.Runtime;
using ILGPU.Runtime.Cuda;

namespace AdaptiveSoftmax.CudaEmulation.Tests.Cublas;

/// <summary>The library's functions, and that the emulation refuses what a device would take for something else.</summary>
[Collection(Backend.Collection)]
public sealed class CublasLtTests : IDisposable
{
    private readonly CudaAccelerator _accelerator = (CudaAccelerator)EmulatedCublasLt.Cuda;
    private readonly CublasLtLibrary _library = CublasLtLibrary.Load(null);
    private readonly MemoryBuffer1D<float, Stride1D.Dense> _memory;
    private readonly nint _handle;
    private readonly nint _preference;
    private readonly nint _operation;
    private readonly List<nint> _layouts = [];

    public CublasLtTests()
    {
        _memory = _accelerator.Allocate1D(Enumerable.Range(0, 512).Select(i => (float)(i % 7)).ToArray());
        _handle = _library.CreateHandle();
        _preference = _library.CreatePreference(1024, 32);
        _operation = _library.CreateOperation(transposeA: true, transposeB: false, hasBias: true);
        _library.SetBias(_operation, Address(500));
    }

    public void Dispose()
    {
        _accelerator.Bind();
        foreach (var layout in _layouts) _library.DestroyLayout(layout);
        _library.DestroyOperation(_operation);
        _library.DestroyPreference(_preference);
        _library.DestroyHandle(_handle);
        _memory.Dispose();
    }

    // result [3, 2] = [5, 3]ᵀ · [5, 2] + bias, the strides 8.
    [Fact]
    public void AProduct_IsComputedInTheOrderOfItsStream()
    {
        using var source = _accelerator.Allocate1D(Enumerable.Range(0, 512).Select(i => (float)(i % 5)).ToArray());
        _memory.View.CopyFrom(_accelerator.DefaultStream, source.View);
        Multiply(0, 64, 128);
        var values = _memory.GetAsArray1D();
        for (var column = 0; column < 2; column++)
        {
            for (var row = 0; row < 3; row++)
            {
                var expected = (500 + row) % 5;
                for (var i = 0; i < 5; i++) expected += ((8 * row) + i) % 5 * ((64 + (8 * column) + i) % 5);
                Assert.Equal(expected, values[128 + (8 * column) + row]);
            }

            // Behind the rows nothing is written.
            for (var row = 3; row < 8; row++) Assert.Equal((128 + (8 * column) + row) % 5, values[128 + (8 * column) + row]);
        }

        Assert.Equal("13.1.3", _library.Version);
    }

    [Fact]
    public void WhatIsWrong_IsRefusedByTheEmulation()
    {
        AssertRefused("D is not aligned to 32 bytes, as was promised.", () => Multiply(0, 64, 132));
        AssertRefused("A: To copy", () => Multiply(496, 64, 128));
        AssertRefused("A factor lies where the result is written.", () => Multiply(0, 64, 72));
        AssertRefused("The algorithm was proposed for another product.", () => Multiply(0, 64, 128, columns: 3));
        AssertRefused("The workspace: To copy", () => Multiply(0, 64, 128, workspace: Address(448)));
        AssertRefused("writes to 24 bytes of workspace, and has 16", () => Multiply(0, 64, 128, workspaceBytes: 16));
        AssertRefused("[3, 5] times [4, 2] is no [3, 2].", () => _library.FindAlgorithm(_handle, _operation, Layout(5, 3), Layout(4, 2), Layout(3, 2), _preference));
        AssertRefused("A matrix [9, 2] has no stride of 8.", () => Layout(9, 2));
        AssertRefused("is no LtLayout.", () => _library.FindAlgorithm(_handle, _operation, 0, Layout(5, 2), Layout(3, 2), _preference));
        using (var context = new PrimaryContext(_accelerator))
        {
            using (context.Enter()) AssertRefused("The handle's context is not the thread's current one.", () => Multiply(0, 64, 128));
            AssertRefused("The stream is of another context.", () => Multiply(0, 64, 128, stream: context.Stream));
        }

        static void AssertRefused(string message, Action call) => Assert.Contains(message, Assert.Throws<CublasException>(call).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void AMissingOrForeignLibrary_IsSaid()
    {
        Assert.Equal(
            "The library '/nowhere/libcublasLt.so', which ADAPTIVE_SOFTMAX_CUBLASLT names, cannot be loaded. Name the file libcublasLt.so.13 or libcublasLt.so.12 of an installed cuBLAS, or unset the variable.",
            Assert.Throws<CublasException>(() => CublasLtLibrary.Load("/nowhere/libcublasLt.so")).Message);
        Assert.Equal(
            "'libc.so.6' has no cublasLtGetProperty, which cuBLASLt has from version 12 on. Install a newer one, or name its file by ADAPTIVE_SOFTMAX_CUBLASLT.",
            Assert.Throws<CublasException>(() => CublasLtLibrary.Load("libc.so.6")).Message);
    }

    private nint Address(int value) => _memory.NativePtr + (sizeof(float) * value);

    private nint Layout(int rows, int columns)
    {
        var layout = _library.CreateLayout(new CublasLtMatrix(rows, columns, 8));
        _layouts.Add(layout);
        return layout;
    }

    // By the algorithm for 2 columns.
    private void Multiply(int a, int b, int result, int columns = 2, nint? workspace = null, int workspaceBytes = 1024, nint stream = 0)
    {
        var algorithm = _library.FindAlgorithm(_handle, _operation, Layout(5, 3), Layout(5, 2), Layout(3, 2), _preference);
        _library.Multiply(
            _handle, _operation, Address(a), Layout(5, 3), Address(b), Layout(5, columns), 0, Address(result), Layout(3, columns), algorithm, workspace ?? Address(192), workspaceBytes, stream);
    }
}
