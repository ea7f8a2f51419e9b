using System.CommandLine;
using System.Diagnostics;
using System.Globalization;

namespace AdaptiveSoftmax.Benchmarks;

/// <summary>
/// The generator over a whole vocabulary from nothing: as the first thing that a process does, when all of compiler and
/// generator is still to be compiled by the JIT compiler, and in a compiler that keeps running, as editors and build servers have.
/// </summary>
internal sealed class GenerateColdComparison : IComparison
{
    private const string Once = "generate-once";
    private const int Processes = 7;

    public string Name => "generate-cold";

    public string Description => "Generation over the 200,019 tokens of o200k_base as the first thing a process does, in milliseconds.";

    public double Run(ComparisonSession session)
    {
        var program = new GeneratorProgram();
        program.Generate();
        session.Note($"{program.GeneratedLength:N0} characters generated from spec and table on disk");
        var cold = new List<double>();
        for (var i = 0; i < Processes; i++)
        {
            session.Cancellation.ThrowIfCancellationRequested();
            cold.Add(RunProcess());
        }

        cold.Sort();
        var warm = session.Measure([new Contender("in a compiler that keeps running", program.Generate)]);
        var measurement = new Measurement($"first in each of {Processes} processes", cold);
        session.Print("generation", 1, [measurement, .. warm]);
        return measurement.Median;
    }

    /// <summary>The command that <see cref="Run"/> starts processes with.</summary>
    public static Command CreateOnceCommand()
    {
        var command = new Command(Once, "Generates once and prints the milliseconds.") { Hidden = true };
        command.SetAction(_ =>
        {
            var program = new GeneratorProgram();
            var clock = Stopwatch.StartNew();
            program.Generate();
            Console.WriteLine(clock.Elapsed.TotalMilliseconds.ToString(CultureInfo.InvariantCulture));
        });
        return command;
    }

    private static double RunProcess()
    {
        using var process = Process.Start(new ProcessStartInfo(Environment.ProcessPath!, [.. HostArguments(), Once]) { RedirectStandardOutput = true })!;
        var output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return process.ExitCode == 0
            ? double.Parse(output, CultureInfo.InvariantCulture)
            : throw new InvalidOperationException($"The process that generates once ended with {process.ExitCode}.");
    }

    // Under `dotnet exec` the process is the host, which wants to be told the assembly.
    private static string[] HostArguments() =>
        Path.GetFileNameWithoutExtension(Environment.ProcessPath) == "dotnet" ? [typeof(GenerateColdComparison).Assembly.Location] : [];
}
