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
public abstract partial class GpuAdaptiveSoftmax : GpuSoftmaxDecoder
{
    private readonly GpuHead _head;
    private readonly GpuTail[] _tails;
    private readonly GpuParameter[] _parameters;
    private readonly TrainingScratch _training;
    private readonly TargetTables _targets;
    private readonly TensorTraining? _tensors;
    private readonly CublasLtProducts? _cublas;
    private readonly LayerProducts _products;

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
        : base(accelerator, identity, Check(accelerator, identity, head, tails, options), options ?? GpuOptions.Default)
    {
        _head = head;
        _tails = [.. tails];
        GpuParameter[] headParameters = head.Bias is null ? [head.Weight] : [head.Weight, head.Bias];
        _parameters = [.. headParameters, .. _tails.SelectMany(tail => new[] { tail.Projection, tail.Output })];
        _training = new TrainingScratch(accelerator, Layout, Options.LogitBytes, withLogits: Options.TensorCores == TensorCoreUse.Off, withSplits: Options.Precision == ProductPrecision.Float32);
        try
        {
            foreach (var parameter in _parameters) parameter.Allocate();
            _tensors = CreateTensors();
            _cublas = CreateCublas();
            CreateTables();
            _targets = new TargetTables(accelerator, Layout.VocabularySize, GetTokenId);
            _products = new LayerProducts(accelerator, Layout, head, _tails, Tables);
        }
        catch
        {
            Release();
            throw;
        }
    }

    /// <summary>Every weight, in PyTorch's order and under its names.</summary>
    public IReadOnlyList<GpuParameter> Parameters => _parameters;

    /// <summary>The bytes that weights and gradients take on the device.</summary>
    public long ParameterBytes => _parameters.Sum(parameter => parameter.Bytes);

    private protected override long TrainingBytes => _training.Bytes + _targets.Bytes + (_tensors?.Bytes ?? 0) + (_cublas?.Bytes ?? 0);

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

    /// <summary>Reserves the memory of a step on tensor cores without taking one.</summary>
    internal void ReserveTensors(int tokens) => _tensors!.Reserve(tokens, _training, withGradient: true);

    private protected override void ReleaseWeights()
    {
        // Before the memory of products that it may still compute: it waits for them.
        _cublas?.Dispose();
        _training.Dispose();
        _tensors?.Dispose();
        _targets?.Dispose();
        foreach (var parameter in _parameters) parameter.Dispose();
    }

    private CublasLtProducts? CreateCublas()
    {
        if (Options.Precision == ProductPrecision.Float32) return null;
        return Accelerator is CudaAccelerator cuda
            ? new CublasLtProducts(cuda)
            : throw new NotSupportedException($"Products in {Options.Precision} were asked for, and '{Accelerator.Name}' is no CUDA device; use {nameof(ProductPrecision)}.{nameof(ProductPrecision.Float32)} there.");
    }

    private TensorTraining? CreateTensors()
    {
        if (Options.TensorCores == TensorCoreUse.Off) return null;
        GpuLinear[] outputs = [_head.Linear, .. _tails.Select(tail => tail.OutputLinear)];
        var create = Options.TensorProducts ?? CreateProducts;
        return new TensorTraining(Accelerator, [.. outputs.Select(output => (output, create(output)))], Options.LogitBytes);
    }

    private ITensorProducts CreateProducts(GpuLinear linear)
    {
        if (Accelerator is not CudaAccelerator { Architecture: var architecture } || architecture < CudaArchitecture.SM_80)
            throw new NotSupportedException($"Tensor cores were asked for, and '{Accelerator.Name}' is no CUDA device of compute capability 8.0 or later; use {nameof(TensorCoreUse)}.{nameof(TensorCoreUse.Off)} there.");
        return linear.TensorCores is { } kernels
            ? new CudaTensorProducts(linear.Weight, kernels)
            : throw new NotSupportedException($"Tensor cores were asked for, and there are no generated kernels for '{linear.Weight.Name}': only generated classes have them.");
    }

    // Before anything is allocated.
    private static DecodeLinears Check(Accelerator accelerator, SoftmaxIdentity identity, GpuHead head, IReadOnlyList<GpuTail> tails, GpuOptions? options)
    {
        ArgumentNullException.ThrowIfNull(accelerator);
        ArgumentNullException.ThrowIfNull(identity);
        ArgumentNullException.ThrowIfNull(head);
        ArgumentNullException.ThrowIfNull(tails);
        options?.Check();
        var layout = identity.Layout;
        CheckLayout(layout);
        CheckShape(accelerator, head.Weight, layout.HeadRows, layout.HiddenSize);
        if (head.Bias is null == layout.HasHeadBias)
            throw new ArgumentException($"The layout says that the head has {(layout.HasHeadBias ? "a" : "no")} bias, and the head disagrees.");
        if (tails.Count != layout.TailCount)
            throw new ArgumentException(FormattableString.Invariant($"There are {tails.Count} tails for {layout.TailCount} clusters; give one a cluster."));
        foreach (var cluster in layout.Tails)
        {
            CheckShape(accelerator, tails[cluster.Index].Projection, cluster.ProjectionWidth, layout.HiddenSize);
            CheckShape(accelerator, tails[cluster.Index].Output, cluster.Size, cluster.ProjectionWidth);
        }

        return new DecodeLinears(head.Linear.Decoding, [.. tails.Select(tail => (tail.ProjectionLinear.Decoding, tail.OutputLinear.Decoding))]);
    }

    private static void CheckShape(Accelerator accelerator, GpuParameter parameter, int rows, int columns)
    {
        if (parameter.Rows != rows || parameter.Columns != columns)
            throw new ArgumentException(FormattableString.Invariant($"'{parameter.Name}' is [{parameter.Rows}, {parameter.Columns}]; the layout asks for [{rows}, {columns}]."));
        if (parameter.Accelerator != accelerator)
            throw new ArgumentException($"'{parameter.Name}' is on '{parameter.Accelerator.Name}', not on the layer's accelerator '{accelerator.Name}'; make both on the same one.");
        if (parameter.WasAllocated)
            throw new ArgumentException($"'{parameter.Name}' belongs to another layer already; make head and tails anew for each.");
    }
}
