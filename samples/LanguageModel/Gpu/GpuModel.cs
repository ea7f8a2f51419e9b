using AdaptiveSoftmax.Gpu;
using AdaptiveSoftmax.Vocabulary;
using ILGPU;
using ILGPU.Runtime;

namespace LanguageModelSample;

/// <summary>
/// <see cref="Model"/> on a device: body and softmax hand hidden states to each other in its memory. Tokens go there, and
/// only losses and predictions come back.
/// </summary>
internal sealed class GpuModel : LanguageModel
{
    private readonly WindowRows _rows;
    private readonly DeviceArray<int> _targets, _predicted;
    private readonly DeviceArray<float> _hiddenGradient;
    private readonly int[] _prediction = new int[1];

    /// <param name="body">The body.</param>
    /// <param name="softmax">The softmax, adaptive or full, on the same accelerator.</param>
    /// <param name="embeddingRows">The row of the body's embedding for each token id, [vocabulary].</param>
    /// <param name="endOfText">The token that ends a document and fills the window before the first one.</param>
    public GpuModel(GpuBody body, GpuAdaptiveSoftmax softmax, int[] embeddingRows, int endOfText)
        : base(body.Shape.Window, endOfText)
    {
        (Body, Softmax) = (body, softmax);
        Parameters = [.. body.Parameters, .. softmax.Parameters];
        _rows = new WindowRows(Accelerator, embeddingRows, body.Shape.EmbeddingRows);
        (_targets, _predicted, _hiddenGradient) = (new(Accelerator), new(Accelerator), new(Accelerator));
    }

    public Accelerator Accelerator => Softmax.Accelerator;

    public GpuBody Body { get; }

    public GpuAdaptiveSoftmax Softmax { get; }

    public IReadOnlyList<GpuParameter> Parameters { get; }

    public override SoftmaxLayout Layout => Softmax.Layout;

    /// <summary>The bytes on the device.</summary>
    public long Bytes => Body.Bytes + Softmax.ParameterBytes + Softmax.WorkingBytes + _rows.Bytes + _targets.Bytes + _predicted.Bytes + _hiddenGradient.Bytes;

    /// <summary>Computes the loss of a batch and adds its gradients to those of all parameters. Does not wait for them.</summary>
    public GpuLoss Backward(Batch batch)
    {
        _rows.Set(batch.Windows, wantsChains: true);
        var hidden = Body.Forward(_rows);
        var hiddenGradient = _hiddenGradient.Take((int)hidden.Length);
        var loss = Softmax.Backward(hidden, _targets.Upload(batch.Targets), hiddenGradient);
        Body.Backward(_rows, hiddenGradient);
        return loss;
    }

    public override float Loss(Batch batch) => Softmax.Loss(Forward(batch.Windows), _targets.Upload(batch.Targets)).Read();

    public override int Predict(ReadOnlySpan<int> window) => PredictFrom(Forward(window));

    public override Func<int, int> PreparePredictions(ReadOnlySpan<int> windows)
    {
        var hidden = Forward(windows);
        var size = Body.Shape.HiddenSize;
        Accelerator.Synchronize();
        return index => PredictFrom(hidden.SubView(index * size, size));
    }

    public override void CopyHidden(ReadOnlySpan<int> windows, Span<float> hidden) => Forward(windows).CopyToCPU(Accelerator.DefaultStream, hidden);

    public override ITraining CreateTraining() => new GpuTraining(this);

    /// <summary>The hidden states after windows of tokens, [windows, hidden], on the device. They hold until the next call.</summary>
    public ArrayView<float> Forward(ReadOnlySpan<int> windows)
    {
        _rows.Set(windows, wantsChains: false);
        return Body.Forward(_rows);
    }

    public override void Dispose()
    {
        _rows.Dispose();
        _targets.Dispose();
        _predicted.Dispose();
        _hiddenGradient.Dispose();
        Body.Dispose();
        Softmax.Dispose();
    }

    private int PredictFrom(ArrayView<float> hidden)
    {
        var predicted = _predicted.Take(1);
        Softmax.Predict(hidden, predicted);
        predicted.CopyToCPU(Accelerator.DefaultStream, _prediction);
        return _prediction[0];
    }
}
