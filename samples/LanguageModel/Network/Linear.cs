using AdaptiveSoftmax;

namespace LanguageModelSample;

/// <summary>A linear layer: output [tokens, outputs] = input [tokens, inputs] · weightᵀ + bias.</summary>
internal sealed class Linear : IDisposable
{
    private readonly Parameter _weight;
    private readonly Parameter _bias;
    private readonly int _threads;

    public Linear(string name, int outputs, int inputs, Random random, int threads)
    {
        _weight = new Parameter($"{name}.weight", outputs, inputs);
        _bias = Parameter.CreateVector($"{name}.bias", outputs);
        _threads = threads;
        // Keeps the scale of what passes through: a variance of 1 / inputs a weight.
        var bound = MathF.Sqrt(3f / inputs);
        _weight.Edit(values =>
        {
            foreach (ref var value in values) value = bound * ((2 * random.NextSingle()) - 1);
        });
    }

    /// <summary>Weight [outputs, inputs] and bias [outputs].</summary>
    public IReadOnlyList<Parameter> Parameters => [_weight, _bias];

    public void Forward(ReadOnlySpan<float> input, Span<float> output)
    {
        MatrixKernels.Forward(input, _weight, output, _threads);
        var bias = _bias.Values;
        for (var start = 0; start < output.Length; start += bias.Length)
        {
            var row = output.Slice(start, bias.Length);
            for (var i = 0; i < row.Length; i++) row[i] += bias[i];
        }
    }

    /// <summary>Sets the gradient of the input and adds to those of weight and bias, as far as they learn.</summary>
    public void Backward(ReadOnlySpan<float> input, ReadOnlySpan<float> outputGradient, Span<float> inputGradient)
    {
        MatrixKernels.AddWeightGradient(outputGradient, input, _weight, _threads);
        MatrixKernels.InputGradient(outputGradient, _weight, inputGradient, _threads);
        if (!_bias.RequiresGradient) return;
        var bias = _bias.TouchGradient();
        for (var start = 0; start < outputGradient.Length; start += bias.Length)
        {
            var row = outputGradient.Slice(start, bias.Length);
            for (var i = 0; i < row.Length; i++) bias[i] += row[i];
        }
    }

    public void Dispose()
    {
        _weight.Dispose();
        _bias.Dispose();
    }
}
