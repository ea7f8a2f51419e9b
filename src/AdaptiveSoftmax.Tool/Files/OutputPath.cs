using System.CommandLine;
using AdaptiveSoftmax.Tool.Terminal;
using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax.Tool.Files;

/// <summary>What a command writes.</summary>
/// <param name="Name">What it is called, with its article.</param>
/// <param name="Suffixes">How its name should end.</param>
/// <param name="Reason">What a name that ends otherwise leads to.</param>
/// <param name="IsOwn">Whether a file that is there is of this kind, so that a new one may take its place.</param>
internal sealed record OutputKind(string Name, string[] Suffixes, string Reason, Func<string, bool> IsOwn)
{
    public static OutputKind TokenTable { get; } = new("a token table", [".tokens"], "a build hands no file of another name to the generator", path => FileContent.Find(path) == FileContentKind.TokenTable);

    public static OutputKind DomainTable { get; } = new("a table of counts by domain", [Vocabulary.DomainTable.Suffix], "it is looked for beside the token table under that name", path => FileContent.Find(path) == FileContentKind.DomainTable);

    public static OutputKind Spec { get; } = new("a spec", [".softmax.json"], "a build finds no spec of another name", path => FileContent.Find(path) == FileContentKind.Spec);

    public static OutputKind SpecLock { get; } = new("a lock", [Files.SpecLock.Suffix], "a check looks for it beside the spec under that name", Files.SpecLock.IsOne);
}

/// <summary>A file that a command will write, checked before it works for long.</summary>
internal sealed class OutputPath
{
    private readonly OutputKind _kind;
    private readonly string _option;

    private OutputPath(string path, OutputKind kind, string option) => (Path, _kind, _option) = (path, kind, option);

    public string Path { get; }

    /// <summary>The option that lets a command write over what it did not write.</summary>
    public static Option<bool> CreateForceOption() => new("--force") { Description = "Write over a file that is there, whatever it holds." };

    /// <summary>Checks that a file can be written, and that it takes the place of its own kind alone.</summary>
    /// <exception cref="ToolException">There can be no such file, or another would be lost.</exception>
    public static OutputPath Check(string path, OutputKind kind, bool isForced, string option = "--output")
    {
        if (Directory.Exists(path)) throw new ToolException($"{Excerpt.Line(path)} is a folder; give {option} the name of a file.");
        if (System.IO.Path.EndsInDirectorySeparator(path)) throw new ToolException($"{Excerpt.Line(path)} names a folder; give {option} the name of a file.");
        var folder = System.IO.Path.GetDirectoryName(System.IO.Path.GetFullPath(path));
        if (folder is not null && !Directory.Exists(folder)) throw new ToolException($"The folder {Excerpt.Line(folder)} does not exist; create it or give {option} another one.");
        if (!isForced && FileContent.Find(path) is not (FileContentKind.Missing or FileContentKind.Empty or FileContentKind.DeviceOrPipe) and var found && !kind.IsOwn(path))
            throw new ToolException($"{Excerpt.Line(path)} is there, and is {FileContent.Describe(found)}, not {kind.Name} as adaptive-softmax writes it; give {option} another name, or --force to write over it.");
        return new OutputPath(path, kind, option);
    }

    /// <summary>Checks that the system lets the file be written, by beginning to: for a command that works long before it writes.</summary>
    /// <exception cref="IOException">The file cannot be written.</exception>
    /// <exception cref="UnauthorizedAccessException">The file or its folder may not be written.</exception>
    public void CheckAccess()
    {
        // Who opens a device or a pipe has done something already.
        if (WriteTarget.Find(Path) is { IsStream: false } target) new WrittenFile(Path, target).Dispose();
    }

    /// <summary>Checks that the file is none of those that are read, also by another name.</summary>
    /// <exception cref="ToolException">It is one of them.</exception>
    public void RefuseInputs(params IEnumerable<string?> inputs)
    {
        if (FileId.Find(Path) is not { } id) return;
        foreach (var input in inputs)
        {
            if (input is not null && FileId.Find(input) == id)
                throw new ToolException($"{_option} {Excerpt.Line(Path)} is {(input == Path ? "what is read" : $"the same file as {Excerpt.Line(input)}, which is read")}, and would be lost; give {_option} another name.");
        }
    }

    /// <summary>Checks that the file is none of the others that are written, also by another name.</summary>
    /// <exception cref="ToolException">It is one of them.</exception>
    public void RefuseOutputs(params IEnumerable<OutputPath?> others)
    {
        var comparison = OperatingSystem.IsWindows() || OperatingSystem.IsMacOS() ? StringComparison.OrdinalIgnoreCase : StringComparison.Ordinal;
        var target = WriteTarget.Find(Path);
        foreach (var other in others)
        {
            // What goes to one device or pipe stands there one after the other.
            if (other is not null && !target.IsStream && string.Equals(target.Path, WriteTarget.Find(other.Path).Path, comparison))
                throw new ToolException($"Both {_kind.Name} and {other._kind.Name} would go to {Excerpt.Line(Path)}; give {_option} another name.");
        }
    }

    /// <summary>Says where the name is not the one that others look for.</summary>
    public void Remark(ToolConsole console)
    {
        if (_kind.Suffixes.Any(suffix => Path.EndsWith(suffix, StringComparison.OrdinalIgnoreCase)) || FileContent.Find(Path) == FileContentKind.DeviceOrPipe) return;
        console.WriteNote($"{Excerpt.Line(Path)} does not end in {string.Join(" or ", _kind.Suffixes)}: {_kind.Reason}.");
    }
}
