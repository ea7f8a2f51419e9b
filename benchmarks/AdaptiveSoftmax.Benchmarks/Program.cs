using System.CommandLine;
using AdaptiveSoftmax.Benchmarks;

var root = new RootCommand("Measures AdaptiveSoftmax against its peers.")
{
    CompareCommand.Create(),
    AccuracyCommand.Create(),
    MicroCommand.Create(),
    GenerateColdComparison.CreateOnceCommand(),
};
return root.Parse(args).Invoke();
