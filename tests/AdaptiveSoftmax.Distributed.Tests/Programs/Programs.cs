using System.Globalization;
using System.Runtime.CompilerServices;

namespace AdaptiveSoftmax.Distributed.Tests;

/// <summary>What the ranks of a job do, by name, on threads and processes alike.</summary>
internal static class Programs
{
    /// <summary>Runs a program; what it prints is to be the same however the ranks run.</summary>
    public static void Run(string name, Collectives collectives, string[] arguments, Action<string> print)
    {
        Action<string> printFirst = collectives.Rank == 0 ? print : _ => { };
        switch (name)
        {
            case "sums":
                printFirst(SumProgram.Run(collectives));
                return;
            case "train":
                printFirst(TrainingProgram.Run(collectives, int.Parse(arguments[0], CultureInfo.InvariantCulture)));
                return;
            case "vocabulary":
                printFirst(VocabularyProgram.Run(collectives, int.Parse(arguments[0], CultureInfo.InvariantCulture)));
                return;
            case "killed":
                printFirst(KilledProgram.Run(collectives, arguments[0], isSlow: arguments.Length > 1));
                return;
            case "fail":
                if (collectives.Rank == 1) throw new InvalidOperationException("The disk of rank 1 is full.");
                collectives.Barrier();
                return;
            case "leave":
                if (collectives.Rank == 0) collectives.Barrier();
                return;
            case "exit":
                if (collectives.Rank == 1) Environment.Exit(0);
                collectives.Barrier();
                return;
            case "null":
                collectives.Barrier();
                printFirst(CatchNull());
                return;
            case "differ":
                using (var softmax = TrainingProgram.CreateSoftmax(seed: (ulong)collectives.Rank + 1, vocabulary: arguments is ["weights"] ? 60 : 60 + collectives.Rank))
                using (new DataParallel(collectives, softmax, null, shards: 12))
                    return;
            default:
                throw new ArgumentException($"There is no program '{name}'.", nameof(name));
        }
    }

    private static string CatchNull()
    {
        try
        {
            return LengthOf(null!);
        }
        catch (NullReferenceException)
        {
            return "caught";
        }
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static string LengthOf(string text) => text.Length.ToString(CultureInfo.InvariantCulture);
}
