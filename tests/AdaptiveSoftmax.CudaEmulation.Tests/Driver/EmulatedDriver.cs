using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;
using ILGPU.Runtime.Cuda;

namespace AdaptiveSoftmax.CudaEmulation.Tests.Driver;

/// <summary>
/// Makes the emulated driver this process's <c>libcuda.so.1</c>. A small library of jumps is compiled for that, whose
/// targets are the functions of <see cref="CudaExports"/>.
/// </summary>
internal static unsafe class EmulatedDriver
{
    private const string SharedName = "libcuda.so.1";

    private static readonly Lazy<nint> s_library = new(Open);

    /// <summary>Loads it, once, before anybody asks for CUDA.</summary>
    /// <exception cref="InvalidOperationException">There is no compiler; the message has the remedy.</exception>
    public static void Load()
    {
        if (!OperatingSystem.IsLinux() || RuntimeInformation.ProcessArchitecture != Architecture.X64)
            throw new PlatformNotSupportedException("CUDA is emulated on Linux on x86-64 alone.");
        _ = s_library.Value;
    }

    private static nint Open()
    {
        (string Name, nint Function)[] functions = [.. CudaExports.Functions];
        var library = NativeLibrary.Load(Compile(functions.Select(function => function.Name)));
        var targets = (nint*)((delegate* unmanaged<nint>)NativeLibrary.GetExport(library, "emulated_functions"))();
        for (var i = 0; i < functions.Length; i++) targets[i] = functions[i].Function;
        // The library that was loaded under a name is found by that name: that serves this project's own functions.
        NativeLibrary.SetDllImportResolver(typeof(CudaAPI).Assembly, (name, _, _) => name == "cuda" ? library : 0);
        return library;
    }

    private static string Compile(IEnumerable<string> names)
    {
        var folder = Directory.CreateDirectory(Path.Combine(AppContext.BaseDirectory, "driver")).FullName;
        var own = Path.Combine(folder, Environment.ProcessId.ToString(CultureInfo.InvariantCulture));
        var target = Path.Combine(folder, SharedName);
        File.WriteAllText(own + ".c", Source([.. names]));
        var start = new ProcessStartInfo("cc", ["-shared", "-fPIC", "-O1", $"-Wl,-soname,{SharedName}", "-o", own + ".so", own + ".c"]) { RedirectStandardError = true };
        try
        {
            using var compiler = Process.Start(start)!;
            var errors = compiler.StandardError.ReadToEnd();
            compiler.WaitForExit();
            if (compiler.ExitCode != 0) throw new InvalidOperationException($"The compiler refused the driver's library: {errors}");
        }
        catch (System.ComponentModel.Win32Exception exception)
        {
            throw new InvalidOperationException("There is no compiler named cc; run `bash eng/compiler.sh`, or install one.", exception);
        }

        File.Move(own + ".so", target, overwrite: true);
        File.Delete(own + ".c");
        return target;
    }

    // Functions without a frame, so that arguments of any number arrive as they came.
    private static string Source(string[] names)
    {
        var text = new StringBuilder();
        text.Append(CultureInfo.InvariantCulture, $"__attribute__((visibility(\"hidden\"))) void *targets[{names.Length}];\n");
        text.Append("void **emulated_functions(void) { return targets; }\n");
        for (var i = 0; i < names.Length; i++)
            text.Append(CultureInfo.InvariantCulture, $"__attribute__((naked)) void {names[i]}(void) {{ __asm__(\"jmp *targets+{8 * i}(%rip)\"); }}\n");
        return text.ToString();
    }
}
