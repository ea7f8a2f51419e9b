using BenchmarkDotNet.Attributes;

namespace AdaptiveSoftmax.Benchmarks;

/// <summary>One pass over the corpus's tokens for each way to look them up.</summary>
public class LookupMicroBenchmarks
{
    private LookupContenders _contenders = null!;

    [GlobalSetup]
    public void Setup() => _contenders = new LookupContenders();

    [Benchmark(Baseline = true, Description = "perfect hash")]
    public long PerfectHash() => _contenders.PerfectHash();

    [Benchmark(Description = "FrozenDictionary, strings")]
    public long FrozenStrings() => _contenders.FrozenStrings();

    [Benchmark(Description = "FrozenDictionary, span of chars")]
    public long FrozenChars() => _contenders.FrozenChars();

    [Benchmark(Description = "FrozenDictionary, span of bytes")]
    public long FrozenBytes() => _contenders.FrozenBytes();
}
