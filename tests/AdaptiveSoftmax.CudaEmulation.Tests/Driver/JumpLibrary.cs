using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;

namespace AdaptiveSoftmax.CudaEmulation.Tests.Driver;

/// <summary>A shared library that stands in for another: compiled of jumps, whose targets are functions of this process.</summary>
internal static unsafe class JumpLibrary
{
    /// <summary>Compiles and loads it; afterwards the system finds it by its name.</summary>
    /// <param name="name">The name, such as libcuda.so.1.</param>
    /// <param name="exports">Its functions.</param>
    /// <exception cref="InvalidOperationException">There is no compiler; the message has the remedy.</exception>
    public static nint Load(string name, IEnumerable<(string Name, nint Function)> exports)
    {
        (string Name, nint Function)[] functions = [.. exports];
        var library = NativeLibrary.Load(Compile(name, functions.Select(function => function.Name)));
        var targets = (nint*)((delegate* unmanaged<nint>)NativeLibrary.GetExport(library, "emulated_functions"))();
        for (var i = 0; i < functions.Length; i++) targets[i] = functions[i].Function;
        return library;
    }

    private static string Compile(string name, IEnumerable<string> functions)
    {
        var folder = Directory.CreateDirectory(Path.Combine(AppContext.BaseDirectory, "driver")).FullName;
        var own = Path.Combine(folder, string.Create(CultureInfo.InvariantCulture, $"{name}.{Environment.ProcessId}"));
        var target = Path.Combine(folder, name);
        File.WriteAllText(own + ".c", Source([.. functions]));
        var start = new ProcessStartInfo("cc", ["-shared", "-fPIC", "-O1", "-Wl,-Bsymbolic", $"-Wl,-soname,{name}", "-o", own + ".so", own + ".c"]) { RedirectStandardError = true };
        try
        {
            using var compiler = Process.Start(start)!;
            var errors = compiler.StandardError.ReadToEnd();
            compiler.WaitForExit();
            if (compiler.ExitCode != 0) throw new InvalidOperationException($"The compiler refused the library {name}: {errors}");
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
