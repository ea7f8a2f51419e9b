using System.Runtime.CompilerServices;

namespace AdaptiveSoftmax.Tests.PyTorch;

/// <summary>The scripts of the GPU benchmark, which run on machines where nobody can mend them: here on the processor.</summary>
public sealed class BenchmarkScriptTests
{
    [Fact]
    public void Join_ComparesLikeWithLikeAndKnowsItsFloors() =>
        Assert.Contains("join.py: ok", Python.Run(Script("gpu", "join.py"), "--self-test"), StringComparison.Ordinal);

    [Fact]
    public void Bench_TrainsAndVisitsTailsInDecoding()
    {
        var output = Python.Run(Script("pytorch", "bench.py"), "--device", "cpu", "--quick", "--seconds", "0", "--only", "^(train|decode) adaptive float32 64 (64|512)$");
        Assert.Contains("3 rows", output, StringComparison.Ordinal);
        Assert.Contains(" 0 of them without a figure", output, StringComparison.Ordinal);

        // 51 and 26 of 512 vectors.
        Assert.Contains("tails visited by 10.0 % and 5.1 % of tokens", output, StringComparison.Ordinal);
    }

    private static string Script(string folder, string name, [CallerFilePath] string file = "") =>
        Path.GetFullPath(Path.Combine(Path.GetDirectoryName(file)!, "..", "..", "..", "benchmarks", folder, name));
}
