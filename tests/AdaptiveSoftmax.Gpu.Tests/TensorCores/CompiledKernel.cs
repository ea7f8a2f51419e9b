using System.Collections.Concurrent;
using System.Reflection;
using System.Runtime.Loader;
using AdaptiveSoftmax.Generators;
using AdaptiveSoftmax.Gpu.Tests.Emulation;
using AdaptiveSoftmax.Gpu.Tests.Ptx;
using Basic.Reference.Assemblies;
using ILGPU.Runtime.Cuda;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;

namespace AdaptiveSoftmax.Gpu.Tests.TensorCores;

/// <summary>A tensor-core kernel all the way from its description to PTX; no device is needed.</summary>
/// <param name="Kernel">The description.</param>
/// <param name="Source">The C# method.</param>
/// <param name="Method">The method, compiled.</param>
/// <param name="Program">What ILGPU makes of it, read by the emulator.</param>
internal sealed record CompiledKernel(TensorCoreKernel Kernel, string Source, MethodInfo Method, PtxProgram Program)
{
    private static readonly ConcurrentDictionary<TensorCoreKernel, Lazy<CompiledKernel>> s_kernels = new();

    /// <summary>Compiles a kernel, or takes it from an earlier test.</summary>
    public static CompiledKernel Get(TensorCoreKernel kernel) => s_kernels.GetOrAdd(kernel, key => new(() => Create(key))).Value;

    /// <summary>Compiles a kernel.</summary>
    /// <param name="kernel">The description.</param>
    /// <param name="edit">Changes the method, for tests that must fail.</param>
    public static CompiledKernel Create(TensorCoreKernel kernel, Func<string, string>? edit = null)
    {
        var source = Write(kernel);
        if (edit is not null)
        {
            var edited = edit(source);
            Assert.NotEqual(source, edited);
            source = edited;
        }

        var method = Load(source, kernel.Name);
        return new(kernel, source, method, PtxParser.Parse(PtxCompiler.Compile(method, kernel.Threads, CudaArchitecture.SM_80)));
    }

    /// <summary>The C# of a kernel, in a class.</summary>
    public static string Write(TensorCoreKernel kernel)
    {
        var writer = new SourceWriter();
        writer.OpenBlock("public static class Kernels");
        TensorCoreKernelWriter.Write(writer, kernel);
        writer.CloseBlock();
        return writer.ToText().ToString();
    }

    /// <summary>Runs the kernel in the emulator with the group size and the shared memory of its description.</summary>
    /// <returns>The number of bank conflicts.</returns>
    public int Run(EmulatedMemory memory, int groups, params object[] arguments)
    {
        var launch = new EmulatedLaunch(memory, new(groups), new(Kernel.Threads), Kernel.SharedBytes) { CountsConflicts = true };
        launch.Run(Program, arguments);
        return launch.Conflicts;
    }

    private static MethodInfo Load(string source, string name)
    {
        var compilation = CSharpCompilation.Create(
            "TensorCoreKernels" + Guid.NewGuid().ToString("N"),
            [CSharpSyntaxTree.ParseText(source)],
            [.. Net100.References.All, MetadataReference.CreateFromFile(typeof(CudaAsm).Assembly.Location)],
            // ILGPU's references are of an older framework, which is no fault of the text.
            new CSharpCompilationOptions(OutputKind.DynamicallyLinkedLibrary, optimizationLevel: OptimizationLevel.Release)
                .WithSpecificDiagnosticOptions([new("CS1701", ReportDiagnostic.Suppress)]));
        using var image = new MemoryStream();
        var result = compilation.Emit(image);
        Assert.Empty(result.Diagnostics.Where(diagnostic => diagnostic.Severity >= DiagnosticSeverity.Warning));
        image.Position = 0;
        return AssemblyLoadContext.Default.LoadFromStream(image).GetType("Kernels", throwOnError: true)!.GetMethod(name)!;
    }
}
