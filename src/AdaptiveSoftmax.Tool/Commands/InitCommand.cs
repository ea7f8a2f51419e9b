using System.CommandLine;
using System.Globalization;
using System.Reflection;
using AdaptiveSoftmax.Tool.Files;
using AdaptiveSoftmax.Tool.Terminal;
using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax.Tool.Commands;

/// <summary><c>adaptive-softmax init</c>: a spec and a class in a project that is there.</summary>
internal static class InitCommand
{
    public const string Name = "init";

    private const string SpecSuffix = ".softmax.json";
    private const int DefaultHiddenSize = 64;

    public static IReadOnlyList<Example> Examples { get; } =
    [
        new("A class Words and its spec in the project of this folder", "init Words"),
        new("In another project, with the hidden size of your model", "init Words --project src/News --hidden-size 512"),
    ];

    public static Command Create(ToolConsole console)
    {
        var name = new Argument<string>("CLASS") { Description = "The name of the class; the spec is called after it." };
        var project = new Option<string>("--project") { Description = "The project, *.csproj, or its folder. If omitted: this folder.", HelpName = "PATH", DefaultValueFactory = _ => "." };
        var hiddenSize = new Option<int>("--hidden-size") { Description = "The length of the model's hidden vectors.", HelpName = "N", DefaultValueFactory = _ => DefaultHiddenSize };
        name.Validators.Add(result =>
        {
            if (result.GetValueOrDefault<string>() is not { } value) return;
            if (!CSharpNames.IsIdentifier(value)) result.AddError($"'{value}' is no name of a class; give letters, digits and _, such as Words.");
            else if (CSharpNames.IsKeywordForType(value)) result.AddError($"'{value}' is a keyword of C#, and no name of a class; give another, such as Words.");
            else if (CSharpNames.MayBecomeKeyword(value)) result.AddError($"'{value}' has small letters alone, as C# keeps them for keywords: the compiler warns of such a class (CS8981); give {char.ToUpperInvariant(value[0])}{value[1..]}.");
        });
        hiddenSize.Validators.Add(result =>
        {
            if (result.GetValueOrDefault<int>() is < 4 and var value) result.AddError(string.Create(CultureInfo.InvariantCulture, $"--hidden-size is {value}; it must be 4 or more."));
            if (result.GetValueOrDefault<int>() is > SoftmaxLayout.MaximumWidth and var width) result.AddError(string.Create(CultureInfo.InvariantCulture, $"--hidden-size is {width}; it must be {SoftmaxLayout.MaximumWidth} or less."));
        });
        var command = new Command(Name, "Writes a spec with a few words and the class that is generated from it into a project, and says what comes next. Nothing that is there is written over.") { name, project, hiddenSize };
        command.SetAction((parsed, cancellationToken) => Task.Run(() =>
        {
            Run(parsed.GetRequiredValue(name), ProjectFile.Find(parsed.GetRequiredValue(project)), parsed.GetValue(hiddenSize), console, cancellationToken);
            return ExitCode.Success;
        }, CancellationToken.None));
        return command;
    }

    private static void Run(string name, ProjectFile project, int hiddenSize, ToolConsole console, CancellationToken cancellationToken)
    {
        var specName = char.ToLowerInvariant(name[0]) + name[1..] + SpecSuffix;
        var (spec, source) = (Path.Combine(project.Folder, specName), Path.Combine(project.Folder, name + ".cs"));
        foreach (var file in new[] { spec, source })
        {
            if (Path.Exists(file)) throw new ToolException($"{Excerpt.Line(file)} is there already, and nothing was written; give the class another name.");
        }

        AtomicFile.WriteText(spec, writer => writer.Write(SpecText(hiddenSize)), cancellationToken);
        AtomicFile.WriteText(source, writer => writer.Write(SourceText(name, specName, project.RootNamespace)), CancellationToken.None);
        console.WriteLine($"Wrote {Excerpt.Line(spec)}");
        console.WriteLine($"  and {Excerpt.Line(source)}: class {project.RootNamespace}.{name}");
        console.WriteLine("");
        console.WriteLine("Next:");
        if (!project.HasPackage) console.WriteLine($"  dotnet add {ShellText.Argument(project.Path)} package AdaptiveSoftmax --version {Version()}");
        console.WriteLine("  dotnet build       (the class now has Create, Load, Vocabulary and its sizes)");
        console.WriteLine($"  Put your vocabulary in place of the words in {Excerpt.Line(specName)}; one of a corpus is made by");
        console.WriteLine($"  adaptive-softmax count --output words.tokens TEXTS, and planned by");
        console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"  adaptive-softmax plan words.tokens --hidden-size {hiddenSize} --output {ShellText.Argument(spec)}"));
    }

    private static string SpecText(int hiddenSize) => string.Create(CultureInfo.InvariantCulture, $$"""
        {
          "$schema": "obj/softmax.schema.json",
          "hiddenSize": {{hiddenSize}},
          "vocabulary": ["the", "of", "market", "bank", "river", "otter"],
          "cutoffs": [2, 4],
          "divValue": 2
        }

        """).ReplaceLineEndings("\n");

    private static string SourceText(string name, string spec, string space) => $"""
        using AdaptiveSoftmax;

        namespace {space};

        /// <summary>The softmax over the vocabulary of {spec}; its other half is generated.</summary>
        [AdaptiveSoftmax("{spec}")]
        public sealed partial class {name};

        """.ReplaceLineEndings("\n");

    // Packages of one release have one version; what stands behind it is the commit.
    private static string Version() => typeof(InitCommand).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()!.InformationalVersion.Split('+')[0];
}
