using AdaptiveSoftmax;

namespace LanguageModelSample;

/// <summary>Scales each token's vector to a root mean square of 1, then each of its components by a learned factor.</summary>
internal sealed class RmsNorm : IDisposable
{
    private const float Epsilon = 1e-5f;

    private readonly Parameter _scale;

    public RmsNorm(string name, int size)
    {
        _scale = Parameter.CreateVector($"{name}.weight", size);
        _scale.Edit(values => values.Fill(1));
    }

    /// <summary>The factors, [size].</summary>
    public IReadOnlyList<Parameter> Parameters => [_scale];

    public void Forward(ReadOnlySpan<float> input, Span<float> output)
    {
        var scale = _scale.Values;
        for (var start = 0; start < input.Length; start += scale.Length)
        {
            var x = input.Slice(start, scale.Length);
            var y = output.Slice(start, scale.Length);
            var inverse = InverseRootMeanSquare(x);
            for (var i = 0; i < x.Length; i++) y[i] = x[i] * inverse * scale[i];
        }
    }

    /// <summary>Sets the gradient of the input and adds to that of the factors, if they learn.</summary>
    public void Backward(ReadOnlySpan<float> input, ReadOnlySpan<float> outputGradient, Span<float> inputGradient)
    {
        var scale = _scale.Values;
        var scaleGradient = _scale.RequiresGradient ? _scale.TouchGradient() : [];
        for (var start = 0; start < input.Length; start += scale.Length)
        {
            var x = input.Slice(start, scale.Length);
            var dy = outputGradient.Slice(start, scale.Length);
            var dx = inputGradient.Slice(start, scale.Length);
            var inverse = InverseRootMeanSquare(x);
            var product = 0f;
            for (var i = 0; i < x.Length; i++)
            {
                if (!scaleGradient.IsEmpty) scaleGradient[i] += dy[i] * x[i] * inverse;
                product += dy[i] * scale[i] * x[i];
            }

            // The part of the gradient along x itself cannot change the output, whose length is fixed.
            var along = product * inverse * inverse / x.Length;
            for (var i = 0; i < x.Length; i++) dx[i] = inverse * ((dy[i] * scale[i]) - (along * x[i]));
        }
    }

    public void Dispose() => _scale.Dispose();

    private static float InverseRootMeanSquare(ReadOnlySpan<float> x)
    {
        var squares = 0f;
        foreach (var value in x) squares += value * value;
        return 1 / MathF.Sqrt((squares / x.Length) + Epsilon);
    }
}
