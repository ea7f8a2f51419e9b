using System.Collections.Immutable;
using System.Reflection;
using System.Runtime.Loader;
using Basic.Reference.Assemblies;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.Diagnostics;

namespace AdaptiveSoftmax.Generators.Tests;

/// <summary>Runs the generator over a program, as strict about warnings as a compiler can be.</summary>
internal sealed class GeneratorRun
{
    private static readonly CSharpParseOptions s_parseOptions = new(LanguageVersion.CSharp14, DocumentationMode.Diagnose);

    private static readonly CSharpCompilationOptions s_options = new(
        OutputKind.DynamicallyLinkedLibrary,
        generalDiagnosticOption: ReportDiagnostic.Error,
        warningLevel: 9999,
        nullableContextOptions: NullableContextOptions.Enable);

    private static readonly ImmutableArray<MetadataReference> s_references =
    [
        .. Net100.References.All,
        MetadataReference.CreateFromFile(typeof(AdaptiveSoftmaxLayer).Assembly.Location),
        MetadataReference.CreateFromFile(typeof(Vocabulary.TokenSlot).Assembly.Location),
    ];

    public GeneratorRun(string source, params AdditionalText[] files)
        : this(CreateCompilation(source), CreateDriver(files), [.. files])
    {
    }

    private GeneratorRun(CSharpCompilation input, GeneratorDriver driver, ImmutableArray<AdditionalText> files)
    {
        Input = input;
        Files = files;
        Driver = driver.RunGeneratorsAndUpdateCompilation(input, out var output, out _);
        Output = (CSharpCompilation)output;
    }

    /// <summary>The program without what was generated.</summary>
    public CSharpCompilation Input { get; }

    /// <summary>The program with what was generated.</summary>
    public CSharpCompilation Output { get; }

    public ImmutableArray<AdditionalText> Files { get; }

    public GeneratorDriver Driver { get; }

    public GeneratorRunResult Result => Driver.GetRunResult().Results.Single();

    /// <summary>What was generated, by the name of its file.</summary>
    public IReadOnlyDictionary<string, string> Sources => Result.GeneratedSources.ToDictionary(source => source.HintName, source => source.SourceText.ToString());

    /// <summary>What generator and analyzers report.</summary>
    public ImmutableArray<Diagnostic> Reported =>
    [
        .. Result.Diagnostics,
        .. Output.WithAnalyzers([new AdaptiveSoftmaxAnalyzer()], new AnalyzerOptions(Files)).GetAnalyzerDiagnosticsAsync().GetAwaiter().GetResult(),
    ];

    /// <summary>The program again with another source, by the same driver.</summary>
    public GeneratorRun WithSource(string source) => new(Input.ReplaceSyntaxTree(Input.SyntaxTrees[0], Parse(source)), Driver, Files);

    /// <summary>The program again with other files, by the same driver.</summary>
    public GeneratorRun WithFiles(params AdditionalText[] files) => new(Input, Driver.ReplaceAdditionalTexts([.. files]), [.. files]);

    /// <summary>Why each output of a step is what it is.</summary>
    public IReadOnlyList<IncrementalStepRunReason> ReasonsOf(string step) =>
        Result.TrackedSteps.TryGetValue(step, out var runs) ? [.. runs.SelectMany(run => run.Outputs).Select(output => output.Reason)] : [];

    /// <summary>The program's assembly, after a check that nothing was reported.</summary>
    public byte[] Emit()
    {
        Assert.Null(Result.Exception);
        Assert.Empty(Reported);
        using var stream = new MemoryStream();
        var result = Output.Emit(stream);
        Assert.Empty(result.Diagnostics);
        return stream.ToArray();
    }

    /// <summary>Compiles and loads the program and calls <c>Program.Run</c>, then unloads it.</summary>
    public string Execute()
    {
        var context = new CollectibleContext();
        try
        {
            var assembly = context.LoadFromStream(new MemoryStream(Emit()));
            var method = assembly.GetType("Program", throwOnError: true)!.GetMethod("Run", BindingFlags.Public | BindingFlags.Static)!;
            return (string)method.Invoke(null, BindingFlags.DoNotWrapExceptions, null, null, null)!;
        }
        finally
        {
            context.Unload();
        }
    }

    private static CSharpSyntaxTree Parse(string source) => (CSharpSyntaxTree)CSharpSyntaxTree.ParseText(source, s_parseOptions, "/project/Program.cs");

    private static CSharpCompilation CreateCompilation(string source) =>
        CSharpCompilation.Create("Generated", [Parse(source)], s_references, s_options);

    private static CSharpGeneratorDriver CreateDriver(IEnumerable<AdditionalText> files) => CSharpGeneratorDriver.Create(
        [new AdaptiveSoftmaxGenerator().AsSourceGenerator()],
        files,
        s_parseOptions,
        driverOptions: new GeneratorDriverOptions(IncrementalGeneratorOutputKind.None, trackIncrementalGeneratorSteps: true));

    private sealed class CollectibleContext() : AssemblyLoadContext("Generated", isCollectible: true);
}
