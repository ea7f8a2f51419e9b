namespace AdaptiveSoftmax.Gpu.Tests.Generated;

/// <summary>A backward pass on tensor cores against one with portable kernels.</summary>
internal static class TensorCoreChecks
{
    /// <summary>Checks the loss and every gradient, of layers with the same weights.</summary>
    public static void AssertAgree(GpuAdaptiveSoftmax portable, GpuAdaptiveSoftmax layer, float[] hidden, int[] targets)
    {
        float[] expected = new float[hidden.Length], actual = new float[hidden.Length];
        var loss = portable.Backward(hidden, targets, expected);
        Assert.Equal(loss, layer.Backward(hidden, targets, actual), 5e-3f * loss);
        Assert.True(loss > 0 && expected.Max() > 0, "The portable kernels have computed nothing.");
        AssertNear("hidden", expected, actual);
        for (var i = 0; i < portable.Parameters.Count; i++)
            AssertNear(portable.Parameters[i].Name, Gradient(portable.Parameters[i]), Gradient(layer.Parameters[i]));
    }

    private static float[] Gradient(GpuParameter parameter)
    {
        var values = new float[parameter.Rows * parameter.Columns];
        parameter.CopyGradientTo(values);
        return values;
    }

    // bfloat16 keeps eight bits.
    private static void AssertNear(string name, float[] expected, float[] actual)
    {
        var scale = expected.Max(Math.Abs);
        for (var i = 0; i < expected.Length; i++)
        {
            if (!(Math.Abs(expected[i] - actual[i]) <= 0.03f * scale)) Assert.Fail($"{name}[{i}]: {expected[i]} and {actual[i]}; the largest is {scale}.");
        }
    }
}
