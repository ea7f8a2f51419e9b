using System.Globalization;
using System.Text;
using AdaptiveSoftmax.Generators;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.Text;

namespace AdaptiveSoftmax.Benchmarks;

/// <summary>A program with classes over all of o200k_base, each over a vocabulary of its own, and the generator on it.</summary>
internal sealed class GeneratorProgram
{
    // That a table does not fit among the assembly's string literals, as with the third class.
    private const string TooMuchText = "ASMX3013";

    private static readonly CSharpParseOptions s_parseOptions = new(LanguageVersion.CSharp14);

    private readonly AdditionalText[] _files;
    private readonly GeneratorDriverOptions _options;
    private CSharpCompilation _compilation;
    private GeneratorDriver? _driver;
    private SyntaxTree _added = Parse("internal static class Added;");
    private int _edits;

    /// <param name="classes">How many classes.</param>
    /// <param name="isTracked">Whether the driver keeps what each step of the generator came to, which costs memory.</param>
    public GeneratorProgram(int classes = 1, bool isTracked = false)
    {
        var disk = new DiskFile("ApiDocs.tokens");
        _files = [.. Enumerable.Range(0, classes).SelectMany(i => i == 0 ? [new DiskFile("ApiDocs.softmax.json"), disk] : Variant(i))];
        _options = new GeneratorDriverOptions(IncrementalGeneratorOutputKind.None, isTracked);

        // Whatever this process runs on, as a real project references all of the framework.
        var references = ((string)AppContext.GetData("TRUSTED_PLATFORM_ASSEMBLIES")!).Split(Path.PathSeparator)
            .Select(path => MetadataReference.CreateFromFile(path));
        _compilation = CSharpCompilation.Create(
            "Program",
            [Parse("internal static class Edited;"), .. Enumerable.Range(0, classes).Select(i => Parse(Annotated(i, body: ";")))],
            references,
            new CSharpCompilationOptions(OutputKind.DynamicallyLinkedLibrary));

        // The same tokens with other ids, in the same order.
        AdditionalText[] Variant(int number)
        {
            var lines = disk.GetText().ToString().Split('\n').Select(line => line.Split('\t', 2) is [var id, var rest] ? string.Create(CultureInfo.InvariantCulture, $"{int.Parse(id, CultureInfo.InvariantCulture) + number}\t{rest}") : line);
            return [new MemoryFile(Name(number) + ".tokens", string.Join('\n', lines)), new MemoryFile(Name(number) + ".softmax.json", new DiskFile("ApiDocs.softmax.json").GetText().ToString().Replace("ApiDocs.", Name(number) + ".", StringComparison.Ordinal))];
        }
    }

    /// <summary>The generated text's length after <see cref="Generate"/>, in characters.</summary>
    public long GeneratedLength => _driver!.GetRunResult().Results[0].GeneratedSources.Sum(source => (long)source.SourceText.Length);

    /// <summary>Generates from nothing: reads specs and tables, builds the look-ups, writes and parses the sources.</summary>
    public long Generate()
    {
        _driver = CSharpGeneratorDriver.Create([new AdaptiveSoftmaxGenerator().AsSourceGenerator()], _files, s_parseOptions, driverOptions: _options).RunGenerators(_compilation);
        return Check();
    }

    /// <summary>After <see cref="Generate"/>: generates again after an edit elsewhere in the program.</summary>
    public long Edit()
    {
        Replace(0, string.Create(CultureInfo.InvariantCulture, $"internal static class Edited {{ public const int Value = {_edits++}; }}"));
        return Run();
    }

    /// <summary>The same after an edit in the file of a class, of a member of its own.</summary>
    public long EditClass()
    {
        var index = _edits % (_files.Length / 2);
        Replace(1 + index, Annotated(index, body: string.Create(CultureInfo.InvariantCulture, $" {{ public const int Own = {_edits++}; }}")));
        return Run();
    }

    /// <summary>The same after a file came, or went where it had come.</summary>
    public long AddOrRemoveFile()
    {
        _compilation = _compilation.ContainsSyntaxTree(_added) ? _compilation.RemoveSyntaxTrees(_added) : _compilation.AddSyntaxTrees(_added = Parse("internal static class Added;"));
        return Run();
    }

    /// <summary>The steps of the generator that the last run did not find done; their tracking was asked for.</summary>
    public IEnumerable<string> Recomputed => _driver!.GetRunResult().Results[0].TrackedOutputSteps
        .Where(step => step.Value.SelectMany(run => run.Outputs).Any(output => output.Reason is not (IncrementalStepRunReason.Cached or IncrementalStepRunReason.Unchanged)))
        .Select(step => step.Key);

    private static string Name(int number) => number == 0 ? "ApiDocs" : string.Create(CultureInfo.InvariantCulture, $"ApiDocs{number}");

    private static string Annotated(int number, string body) => $"[AdaptiveSoftmax.AdaptiveSoftmax(\"{Name(number)}.softmax.json\")]\npublic sealed partial class {Name(number)}{body}";

    private void Replace(int tree, string text) => _compilation = _compilation.ReplaceSyntaxTree(_compilation.SyntaxTrees[tree], Parse(text));

    private long Run()
    {
        _driver = _driver!.RunGenerators(_compilation);
        return Check();
    }

    private int Check()
    {
        var result = _driver!.GetRunResult();
        var faults = result.Diagnostics.Where(diagnostic => diagnostic.Id != TooMuchText);
        if (result.GeneratedTrees.Length == 0 || faults.Any())
            throw new InvalidOperationException($"The generator gave {result.GeneratedTrees.Length} files and said: {string.Join(' ', faults)}");
        return result.GeneratedTrees.Length;
    }

    private static SyntaxTree Parse(string text) => CSharpSyntaxTree.ParseText(text, s_parseOptions);

    private sealed class MemoryFile(string name, string text) : AdditionalText
    {
        private readonly SourceText _text = SourceText.From(text, Encoding.UTF8);

        public override string Path { get; } = System.IO.Path.Combine(AppContext.BaseDirectory, "Generation", name);

        public override SourceText GetText(CancellationToken cancellationToken = default) => _text;
    }

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
