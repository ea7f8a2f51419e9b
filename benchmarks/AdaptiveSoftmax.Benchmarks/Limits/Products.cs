using static TorchSharp.torch;

namespace AdaptiveSoftmax.Benchmarks;

/// <summary>Products of matrices of sizes that suit them, on all threads: the limit of training.</summary>
internal sealed unsafe class Products : IDisposable
{
    private const int Rows = 1024;
    private const int Depth = 512;
    private const int Columns = 1024;

    private readonly NativeFloats _left = new(Rows * Depth);
    private readonly NativeFloats _right = new(Depth * Columns);
    private readonly NativeFloats _result = new(Rows * Columns);
    private readonly Tensor _leftTensor;
    private readonly Tensor _rightTensor;

    public Products()
    {
        _left.Fill(0.5f);
        _right.Fill(0.25f);
        set_num_threads(Environment.ProcessorCount);
        _leftTensor = full(Rows, Depth, 0.5f);
        _rightTensor = full(Depth, Columns, 0.25f);
    }

    /// <summary>The multiplications and additions of a round.</summary>
    public static long Operations => 2L * Rows * Depth * Columns;

    public IReadOnlyList<Contender> Contenders =>
    [
        new("this project's product", Multiply),
        new("TorchSharp's mm", () => TorchPeers.Run(() => mm(_leftTensor, _rightTensor).NumberOfElements)),
    ];

    public void Dispose()
    {
        _left.Dispose();
        _right.Dispose();
        _result.Dispose();
        _leftTensor.Dispose();
        _rightTensor.Dispose();
    }

    private long Multiply()
    {
        Gemm.Multiply(
            WorkerPool.Get(Environment.ProcessorCount), _left.Pointer, Depth, 1, _right.Pointer, Columns, _result.Pointer, Columns,
            Rows, Columns, Depth, accumulate: false, rowsPerTile: 128, columnsPerTile: 64);
        return (long)_result.Pointer[0];
    }
}
