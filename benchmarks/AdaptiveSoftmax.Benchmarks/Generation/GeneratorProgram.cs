using System.Text;
using AdaptiveSoftmax.Generators;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.Text;

namespace AdaptiveSoftmax.Benchmarks;

/// <summary>A program with the sample's softmax over all of o200k_base, and the generator on it.</summary>
internal sealed class GeneratorProgram
{
    private const string Annotated = """
        [AdaptiveSoftmax.AdaptiveSoftmax("ApiDocs.softmax.json")]
        public sealed partial class ApiDocs;
        """;

    private static readonly CSharpParseOptions s_parseOptions = new(LanguageVersion.CSharp14);

    private readonly CSharpCompilation _compilation;
    private GeneratorDriver? _driver;
    private int _edits;

    public GeneratorProgram()
    {
        // Whatever this process runs on, as a real project references all of the framework.
        var references = ((string)AppContext.GetData("TRUSTED_PLATFORM_ASSEMBLIES")!).Split(Path.PathSeparator)
            .Select(path => MetadataReference.CreateFromFile(path));
        _compilation = CSharpCompilation.Create(
            "Program",
            [Parse(Annotated), Parse("internal static class Edited;")],
            references,
            new CSharpCompilationOptions(OutputKind.DynamicallyLinkedLibrary));
    }

    /// <summary>The generated text's length after <see cref="Generate"/>, in characters.</summary>
    public long GeneratedLength => _driver!.GetRunResult().Results[0].GeneratedSources.Sum(source => (long)source.SourceText.Length);

    /// <summary>Generates from nothing: reads spec and table from the disk, builds the look-ups, writes and parses the sources.</summary>
    public long Generate()
    {
        _driver = CSharpGeneratorDriver
            .Create([new AdaptiveSoftmaxGenerator().AsSourceGenerator()], [new DiskFile("ApiDocs.softmax.json"), new DiskFile("ApiDocs.tokens")], s_parseOptions)
            .RunGenerators(_compilation);
        return Check();
    }

    /// <summary>After <see cref="Generate"/>: generates again after an edit elsewhere in the program.</summary>
    public long Edit()
    {
        var edited = _compilation.ReplaceSyntaxTree(_compilation.SyntaxTrees[1], Parse(FormattableString.Invariant($"internal static class Edited {{ public const int Value = {_edits++}; }}")));
        _driver = _driver!.RunGenerators(edited);
        return Check();
    }

    private int Check()
    {
        var result = _driver!.GetRunResult();
        if (result.GeneratedTrees.Length == 0 || result.Diagnostics.Length > 0)
            throw new InvalidOperationException($"The generator gave {result.GeneratedTrees.Length} files and {result.Diagnostics.Length} diagnostics.");
        return result.GeneratedTrees.Length;
    }

    private static SyntaxTree Parse(string text) => CSharpSyntaxTree.ParseText(text, s_parseOptions);

    /// <summary>An additional file that is read once for each object, as the compiler does.</summary>
    private sealed class DiskFile(string name) : AdditionalText
    {
        private SourceText? _text;

        public override string Path { get; } = System.IO.Path.Combine(AppContext.BaseDirectory, "Generation", name);

        public override SourceText GetText(CancellationToken cancellationToken = default)
        {
            if (_text is not null) return _text;
            using var stream = File.OpenRead(Path);
            return _text = SourceText.From(stream, Encoding.UTF8);
        }
    }
}
