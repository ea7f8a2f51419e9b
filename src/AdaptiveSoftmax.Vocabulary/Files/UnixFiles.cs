using System.Runtime.InteropServices;
using System.Runtime.Versioning;
using Microsoft.Win32.SafeHandles;

namespace AdaptiveSoftmax.Vocabulary;

/// <summary>What Unix says of a file: the mode with kind and permissions, whose it is, and its number on its disk.</summary>
internal readonly record struct UnixStatus(int Mode, uint User, uint Group, long Disk, long Number)
{
    private const int KindMask = 0xF000;
    private const int PermissionMask = 0xFFF;

    public UnixFileKind Kind => (UnixFileKind)(Mode & KindMask);

    public UnixFileMode Permissions => (UnixFileMode)(Mode & PermissionMask);

    public bool HasWritePermission => (Permissions & (UnixFileMode.UserWrite | UnixFileMode.GroupWrite | UnixFileMode.OtherWrite)) != 0;
}

/// <summary>Kinds of files, by their numbers in a mode.</summary>
internal enum UnixFileKind
{
    Pipe = 0x1000,
    CharacterDevice = 0x2000,
    Folder = 0x4000,
    BlockDevice = 0x6000,
    Regular = 0x8000,
    Socket = 0xC000,
}

/// <summary>
/// The calls that .NET has no form of. They go through .NET's own native library, whose forms of them are the same on
/// every Unix, and to libc where arguments are plain numbers.
/// </summary>
internal static unsafe partial class UnixFiles
{
    private const string Native = "libSystem.Native";
    private const int WriteAccess = 2;
    private const int CloseOnExecute = 0x10;
    private const int InputOutputError = 5;

    // The library's struct has flags, mode, user and group of 4 bytes, then 8 bytes each: size, four times, disk, device, number.
    private const int StatusLength = 256;
    private const int DiskOffset = 88;
    private const int NumberOffset = 104;

    /// <summary>Whether the system has these calls.</summary>
    public static bool IsSupported { get; } =
        OperatingSystem.IsLinux() || OperatingSystem.IsMacOS() || OperatingSystem.IsFreeBSD() || OperatingSystem.IsAndroid() || OperatingSystem.IsIOS();

    /// <summary>The status of what stands at the end of all links, or null where nothing does.</summary>
    public static UnixStatus? FindStatus(string path)
    {
        var status = stackalloc int[StatusLength / sizeof(int)];
        if (Stat(path, status) != 0) return null;
        return new UnixStatus(status[1], (uint)status[2], (uint)status[3], *(long*)((byte*)status + DiskOffset), *(long*)((byte*)status + NumberOffset));
    }

    /// <summary>Whether the process may write to a file.</summary>
    public static bool MayWrite(string path) => Access(path, WriteAccess) == 0;

    /// <summary>The path without links, or null where nothing stands there.</summary>
    public static string? FindRealPath(string path)
    {
        var real = RealPath(path);
        try
        {
            return Marshal.PtrToStringUTF8((nint)real);
        }
        finally
        {
            NativeMemory.Free(real);
        }
    }

    /// <summary>Gives a file the owner, the group and the permissions of another, as far as the process may.</summary>
    [UnsupportedOSPlatform("windows")]
    public static void CopyOwnership(SafeFileHandle file, UnixStatus status)
    {
        // The owner first, since a new one takes special permissions away. They belong to the old owner alone.
        var permissions = status.Permissions;
        if (SetOwner(file, status.User, status.Group) != 0)
        {
            permissions &= ~(UnixFileMode.SetUser | UnixFileMode.SetGroup);

            // Most may not give files away, but may choose among their groups.
            _ = SetOwner(file, uint.MaxValue, status.Group);
        }

        File.SetUnixFileMode(file, permissions);
    }

    /// <summary>Flushes the names in a folder to the disk, where the file system can.</summary>
    /// <exception cref="IOException">The disk failed.</exception>
    public static void FlushFolder(string path)
    {
        var folder = Open(path, CloseOnExecute, 0);
        if (folder < 0) return;
        var failed = Flush(folder) != 0 && Marshal.GetLastPInvokeError() == InputOutputError;
        _ = Close(folder);
        if (failed) throw new IOException($"The disk failed while it wrote the folder '{Excerpt.Line(path)}'; the new file may be lost when the machine stops.");
    }

    [LibraryImport(Native, EntryPoint = "SystemNative_Stat", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Stat(string path, int* status);

    [LibraryImport(Native, EntryPoint = "SystemNative_Access", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Access(string path, int mode);

    [LibraryImport(Native, EntryPoint = "SystemNative_RealPath", StringMarshalling = StringMarshalling.Utf8)]
    private static partial byte* RealPath(string path);

    [LibraryImport(Native, EntryPoint = "SystemNative_Open", StringMarshalling = StringMarshalling.Utf8)]
    private static partial nint Open(string path, int flags, int mode);

    [LibraryImport(Native, EntryPoint = "SystemNative_FSync", SetLastError = true)]
    private static partial int Flush(nint file);

    [LibraryImport(Native, EntryPoint = "SystemNative_Close")]
    private static partial int Close(nint file);

    [LibraryImport("libc", EntryPoint = "fchown")]
    private static partial int SetOwner(SafeFileHandle file, uint user, uint group);
}
