using AdaptiveSoftmax.GpuBench;

namespace AdaptiveSoftmax.Gpu.Tests.Benchmarks;

public sealed class ZipfTargetsTests
{
    [Fact]
    public void Targets_AreThoseOfTheScriptForPyTorch()
    {
        var targets = ZipfTargets.Create(8192, 262_144, (8192, 40_960));
        Assert.Equal([715, 41131, 843, 8366, 1136, 185, 89, 2, 1394, 2701, 0, 1, 0, 526, 8016, 155], targets[..16]);
        Assert.Equal(39_877_333, targets.Sum());
    }
}
