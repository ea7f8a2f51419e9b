using LanguageModelSample;

namespace AdaptiveSoftmax.Samples.Tests;

public sealed class GradientTests
{
    [Fact]
    public void EveryGradientOfBodyAndSoftmax_IsTheSlopeOfTheLoss()
    {
        using var model = TinyModel.Create(seed: 3);
        // Embeddings start small, so their first effect on the loss would drown in rounding.
        model.Body.Parameters[0].Edit(values =>
        {
            foreach (ref var value in values) value *= 20;
        });
        var batch = new Batch(size: 20, model.Window);
        var text = TinyModel.CreateText(200);
        batch.Fill(text, TextData.SpreadPositions(text, 20), TinyModel.EndOfText);

        var loss = model.Backward(batch);
        Assert.Equal(model.Loss(batch), loss, 1e-5f);
        foreach (var parameter in model.Parameters)
        {
            var gradient = ReadGradient(parameter);
            Assert.Contains(gradient, value => MathF.Abs(value) > 1e-4f);
            for (var i = 0; i < gradient.Length; i++)
            {
                var slope = Slope(model, batch, parameter, i, step: 1f / 256);
                if (Math.Abs(slope - gradient[i]) < 2e-4) continue;

                // The kink of a ReLU may lie within the step; a smaller one is surer to miss it, but feels the rounding more.
                slope = Slope(model, batch, parameter, i, step: 1f / 4096);
                Assert.True(Math.Abs(slope - gradient[i]) < 1e-3, $"{parameter.Name}[{i}]: gradient {gradient[i]}, slope {slope}");
            }
        }
    }

    [Fact]
    public void FrozenParameters_TakeNoGradient_AndAllOthersKeepTheirs()
    {
        using var whole = TinyModel.Create(seed: 3);
        var batch = new Batch(size: 20, whole.Window);
        var text = TinyModel.CreateText(200);
        batch.Fill(text, TextData.SpreadPositions(text, 20), TinyModel.EndOfText);
        whole.Backward(batch);
        for (var frozen = 0; frozen < whole.Parameters.Count; frozen++)
        {
            using var model = TinyModel.Create(seed: 3);
            model.Parameters[frozen].RequiresGradient = false;
            model.Backward(batch);
            for (var i = 0; i < model.Parameters.Count; i++)
            {
                Assert.Equal(i != frozen, model.Parameters[i].HasGradient);
                if (i != frozen) Assert.Equal(whole.Parameters[i].Gradient, model.Parameters[i].Gradient);
            }
        }
    }

    internal static float[] ReadGradient(Parameter parameter)
    {
        var gradient = new float[parameter.Count];
        parameter.Gradient.CopyTo(gradient);
        return gradient;
    }

    private static double Slope(Model model, Batch batch, Parameter parameter, int index, float step)
    {
        var original = parameter.Values[index];
        parameter.Edit(values => values[index] = original + step);
        var above = (double)model.Loss(batch);
        parameter.Edit(values => values[index] = original - step);
        var below = (double)model.Loss(batch);
        parameter.Edit(values => values[index] = original);
        return (above - below) / (2 * step);
    }
}
