using AdaptiveSoftmax.Gpu.Kernels;
using AdaptiveSoftmax.Vocabulary;
using ILGPU;
using ILGPU.Runtime;
using ILGPU.Runtime.Cuda;

namespace AdaptiveSoftmax.Gpu;

/// <summary>
/// An adaptive softmax on an ILGPU accelerator, CUDA or OpenCL: weights, gradients and working memory stay on the device.
/// Generated classes derive from it; <see cref="DynamicGpuSoftmax"/> is one with sizes known only at run time.
/// </summary>
/// <remarks>
/// Calls with spans copy from and to the host and wait. Calls with views of the device's memory copy nothing, do not wait for
/// their results, and once a batch of their size was seen allocate nothing there. The same data on the same device give the same bits.
/// A layer belongs to one thread at a time. The accelerator stays the caller's, and must outlive the layer.
/// </remarks>
public abstract partial class GpuAdaptiveSoftmax : IDisposable
{
    private readonly GpuOptions _options;
    private readonly GpuHead _head;
    private readonly GpuTail[] _tails;
    private readonly GpuParameter[] _parameters;
    private readonly CommonKernels _kernels;
    private readonly TrainingScratch _training;
    private readonly DecodeScratch _decoding;
    private readonly TensorTraining? _tensors;
    private readonly CublasLtProducts? _cublas;
    private readonly VectorScratch _one;
    private readonly DeviceTables _tables;
    private readonly LayerProducts _products;
    private AcceleratorStream _stream;
    private bool _isRecording;
    private bool _disposed;

    /// <summary>Puts head and tails together; the weights stay as they are.</summary>
    /// <param name="accelerator">The device.</param>
    /// <param name="identity">The sizes and the vocabulary.</param>
    /// <param name="head">The head, which the layer takes over.</param>
    /// <param name="tails">The tails in slot order, which the layer takes over.</param>
    /// <param name="options">How the layer runs; null for <see cref="GpuOptions.Default"/>.</param>
    /// <exception cref="ArgumentException">Head and tails do not have the layout's sizes, or an option is out of range.</exception>
    /// <exception cref="NotSupportedException">The device, or the class, does not have what an option asks for.</exception>
    /// <exception cref="CublasException">cuBLASLt, which an option asks for, is missing or reports an error.</exception>
    /// <exception cref="GpuMemoryException">The device has too little memory.</exception>
    protected GpuAdaptiveSoftmax(Accelerator accelerator, SoftmaxIdentity identity, GpuHead head, IReadOnlyList<GpuTail> tails, GpuOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(accelerator);
        ArgumentNullException.ThrowIfNull(identity);
        ArgumentNullException.ThrowIfNull(head);
        ArgumentNullException.ThrowIfNull(tails);
        _options = options ?? GpuOptions.Default;
        _options.Check();
        Accelerator = accelerator;
        _stream = accelerator.DefaultStream;
        Identity = identity;
        _head = head;
        _tails = [.. tails];
        CheckSizes();
        GpuParameter[] headParameters = head.Bias is null ? [head.Weight] : [head.Weight, head.Bias];
        _parameters = [.. headParameters, .. _tails.SelectMany(tail => new[] { tail.Projection, tail.Output })];
        _kernels = KernelCache.Get(accelerator, device => new CommonKernels(device));
        var strips = _tails.Select(tail => tail.OutputLinear.Strips).Append(head.Linear.Strips).Max();
        _training = new TrainingScratch(accelerator, Layout, _options.LogitBytes, withLogits: _options.TensorCores == TensorCoreUse.Off, withSplits: _options.Precision == ProductPrecision.Float32);
        _decoding = new DecodeScratch(accelerator, Layout, strips);
        try
        {
            foreach (var parameter in _parameters) parameter.Allocate();
            _tensors = CreateTensors();
            _cublas = CreateCublas();
            _one = new VectorScratch(accelerator, Layout);
            _tables = new DeviceTables(accelerator, Layout, head, _tails, GetTokenId);
            _products = new LayerProducts(accelerator, Layout, head, _tails, _tables);
        }
        catch
        {
            Release();
            throw;
        }
    }

    /// <summary>The device.</summary>
    public Accelerator Accelerator { get; }

    /// <summary>What weights must agree on to be loaded into this layer.</summary>
    public SoftmaxIdentity Identity { get; }

    /// <summary>The sizes.</summary>
    public SoftmaxLayout Layout => Identity.Layout;

    /// <summary>Every weight, in PyTorch's order and under its names.</summary>
    public IReadOnlyList<GpuParameter> Parameters => _parameters;

    /// <summary>The bytes that weights and gradients take on the device.</summary>
    public long ParameterBytes => _parameters.Sum(parameter => parameter.Bytes);

    /// <summary>The bytes of working memory on the device, for the largest batches so far.</summary>
    public long WorkingBytes => _training.Bytes + _decoding.Bytes + _tables.Bytes + (_tensors?.Bytes ?? 0) + (_cublas?.Bytes ?? 0);

    // The default stream, but while launches are recorded.
    private AcceleratorStream Stream => _stream;

    /// <summary>
    /// Fills the weights with PyTorch's initialisation: uniform in ±1/√fan_in, for the head's bias as for the matrices.
    /// The same seed gives the same bits as <see cref="AdaptiveSoftmaxLayer.Initialize"/> on the CPU.
    /// </summary>
    /// <param name="seed">The seed.</param>
    public void Initialize(ulong seed)
    {
        CheckUsable();
        for (var i = 0; i < _parameters.Length; i++)
        {
            var parameter = _parameters[i];
            var fanIn = parameter.IsVector ? Layout.HiddenSize : parameter.Columns;
            using var host = parameter.CreateHost();
            UniformInitializer.Fill(WorkerPool.Get(Environment.ProcessorCount), host, 1 / Math.Sqrt(fanIn), seed, stream: (ulong)i);
            parameter.CopyFrom(host);
        }
    }

    /// <summary>Releases the device's memory; the accelerator stays the caller's.</summary>
    public void Dispose()
    {
        if (_disposed) return;
        _disposed = true;
        Release();
        GC.SuppressFinalize(this);
    }

    /// <summary>The slot of a token, or −1 for an id that is not in the vocabulary.</summary>
    /// <param name="tokenId">A token's id.</param>
    protected abstract int FindSlot(int tokenId);

    /// <summary>The id of the token in a slot.</summary>
    /// <param name="slot">A slot in [0, V).</param>
    protected abstract int GetTokenId(int slot);

    /// <summary>Reserves the memory of a step on tensor cores without taking one.</summary>
    internal void ReserveTensors(int tokens) => _tensors!.Reserve(tokens, _training, withGradient: true);

    // Also in the middle of making the layer, when the later ones are not there yet.
    private void Release()
    {
        // Before the memory of products that it may still compute: it waits for them.
        _cublas?.Dispose();
        _training.Dispose();
        _decoding.Dispose();
        _tensors?.Dispose();
        _one?.Dispose();
        _tables?.Dispose();
        foreach (var parameter in _parameters) parameter.Dispose();
    }

    private CublasLtProducts? CreateCublas()
    {
        if (_options.Precision == ProductPrecision.Float32) return null;
        return Accelerator is CudaAccelerator cuda
            ? new CublasLtProducts(cuda)
            : throw new NotSupportedException($"Products in {_options.Precision} were asked for, and '{Accelerator.Name}' is no CUDA device; use {nameof(ProductPrecision)}.{nameof(ProductPrecision.Float32)} there.");
    }

    private TensorTraining? CreateTensors()
    {
        if (_options.TensorCores == TensorCoreUse.Off) return null;
        GpuLinear[] outputs = [_head.Linear, .. _tails.Select(tail => tail.OutputLinear)];
        var create = _options.TensorProducts ?? CreateProducts;
        return new TensorTraining(Accelerator, [.. outputs.Select(output => (output, create(output)))], _options.LogitBytes);
    }

    private ITensorProducts CreateProducts(GpuLinear linear)
    {
        if (Accelerator is not CudaAccelerator { Architecture: var architecture } || architecture < CudaArchitecture.SM_80)
            throw new NotSupportedException($"Tensor cores were asked for, and '{Accelerator.Name}' is no CUDA device of compute capability 8.0 or later; use {nameof(TensorCoreUse)}.{nameof(TensorCoreUse.Off)} there.");
        return linear.TensorCores is { } kernels
            ? new CudaTensorProducts(linear.Weight, kernels)
            : throw new NotSupportedException($"Tensor cores were asked for, and there are no generated kernels for '{linear.Weight.Name}': only generated classes have them.");
    }

    private void CheckSizes()
    {
        if (Layout.MapsLogits)
            throw new NotSupportedException("Scaled and capped logits are not computed on a device; take the class on the CPU, or fold a logitScale without a cap into the weights, and leave both out of the spec.");
        CheckShape(_head.Weight, Layout.HeadRows, Layout.HiddenSize);
        if (_head.Bias is null == Layout.HasHeadBias)
            throw new ArgumentException($"The layout says that the head has {(Layout.HasHeadBias ? "a" : "no")} bias, and the head disagrees.");
        if (_tails.Length != Layout.TailCount)
            throw new ArgumentException(FormattableString.Invariant($"There are {_tails.Length} tails for {Layout.TailCount} clusters; give one a cluster."));
        foreach (var cluster in Layout.Tails)
        {
            CheckShape(_tails[cluster.Index].Projection, cluster.ProjectionWidth, Layout.HiddenSize);
            CheckShape(_tails[cluster.Index].Output, cluster.Size, cluster.ProjectionWidth);
        }
    }

    private void CheckShape(GpuParameter parameter, int rows, int columns)
    {
        if (parameter.Rows != rows || parameter.Columns != columns)
            throw new ArgumentException(FormattableString.Invariant($"'{parameter.Name}' is [{parameter.Rows}, {parameter.Columns}]; the layout asks for [{rows}, {columns}]."));
        if (parameter.Accelerator != Accelerator)
            throw new ArgumentException($"'{parameter.Name}' is on '{parameter.Accelerator.Name}', not on the layer's accelerator '{Accelerator.Name}'; make both on the same one.");
        if (parameter.WasAllocated)
            throw new ArgumentException($"'{parameter.Name}' belongs to another layer already; make head and tails anew for each.");
    }

    internal void CheckUsable() => ObjectDisposedException.ThrowIf(_disposed, this);

    private int CountTokens(long hiddenLength, string name)
    {
        CheckUsable();
        if (hiddenLength % Layout.HiddenSize != 0)
            throw new ArgumentException(FormattableString.Invariant($"The hidden vectors hold {hiddenLength} values, which is no multiple of the hidden size {Layout.HiddenSize}."), name);
        if (hiddenLength / Layout.HiddenSize > int.MaxValue / 64)
            throw new ArgumentException(FormattableString.Invariant($"There are {hiddenLength / Layout.HiddenSize} hidden vectors; give at most {int.MaxValue / 64} at a time."), name);
        return (int)(hiddenLength / Layout.HiddenSize);
    }

    // A view of another accelerator would be read as if its addresses were this device's.
    private void CheckView<T>(ArrayView<T> view, long length, string what, string name)
        where T : unmanaged
    {
        if (view.Length != length)
            throw new ArgumentException(FormattableString.Invariant($"{what} has {view.Length} values; it must have {length}."), name);
        if (length > 0 && view.GetAccelerator() != Accelerator)
            throw new ArgumentException($"{what} lies in the memory of '{view.GetAccelerator().Name}', which is another accelerator than the layer's '{Accelerator.Name}'; allocate it on the layer's.", name);
    }
}
