using System.Globalization;
using System.Runtime.CompilerServices;
using System.Text;

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
            case "gathered":
                printFirst(VocabularyProgram.Run(collectives, int.Parse(arguments[0], CultureInfo.InvariantCulture), isGathered: true));
                return;
            case "decoded":
                printFirst(DecodingProgram.Run(collectives));
                return;
            case "failing":
                var (message, digest) = FailingProgram.Run(collectives, int.Parse(arguments[0], CultureInfo.InvariantCulture));
                printFirst($"{message} {digest}");
                return;
            case "killed":
                printFirst(KilledProgram.Run(collectives, arguments[0], int.Parse(arguments[1], CultureInfo.InvariantCulture), isSlow: arguments.Length > 2));
                return;
            case "hosts":
                printFirst(HostNames(collectives));
                Run(arguments[0], collectives, arguments[1..], print);
                CheckNetwork(collectives);
                return;
            case "messages":
                collectives.UseMessages();
                Run(arguments[0], collectives, arguments[1..], print);
                return;
            case "shared":
                printFirst(collectives.Shared is null ? "messages" : "windows");
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
            case "interrupted":
                if (collectives.Rank == 0) WriteForEver(arguments[0]);
                Thread.Sleep(Timeout.Infinite);
                return;
            case "null":
                collectives.Barrier();
                printFirst(CatchNull());
                return;
            case "agree":
                using (var softmax = TrainingProgram.CreateSoftmax(seed: 1))
                using (new DataParallel(collectives, softmax, null, shards: 12))
                    return;
            case "differ":
                using (var softmax = TrainingProgram.CreateSoftmax(seed: (ulong)collectives.Rank + 1, vocabulary: arguments is ["weights"] ? 60 : 60 + collectives.Rank))
                using (new DataParallel(collectives, softmax, null, shards: 12))
                    return;
            default:
                throw new ArgumentException($"There is no program '{name}'.", nameof(name));
        }
    }

    private static string HostNames(Collectives collectives)
    {
        var names = collectives.AllGatherUneven<byte>(Encoding.UTF8.GetBytes(Environment.MachineName + " "), out _);
        return Encoding.UTF8.GetString(names).TrimEnd();
    }

    // What the ranks have sent each other came through the network, and not past it.
    private static void CheckNetwork(Collectives collectives)
    {
        var line = File.ReadLines("/proc/net/dev").Single(line => line.TrimStart().StartsWith("eth0:", StringComparison.Ordinal));
        var received = long.Parse(line.Split(':')[1].Split(' ', StringSplitOptions.RemoveEmptyEntries)[0], CultureInfo.InvariantCulture);
        if (received < collectives.BytesReceived)
            throw new InvalidOperationException($"Rank {collectives.Rank} has received {collectives.BytesReceived} bytes, of which the network has seen {received}.");
    }

    private static void WriteForEver(string folder)
    {
        File.WriteAllText(Path.Combine(folder, "pid"), Environment.ProcessId.ToString(CultureInfo.InvariantCulture));
        Vocabulary.AtomicFile.Write(Path.Combine(folder, "run"), stream =>
        {
            stream.WriteByte(1);
            Thread.Sleep(Timeout.Infinite);
        });
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
