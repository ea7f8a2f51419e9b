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
    public static readonly CSharpParseOptions ParseOptions = new(LanguageVersion.CSharp14, DocumentationMode.Diagnose);

    public static readonly CSharpCompilationOptions Options = new(
        OutputKind.DynamicallyLinkedLibrary,
        generalDiagnosticOption: ReportDiagnostic.Error,
        warningLevel: 9999,
        // ILGPU was built against an older runtime; the SDK switches this remark off for every program.
        specificDiagnosticOptions: [new("CS1701", ReportDiagnostic.Suppress)],
        nullableContextOptions: NullableContextOptions.Enable);

    public static readonly ImmutableArray<MetadataReference> References =
    [
        .. Net100.References.All,
        MetadataReference.CreateFromFile(typeof(AdaptiveSoftmaxLayer).Assembly.Location),
        MetadataReference.CreateFromFile(typeof(Vocabulary.TokenSlot).Assembly.Location),
    ];

    /// <summary>What a program references that uses the GPU package as well.</summary>
    public static readonly ImmutableArray<MetadataReference> GpuReferences =
    [
        .. References,
        MetadataReference.CreateFromFile(typeof(Gpu.GpuAdaptiveSoftmax).Assembly.Location),
        MetadataReference.CreateFromFile(typeof(ILGPU.Context).Assembly.Location),
    ];

    public static readonly ImmutableArray<MetadataReference> ChatReferences =
    [
        .. References,
        .. new[] { typeof(Extensions.AI.ChatTokenizer), typeof(Microsoft.Extensions.AI.IChatClient), typeof(Microsoft.Extensions.DependencyInjection.ServiceProvider), typeof(Microsoft.Extensions.DependencyInjection.IServiceCollection) }
            .Select(type => MetadataReference.CreateFromFile(type.Assembly.Location)),
    ];

    private static readonly BuildProperties s_properties = new() { ["ProjectDir"] = "/project/" };

    public GeneratorRun(string source, params AdditionalText[] files)
        : this(source, TableForms.StringHeapShare, files)
    {
    }

    public GeneratorRun(string source, long stringHeapShare, params AdditionalText[] files)
        : this(CreateCompilation(Parse(source)), CreateDriver(files, stringHeapShare, ParseOptions), [.. files])
    {
    }

    /// <summary>A program at a place of its own, or in an older version of the language.</summary>
    public GeneratorRun(string source, string path, LanguageVersion language, params AdditionalText[] files)
        : this(CreateCompilation(Parse(source, path, language)), CreateDriver(files, TableForms.StringHeapShare, ParseOptions.WithLanguageVersion(language)), [.. files])
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

    /// <summary>What the generator reports.</summary>
    public ImmutableArray<Diagnostic> Reported => Result.Diagnostics;

    /// <summary>What the analyzer gives editors to offer code fixes at.</summary>
    public ImmutableArray<Diagnostic> Offered =>
        Output.WithAnalyzers([new AdaptiveSoftmaxAnalyzer()], new AnalyzerOptions(Files, s_properties)).GetAnalyzerDiagnosticsAsync().GetAwaiter().GetResult();

    /// <summary>What the compiler reports of the program with what was generated.</summary>
    public ImmutableArray<Diagnostic> Compiled => Output.GetDiagnostics();

    /// <summary>The program again with another source, by the same driver.</summary>
    public GeneratorRun WithSource(string source) => new(Input.ReplaceSyntaxTree(Input.SyntaxTrees[0], Parse(source)), Driver, Files);

    /// <summary>The program again, compiled otherwise, by the same driver.</summary>
    public GeneratorRun WithOptions(CSharpCompilationOptions options) => new(Input.WithOptions(options), Driver, Files);

    /// <summary>The program again with other references, by the same driver.</summary>
    public GeneratorRun WithReferences(ImmutableArray<MetadataReference> references) => new(Input.WithReferences(references), Driver, Files);

    /// <summary>The program again with other files, by the same driver.</summary>
    public GeneratorRun WithFiles(params AdditionalText[] files) => new(Input, Driver.ReplaceAdditionalTexts([.. files]), [.. files]);

    /// <summary>Why each output of a step is what it is.</summary>
    public IReadOnlyList<IncrementalStepRunReason> ReasonsOf(string step) =>
        Result.TrackedSteps.TryGetValue(step, out var runs) ? [.. runs.SelectMany(run => run.Outputs).Select(output => output.Reason)] : [];

    /// <summary>The program's assembly, after a check that nothing was reported beside what is expected.</summary>
    public byte[] Emit(string? expected = null)
    {
        Assert.Null(Result.Exception);
        Assert.Empty(Reported.Where(diagnostic => diagnostic.Id != expected));
        using var stream = new MemoryStream();
        var result = Output.Emit(stream);
        Assert.Empty(result.Diagnostics);
        return stream.ToArray();
    }

    /// <summary>Compiles and loads the program and calls <c>Program.Run</c>, then unloads it.</summary>
    public string Execute(string? expected = null) => Load(Emit(expected), assembly =>
    {
        var method = assembly.GetType("Program", throwOnError: true)!.GetMethod("Run", BindingFlags.Public | BindingFlags.Static)!;
        return (string)method.Invoke(null, BindingFlags.DoNotWrapExceptions, null, null, null)!;
    });

    /// <summary>Loads an assembly, uses it, and unloads it.</summary>
    public static string Load(byte[] image, Func<Assembly, string> use)
    {
        var context = new CollectibleContext();
        try
        {
            return use(context.LoadFromStream(new MemoryStream(image)));
        }
        finally
        {
            context.Unload();
        }
    }

    private static CSharpSyntaxTree Parse(string source, string path = "/project/Program.cs", LanguageVersion? language = null) =>
        (CSharpSyntaxTree)CSharpSyntaxTree.ParseText(source, ParseOptions.WithLanguageVersion(language ?? ParseOptions.LanguageVersion), path);

    private static CSharpCompilation CreateCompilation(CSharpSyntaxTree tree) =>
        CSharpCompilation.Create("Generated", [tree], References, Options);

    private static CSharpGeneratorDriver CreateDriver(IEnumerable<AdditionalText> files, long stringHeapShare, CSharpParseOptions parseOptions) => CSharpGeneratorDriver.Create(
        [new AdaptiveSoftmaxGenerator { StringHeapShare = stringHeapShare }.AsSourceGenerator()],
        files,
        parseOptions,
        s_properties,
        new GeneratorDriverOptions(IncrementalGeneratorOutputKind.None, trackIncrementalGeneratorSteps: true));

    private sealed class CollectibleContext() : AssemblyLoadContext("Generated", isCollectible: true);
}
