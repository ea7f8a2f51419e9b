using AdaptiveSoftmax.Gpu.Cuda;
using AdaptiveSoftmax.Gpu.Kernels;
using ILGPU;
using ILGPU.Runtime;
using ILGPU.Runtime.Cuda;

namespace AdaptiveSoftmax.Gpu;

/// <summary>
/// The products by cuBLASLt, in tf32 with float32 sums. To the library matrices lie column by column: a matrix [rows, columns] of
/// ours is one of columns × rows there, and a product's factors change places. What lies behind the columns is neither read nor
/// written. It is asked once a shape which algorithm to take, so that the same data give the same bits. How many tokens there are
/// it must be told: the plan is read back.
/// </summary>
internal sealed class CublasLtProducts : IDeviceProducts, IDisposable
{
    // What NVIDIA advises for Hopper; fewer bytes leave algorithms out.
    private const int WorkspaceBytes = 32 << 20;

    // Buffers begin at multiples of 256 bytes, and tokens in them at multiples of a stride of 8 values.
    private const uint Alignment = 32;

    private readonly CudaAccelerator _accelerator;
    private readonly CublasLtLibrary _library = CublasLtLibrary.Instance;
    private readonly RowKernels _kernels;
    private readonly DeviceBuffers _buffers;
    private readonly ArrayView<byte> _workspace;
    private readonly Dictionary<Shape, CublasLtAlgorithm> _algorithms = [];
    private readonly nint[] _operations = new nint[Enum.GetValues<Product>().Length];
    private nint _handle;
    private nint _preference;

    /// <summary>Starts the library on a device.</summary>
    /// <exception cref="CublasException">There is no library, or it reports an error.</exception>
    /// <exception cref="GpuMemoryException">The device has too little memory.</exception>
    public CublasLtProducts(CudaAccelerator accelerator)
    {
        _accelerator = accelerator;
        _kernels = KernelCache.Get(accelerator, device => new RowKernels(device));
        _buffers = new DeviceBuffers(accelerator);
        try
        {
            _workspace = _buffers.Allocate<byte>(WorkspaceBytes, "cuBLASLt's workspace");
            using var entered = new CurrentContext(accelerator.NativePtr);
            _handle = _library.CreateHandle();
            _preference = _library.CreatePreference(WorkspaceBytes, Alignment);
            _operations[(int)Product.Outputs] = _library.CreateOperation(transposeA: true, transposeB: false, hasBias: false);
            _operations[(int)Product.BiasedOutputs] = _library.CreateOperation(transposeA: true, transposeB: false, hasBias: true);
            _operations[(int)Product.InputGradient] = _library.CreateOperation(transposeA: false, transposeB: false, hasBias: false);
            _operations[(int)Product.WeightGradient] = _library.CreateOperation(transposeA: false, transposeB: true, hasBias: false);
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    private enum Product
    {
        Outputs,
        BiasedOutputs,
        InputGradient,
        WeightGradient,
    }

    /// <summary>The bytes of the workspace.</summary>
    public long Bytes => _buffers.Bytes;

    public void Store(AcceleratorStream stream, ClusterProducts clusters, ArrayView<float> inputs, TrainingScratch scratch, ArrayView<float> outputs, ClusterArguments arguments)
    {
        for (var i = 0; i < clusters.Count; i++)
        {
            var part = new Part(clusters.Linears[i], scratch.HostPlan[arguments.Plan + i], arguments);
            var linear = part.Linear;
            if (linear.Bias is { } bias) _library.SetBias(_operations[(int)Product.BiasedOutputs], Address(bias.Values));
            var product = linear.Bias is null ? Product.Outputs : Product.BiasedOutputs;
            Multiply(stream, product, part, Address(linear.Weight.Values), part.Weight, part.InputAddress(inputs), part.Inputs, 0, part.OutputAddress(outputs), part.Outputs);
        }
    }

    public void InputGradient(AcceleratorStream stream, ClusterProducts clusters, ArrayView<float> gradient, TrainingScratch scratch, ArrayView<float> inputGradient, ClusterArguments arguments)
    {
        for (var i = 0; i < clusters.Count; i++)
        {
            var part = new Part(clusters.Linears[i], scratch.HostPlan[arguments.Plan + i], arguments);
            Multiply(
                stream, Product.InputGradient, part, Address(part.Linear.Weight.Values), part.Weight, part.OutputAddress(gradient), part.Outputs, arguments.Accumulate,
                part.InputAddress(inputGradient), part.Inputs);
        }
    }

    public void WeightGradient(AcceleratorStream stream, ClusterProducts clusters, ArrayView<float> gradient, ArrayView<float> inputs, TrainingScratch scratch, ClusterArguments arguments)
    {
        for (var i = 0; i < clusters.Count; i++)
        {
            var part = new Part(clusters.Linears[i], scratch.HostPlan[arguments.Plan + i], arguments);
            var weight = part.Linear.Weight;
            if (part.Tokens == 0 || !weight.RequiresGradient) continue;

            // Whether there is a gradient to add to is known on the device alone.
            if (part.IsFirst) _kernels.ClearAbsent(stream, Launches.Threads(_accelerator, weight.PaddedCount), weight.Gradient, weight.State);
            Multiply(stream, Product.WeightGradient, part, part.InputAddress(inputs), part.Inputs, part.OutputAddress(gradient), part.Outputs, 1, Address(weight.Gradient), part.Weight);
        }

        if (clusters.BiasLearns) clusters.BiasGradient(stream, gradient, scratch.Plan, arguments);
    }

    // What was begun with them is done first: the library waits for the device.
    public void Dispose()
    {
        try
        {
            using var entered = new CurrentContext(_accelerator.NativePtr);
            foreach (ref var operation in _operations.AsSpan())
            {
                if (operation != 0) _library.DestroyOperation(operation);
                operation = 0;
            }

            if (_preference != 0) _library.DestroyPreference(_preference);
            if (_handle != 0) _library.DestroyHandle(_handle);
            (_preference, _handle) = (0, 0);
        }
        finally
        {
            _buffers.Dispose();
        }
    }

    private static nint Address<T>(ArrayView<T> view)
        where T : unmanaged => (nint)view.LoadEffectiveAddressAsPtr();

    private void Multiply(
        AcceleratorStream stream, Product product, Part part, nint a, CublasLtMatrix shapeOfA, nint b, CublasLtMatrix shapeOfB, float beta, nint result, CublasLtMatrix shapeOfResult)
    {
        if (part.Tokens == 0) return;
        var (linear, tokens) = (part.Linear, part.Tokens);
        nint layoutOfA = 0, layoutOfB = 0, layoutOfResult = 0;
        var operation = _operations[(int)product];
        using var entered = new CurrentContext(_accelerator.NativePtr);
        try
        {
            layoutOfA = _library.CreateLayout(shapeOfA);
            layoutOfB = _library.CreateLayout(shapeOfB);
            layoutOfResult = _library.CreateLayout(shapeOfResult);
            var shape = new Shape(product, linear.Rows, linear.Columns, tokens);
            if (!_algorithms.TryGetValue(shape, out var algorithm))
                _algorithms.Add(shape, algorithm = _library.FindAlgorithm(_handle, operation, layoutOfA, layoutOfB, layoutOfResult, _preference));
            _library.Multiply(
                _handle, operation, a, layoutOfA, b, layoutOfB, beta, result, layoutOfResult, algorithm, Address(_workspace), _workspace.Length, ((CudaStream)stream).StreamPtr);
        }
        catch (CublasException exception)
        {
            throw new CublasException(FormattableString.Invariant($"A product of '{linear.Weight.Name}' [{linear.Rows}, {linear.Columns}] with {tokens} tokens: {exception.Message}"), exception);
        }
        finally
        {
            if (layoutOfA != 0) _library.DestroyLayout(layoutOfA);
            if (layoutOfB != 0) _library.DestroyLayout(layoutOfB);
            if (layoutOfResult != 0) _library.DestroyLayout(layoutOfResult);
        }
    }

    private readonly record struct Shape(Product Product, int Rows, int Columns, int Tokens);

    /// <summary>The tokens of one cluster in a chunk, and where their vectors are.</summary>
    private readonly struct Part(GpuLinear linear, BatchPlan plan, ClusterArguments arguments)
    {
        public GpuLinear Linear => linear;

        public int Tokens => plan.Count;

        /// <summary>Whether nothing was added to the weight's gradient in this step.</summary>
        public bool IsFirst => plan.Before == 0;

        public CublasLtMatrix Weight => new(linear.Columns, linear.Rows, linear.Weight.Stride);

        public CublasLtMatrix Inputs => new(linear.Columns, plan.Count, linear.Weight.Stride);

        public CublasLtMatrix Outputs => new(linear.Rows, plan.Count, Sizes.Stride(linear.Rows));

        public nint InputAddress(ArrayView<float> all) => Address(all) + (nint)(sizeof(float) * plan.InputOffset(arguments, linear.Weight.Stride));

        public nint OutputAddress(ArrayView<float> all) => Address(all) + (nint)(sizeof(float) * plan.OutputOffset(arguments));
    }
}
