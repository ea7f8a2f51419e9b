using System.Runtime.InteropServices;
using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax.Distributed;

/// <summary>
/// Ranks that are processes, on one machine or many, started by <c>mpirun</c>, Slurm or anything else that starts MPI programs.
/// Works with Open MPI and with MPICH; the library is found when a program starts.
/// </summary>
public sealed unsafe partial class MpiCollectives : Collectives
{
    /// <summary>The environment variable that names the file of the MPI library, where the right one is not found.</summary>
    public const string LibraryVariable = "ADAPTIVE_SOFTMAX_MPI";

    // Calls come from any thread of this process, one at a time: MPI_THREAD_SERIALIZED.
    private const int NeededThreadLevel = 2;

    private static readonly string[] s_threadLevels = ["MPI_THREAD_SINGLE", "MPI_THREAD_FUNNELED", "MPI_THREAD_SERIALIZED", "MPI_THREAD_MULTIPLE"];
    private static readonly TimeSpan s_grace = TimeSpan.FromSeconds(0.5);

    private readonly MpiLibrary _library;

    private MpiCollectives(MpiLibrary library, int rank, int size)
        : base(rank, size) => _library = library;

    /// <summary>
    /// The number of processes that a launcher started this one among, as Open MPI's mpirun, MPICH's, Slurm's PMI and srun say it in
    /// the environment; 1 where none did. It can be asked before <see cref="Run"/>.
    /// </summary>
    public static int LaunchedRanks => MpiLauncher.Started?.Size ?? 1;

    /// <summary>The MPI library and its version, such as <c>Open MPI v5.0.7</c>.</summary>
    public string LibraryVersion => _library.Version;

    /// <summary>
    /// Runs the program of this process's rank, between MPI's start and its end. Where it throws, the whole job is ended by
    /// <c>MPI_Abort</c>, so that no other rank waits for this one; a process that was started alone throws as any program does.
    /// MPI starts once in a process, so this can be called once. A handler of SIGINT or SIGTERM (<c>Console.CancelKeyPress</c>) that lets the
    /// program go on is to be registered within the program, so that it is asked before files that were begun are deleted.
    /// </summary>
    /// <param name="program">The program.</param>
    /// <param name="library">The file of the MPI library; null for that of <see cref="LibraryVariable"/>, or else the launcher's.</param>
    /// <exception cref="MpiException">
    /// There is no MPI library, it is none that is known, it cannot be called from threads, it was started before, or it is not the
    /// one whose launcher started this process.
    /// </exception>
    public static void Run(Action<MpiCollectives> program, string? library = null)
    {
        ArgumentNullException.ThrowIfNull(program);
        var collectives = Start(library ?? (Environment.GetEnvironmentVariable(LibraryVariable) is { Length: > 0 } named ? named : null));
        AppDomain.CurrentDomain.ProcessExit += collectives.OnExit;
        using var interrupted = PosixSignalRegistration.Create(PosixSignal.SIGINT, collectives.OnSignal);
        using var terminated = PosixSignalRegistration.Create(PosixSignal.SIGTERM, collectives.OnSignal);
        try
        {
            program(collectives);
            collectives.End();
        }
        catch (Exception exception) when (collectives.Size > 1)
        {
            collectives.Abort(exception.ToString());
            Environment.Exit(1);
        }
        finally
        {
            AppDomain.CurrentDomain.ProcessExit -= collectives.OnExit;
        }

        collectives.Check(collectives._library.Finish(), "MPI_Finalize");
    }

    /// <inheritdoc/>
    private protected override void BroadcastBytes(byte* data, int count, int root) =>
        Check(_library.Broadcast(data, count, _library.Byte, root, _library.World), "MPI_Bcast");

    /// <inheritdoc/>
    private protected override void GatherBytes(byte* own, byte* all, int[] counts)
    {
        fixed (int* sizes = counts, starts = Starts(counts))
            Check(_library.AllGather(own, counts[Rank], _library.Byte, all, sizes, starts, _library.Byte, _library.World), "MPI_Allgatherv");
    }

    /// <inheritdoc/>
    private protected override void GatherFloats(float* all, int[] counts)
    {
        fixed (int* sizes = counts, starts = Starts(counts))
            Check(_library.AllGather(_library.InPlace, 0, _library.Float, all, sizes, starts, _library.Float, _library.World), "MPI_Allgatherv");
    }

    /// <inheritdoc/>
    private protected override void ExchangeFloats(float* send, long[] sendStarts, int[] sendCounts, float* receive, int[] receiveCounts)
    {
        int[] offsets = [.. sendStarts.Select(start => checked((int)(start - sendStarts[0])))];
        fixed (int* sendSizes = sendCounts, sendOffsets = offsets, receiveSizes = receiveCounts, receiveStarts = Starts(receiveCounts))
            Check(_library.AllToAll(send + sendStarts[0], sendSizes, sendOffsets, _library.Float, receive, receiveSizes, receiveStarts, _library.Float, _library.World), "MPI_Alltoallv");
    }

    /// <inheritdoc/>
    private protected override SharedMemory? FindShared() => MpiWindows.Create(_library, Rank, Size, AllHave);

    private bool AllHave(bool own)
    {
        var bits = new ulong[] { own ? 0UL : 1 };
        AllReduceBits(bits);
        return bits[0] == 0;
    }

    private static MpiCollectives Start(string? path)
    {
        KeepSignals();
        var library = MpiLibrary.Load(path);
        int isInitialized, level, rank, size;
        if (library.Initialized(&isInitialized) == 0 && isInitialized != 0)
            throw new MpiException($"MPI ({library.Version}) runs in this process already, or has run; it can be started once.");
        Check(library, library.InitThread(null, 0, NeededThreadLevel, &level), "MPI_Init_thread", "a rank that is not known yet");
        Check(library, library.SetErrorHandler(library.World, library.ErrorsReturn), "MPI_Comm_set_errhandler", "a rank that is not known yet");
        Check(library, library.Rank(library.World, &rank), "MPI_Comm_rank", "a rank that is not known yet");
        Check(library, library.Size(library.World, &size), "MPI_Comm_size", FormattableString.Invariant($"rank {rank}"));
        if (MpiLauncher.Contradicts(size) && MpiLauncher.Started is { } started)
            throw new MpiException(FormattableString.Invariant($"The launcher started {started.Size} processes ({started.Name}), and '{library.Path}' ({library.Version}) sees {size}: {MpiLauncher.Explain(library.Version)}"));
        if (level < NeededThreadLevel)
            throw new MpiException($"'{library.Path}' ({library.Version}) can only be called at {s_threadLevels[Math.Max(0, level)]}, and {s_threadLevels[NeededThreadLevel]} is needed; use one that was built with threads.");
        return new MpiCollectives(library, rank, size);
    }

    // UCX, which both libraries may use, would take the signals by which .NET sees null references, as soon as it is loaded. It
    // reads the environment of the C library, of which .NET has a copy.
    private static void KeepSignals()
    {
        if (!OperatingSystem.IsWindows()) _ = SetVariable("UCX_ERROR_SIGNALS", "", 0);
    }

    [LibraryImport("libc", EntryPoint = "setenv", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int SetVariable(string name, string value, int overwrites);

    private static int[] Starts(int[] counts)
    {
        var starts = new int[counts.Length];
        for (var rank = 1; rank < starts.Length; rank++) starts[rank] = checked(starts[rank - 1] + counts[rank - 1]);
        return starts;
    }

    private static void Check(MpiLibrary library, int error, string call, string who)
    {
        if (error != 0) throw new MpiException($"{call} failed on {who}: {library.Describe(error)} ({library.Version})");
    }

    private void Check(int error, string call) => Check(_library, error, call, FormattableString.Invariant($"rank {Rank} of {Size}"));

    // Launchers end ranks by signals, whoever was interrupted or has failed. A program of its own handler that goes on has been asked before.
    private void OnSignal(PosixSignalContext signal)
    {
        if (signal.Cancel) return;
        WrittenFile.DeleteUnfinished();

        // As soon as one rank has ended, launchers kill the others, which may not have come to their files.
        if (Size > 1) Thread.Sleep(s_grace);
    }

    private void OnExit(object? sender, EventArgs arguments)
    {
        WrittenFile.DeleteUnfinished();
        Abort("the process ends before the program of its rank has");
    }

    private void Abort(string reason)
    {
        Console.Out.Flush();
        Console.Error.WriteLine(FormattableString.Invariant($"Rank {Rank} of {Size} ends the job: {reason}"));
        Console.Error.Flush();
        // It reaches the user through the launcher, which on an abort drops what it has not read yet.
        Thread.Sleep(s_grace);
        AppDomain.CurrentDomain.ProcessExit -= OnExit;
        _ = _library.Abort(_library.World, 1);
        Environment.ExitCode = 1;
    }
}
