using System.Runtime.InteropServices;
using System.Runtime.Versioning;
using Microsoft.Win32.SafeHandles;

namespace AdaptiveSoftmax;

/// <summary>
/// Linux's read lease on an open file: whoever opens the file to write, or cuts it, waits until its holder is told and gives
/// it back. The kernel gives it to the file's owner alone, on disks of this machine, and takes it away after
/// <c>/proc/sys/fs/lease-break-time</c> (45 s).
/// </summary>
internal sealed partial class FileLease : IDisposable
{
    // Linux's numbers.
    private const int SetSignal = 10;
    private const int SetLease = 1024;
    private const int GetLease = 1025;
    private const int Read = 0;
    private const int None = 2;
    private const int TryAgain = 11;

    // The signal that tells. Its default is to be ignored, so that none ends a process which does not listen yet.
    private const int Urgent = 23;

    private static readonly Lock s_gate = new();
    private static readonly List<FileLease> s_leases = [];
    private static PosixSignalRegistration? s_signals;

    private readonly SafeFileHandle _file;
    private readonly Action _end;

    private FileLease(SafeFileHandle file, Action end) => (_file, _end) = (file, end);

    /// <summary>Takes a lease.</summary>
    /// <param name="file">The file, open for reading.</param>
    /// <param name="end">Called when somebody waits for the lease to end: must dispose it soon. On a thread of the pool, maybe more than once.</param>
    /// <param name="isWritten">Whether there is none because a program has the file open for writing.</param>
    /// <returns>The lease, or null where the system gives none.</returns>
    public static FileLease? TryTake(SafeFileHandle file, Action end, out bool isWritten)
    {
        isWritten = false;
        if (!OperatingSystem.IsLinux()) return null;
        try
        {
            var lease = new FileLease(file, end);
            Listen(lease);
            if (Control(file, SetSignal, Urgent) == 0 && Control(file, SetLease, Read) == 0) return lease;
            isWritten = Marshal.GetLastPInvokeError() == TryAgain;
            lease.Forget();
        }
        catch (Exception exception) when (exception is DllNotFoundException or EntryPointNotFoundException)
        {
            // A system whose C library has another name gives none.
        }

        return null;
    }

    /// <summary>Gives the lease back: who waits goes on.</summary>
    public void Dispose()
    {
        Forget();
        if (!_file.IsClosed) _ = Control(_file, SetLease, None);
    }

    [UnsupportedOSPlatform("windows")]
    private static void Listen(FileLease lease)
    {
        lock (s_gate)
        {
            s_signals ??= PosixSignalRegistration.Create((PosixSignal)Urgent, static context =>
            {
                context.Cancel = true;
                EndBroken();
            });
            s_leases.Add(lease);
        }
    }

    // One signal may stand for several leases.
    private static void EndBroken()
    {
        FileLease[] leases;
        lock (s_gate) leases = [.. s_leases];
        foreach (var lease in leases)
        {
            if (!lease._file.IsClosed && Control(lease._file, GetLease, 0) != Read) lease._end();
        }
    }

    private void Forget()
    {
        lock (s_gate) s_leases.Remove(this);
    }

    [LibraryImport("libc", EntryPoint = "fcntl", SetLastError = true)]
    private static partial int Control(SafeFileHandle file, int command, nint argument);
}
