using System.CommandLine;
using AdaptiveSoftmax;
using AdaptiveSoftmax.Benchmarks;

InvariantCommandLine.UseInvariantCulture();

var root = new RootCommand("Measures AdaptiveSoftmax against its peers.")
{
    CompareCommand.Create(),
    AccuracyCommand.Create(),
    MicroCommand.Create(),
    GenerateColdComparison.CreateOnceCommand(),
    LoadComparison.CreateHoldCommand(),
    ScaleComparison.CreateRankCommand(),
};
return await InvariantCommandLine.RunAsync(root, args);
