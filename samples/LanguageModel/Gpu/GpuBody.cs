using AdaptiveSoftmax;
using AdaptiveSoftmax.Gpu;
using ILGPU;
using ILGPU.Runtime;

namespace LanguageModelSample;

/// <summary>
/// <see cref="Body"/> on a device: the same network under the same names. Everything between the tokens and the hidden
/// states stays in the device's memory, and no call waits for it.
/// </summary>
internal sealed class GpuBody : IDisposable
{
    private readonly BodyKernels _kernels;
    private readonly GpuParameter _embedding, _scale;
    private readonly GpuMatrix _first, _second;
    private readonly RowSizes _sizes;

    // What Forward computes and Backward reads, and the gradients on the way back.
    private readonly DeviceArray<float> _embedded, _x, _z, _y, _inverse, _hidden;
    private readonly DeviceArray<float> _embeddedGradient, _xGradient, _yGradient, _zGradient;
    private readonly DeviceArray<float>[] _arrays;

    /// <summary>Creates a body with the weights of one on the processor.</summary>
    public GpuBody(Accelerator accelerator, Body source)
    {
        Shape = source.Shape;
        // The softmax takes hidden states without gaps, and products leave none at multiples of 8.
        if (Shape.HiddenSize % 8 != 0)
            throw new ArgumentException($"The hidden size is {Shape.HiddenSize}; on a device it must be a multiple of 8.", nameof(source));
        _kernels = new BodyKernels(accelerator);
        Parameters = [.. source.Parameters.Select(parameter => Copy(accelerator, parameter))];
        _embedding = Parameters[0];
        _first = new GpuMatrix(Parameters[1], Parameters[2]);
        _second = new GpuMatrix(Parameters[3], Parameters[4]);
        _scale = Parameters[5];
        _sizes = new RowSizes { Window = Shape.Window, Columns = Shape.EmbeddingSize, TableStride = _embedding.Stride, TokenStride = _first.InputStride };
        _arrays =
        [
            _embedded = new(accelerator), _x = new(accelerator), _z = new(accelerator), _y = new(accelerator), _inverse = new(accelerator), _hidden = new(accelerator),
            _embeddedGradient = new(accelerator), _xGradient = new(accelerator), _yGradient = new(accelerator), _zGradient = new(accelerator),
        ];
    }

    public BodyShape Shape { get; }

    /// <summary>The parameters in the order of <see cref="Body.Parameters"/>.</summary>
    public IReadOnlyList<GpuParameter> Parameters { get; }

    /// <summary>The bytes on the device.</summary>
    public long Bytes => Parameters.Sum(parameter => parameter.Bytes) + _arrays.Sum(array => array.Bytes);

    /// <summary>Computes hidden states.</summary>
    /// <param name="rows">The embeddings of windows.</param>
    /// <returns>[tokens, hidden], until the next call.</returns>
    public ArrayView<float> Forward(WindowRows rows)
    {
        var tokens = (int)(rows.Rows.Length / Shape.Window);
        var embedded = _embedded.Take(tokens * _sizes.TokenStride);
        var (x, z, y, hidden) = (Vectors(_x, tokens), Vectors(_z, tokens), Vectors(_y, tokens), Vectors(_hidden, tokens));
        _kernels.Gather(_embedding.Values, rows.Rows, embedded, _sizes);
        _first.Forward(embedded, x);
        _kernels.Rectify(x);
        _second.Forward(x, z);
        _kernels.Normalize(x, z, _scale.Values, y, _inverse.Take(tokens), hidden);
        return hidden;
    }

    /// <summary>Adds to the gradients of all parameters, for the windows of the last <see cref="Forward"/>.</summary>
    /// <param name="rows">The embeddings of windows, as given to <see cref="Forward"/>, with their chains.</param>
    /// <param name="hiddenGradient">The gradient of the hidden states, [tokens, hidden].</param>
    public void Backward(WindowRows rows, ArrayView<float> hiddenGradient)
    {
        var tokens = (int)(rows.Rows.Length / Shape.Window);
        var embedded = _embedded.Take(tokens * _sizes.TokenStride);
        var embeddedGradient = _embeddedGradient.Take(tokens * _sizes.TokenStride);
        var (x, z, y, inverse) = (Vectors(_x, tokens), Vectors(_z, tokens), Vectors(_y, tokens), _inverse.Take(tokens));
        var (xGradient, yGradient, zGradient) = (Vectors(_xGradient, tokens), Vectors(_yGradient, tokens), Vectors(_zGradient, tokens));
        _kernels.AddScaleGradient(hiddenGradient, y, inverse, _scale.TouchGradient());
        _kernels.NormalizeBackward(hiddenGradient, _scale.Values, y, inverse, z, yGradient, zGradient);
        _second.AddWeightGradient(zGradient, x);
        _second.InputGradient(zGradient, xGradient);
        _kernels.RectifyBackward(x, yGradient, xGradient);
        _first.AddWeightGradient(xGradient, embedded);
        _first.InputGradient(xGradient, embeddedGradient);
        _kernels.Scatter(embeddedGradient, rows.Rows, rows.Firsts, rows.Next, _embedding.TouchGradientRows(rows.Rows), _sizes);
    }

    public void Dispose()
    {
        _first.Dispose();
        _second.Dispose();
        foreach (var parameter in Parameters) parameter.Dispose();
        foreach (var array in _arrays) array.Dispose();
    }

    private static GpuParameter Copy(Accelerator accelerator, Parameter source)
    {
        var copy = new GpuParameter(accelerator, source.Name, source.Rows, source.Columns, source.IsVector, source.GradientLayout);
        copy.CopyFrom(source);
        return copy;
    }

    private ArrayView<float> Vectors(DeviceArray<float> array, int tokens) => array.Take(tokens * Shape.HiddenSize);
}
