using System.Runtime.InteropServices;
using TorchSharp;

namespace AdaptiveSoftmax.TorchSharp;

/// <summary>Loads libtorch, and says in a sentence what is missing where that fails.</summary>
internal static class LibTorch
{
    private const string Library = "LibTorchSharp";
    private const string CppRuntime = "GLIBCXX_";

    private static readonly Lazy<string?> s_fault = new(Load);

    /// <summary>Makes sure that libtorch is loaded.</summary>
    /// <exception cref="DllNotFoundException">It cannot be loaded; the message has the remedy.</exception>
    public static void Require()
    {
        if (s_fault.Value is { } fault) throw new DllNotFoundException(fault);
    }

    /// <summary>What to do about a fault that the system's loader reports; null where that is not known.</summary>
    /// <param name="loaderMessage">The loader's message.</param>
    internal static string? Explain(string loaderMessage)
    {
        var start = loaderMessage.IndexOf(CppRuntime, StringComparison.Ordinal);
        if (start < 0) return null;
        var end = start;
        while (end < loaderMessage.Length && (char.IsAsciiLetterOrDigit(loaderMessage[end]) || loaderMessage[end] is '_' or '.')) end++;
        return $"TorchSharp needs a C++ runtime with {loaderMessage[start..end]}, which this system's libstdc++.so.6 is too old for: install the package libstdc++6 of GCC 13 or later (Debian 13 and Ubuntu 24.04 have it; on Debian 12 take it from Debian 13's archive).";
    }

    private static string? Load()
    {
        // The loader is asked first: TorchSharp would copy libtorch beside the program and then fail with its whole trace.
        if (OperatingSystem.IsLinux() && LoaderFault() is { } message && Explain(message) is { } remedy) return remedy;
        try
        {
            torch.InitializeDeviceType(DeviceType.CPU);
            return null;
        }
        catch (Exception exception) when (exception is TypeInitializationException or NotSupportedException or DllNotFoundException or BadImageFormatException)
        {
            return "TorchSharp finds no libtorch: reference the package TorchSharp-cpu, or TorchSharp-cuda-linux or TorchSharp-cuda-windows, in the version of TorchSharp in the program that runs.";
        }
    }

    private static string? LoaderFault()
    {
        if (NativeLibrary.TryLoad(Library, typeof(torch).Assembly, null, out _)) return null;
        var folders = (AppContext.GetData("NATIVE_DLL_SEARCH_DIRECTORIES") as string ?? "").Split(Path.PathSeparator, StringSplitOptions.RemoveEmptyEntries);
        var file = folders.Append(AppContext.BaseDirectory).Select(folder => Path.Combine(folder, $"lib{Library}.so")).FirstOrDefault(File.Exists);
        if (file is null) return null;
        try
        {
            NativeLibrary.Load(file);
            return null;
        }
        catch (DllNotFoundException exception)
        {
            return exception.Message;
        }
    }
}
