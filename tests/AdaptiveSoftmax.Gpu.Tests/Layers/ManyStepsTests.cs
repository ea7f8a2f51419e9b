using AdaptiveSoftmax.Testing;
using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax.Gpu.Tests.Layers;

/// <summary>
/// Decoding on a device that goes on takes no more memory of the host, which is the device's too on a processor. Other tests
/// take memory of the same process, so it runs when they are done.
/// </summary>
[MoreAtNight]
[Collection(Alone.Name)]
public sealed class ManyStepsTests
{
    [Fact]
    public void Steps_TakeNoMoreMemoryAsTheyGoOn()
    {
        const int HiddenSize = 16;
        const int Rows = 64;
        using var layer = new DynamicGpuSoftmax(Backend.OpenCl, SoftmaxLayout.Create(HiddenSize, 2_000, [100, 500], [8, 4]), seed: 3);
        var random = new Random(4);
        float[] hidden = [.. Enumerable.Range(0, Rows * HiddenSize).Select(_ => (float)((8 * random.NextDouble()) - 4))];
        SteadyMemory.Of(Nightly.Count(1_000, 1_000_000), step => layer.Predict(hidden.AsSpan(step % Rows * HiddenSize, HiddenSize)));
    }
}

/// <summary>Tests that run with no other beside them.</summary>
[CollectionDefinition(Name, DisableParallelization = true)]
public sealed class Alone
{
    public const string Name = "alone";
}
