using Xunit.Runner.InProc.SystemConsole;

namespace AdaptiveSoftmax.Distributed.Tests;

/// <summary>The tests or, where a test starts it under mpirun, one rank of a job.</summary>
internal static class Program
{
    /// <summary>The first argument of a rank; the name of its program and that program's arguments follow.</summary>
    public const string RankArgument = "rank";

    private static int Main(string[] arguments)
    {
        if (arguments is not [RankArgument, var name, .. var rest]) return ConsoleRunner.Run(arguments).GetAwaiter().GetResult();
        MpiCollectives.Run(collectives => Programs.Run(name, collectives, rest, Console.WriteLine));
        return 0;
    }
}
