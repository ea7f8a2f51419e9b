using System.CommandLine;
using BenchmarkDotNet.Configs;
using BenchmarkDotNet.Diagnosers;
using BenchmarkDotNet.Jobs;
using BenchmarkDotNet.Running;
using BenchmarkDotNet.Toolchains.InProcess.Emit;

namespace AdaptiveSoftmax.Benchmarks;

/// <summary><c>micro</c>: the micro parts under BenchmarkDotNet.</summary>
internal static class MicroCommand
{
    public static Command Create()
    {
        var filter = new Argument<string[]>("FILTER")
        {
            Description = "Which benchmarks, as patterns over their full names, for example *Lookup*; all if omitted.",
            Arity = ArgumentArity.ZeroOrMore,
        };
        var command = new Command("micro", "Runs the micro benchmarks under BenchmarkDotNet.") { filter };
        command.SetAction(result => Run(result.GetValue(filter) is { Length: > 0 } patterns ? patterns : ["*"]));
        return command;
    }

    private static int Run(string[] patterns)
    {
        // In this process: a project that BenchmarkDotNet generates would inherit this repository's build rules.
        var config = DefaultConfig.Instance
            .AddJob(Job.Default.WithToolchain(InProcessEmitToolchain.Instance).WithWarmupCount(6).WithIterationCount(10))
            .AddDiagnoser(MemoryDiagnoser.Default);
        var summaries = BenchmarkSwitcher.FromAssembly(typeof(MicroCommand).Assembly).Run(["--filter", .. patterns], config);
        return summaries.Any() && summaries.All(summary => !summary.HasCriticalValidationErrors) ? 0 : 1;
    }
}
