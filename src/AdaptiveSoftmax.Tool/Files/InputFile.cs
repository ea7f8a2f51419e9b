using AdaptiveSoftmax.Tool.Terminal;
using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax.Tool.Files;

/// <summary>Reads the text files that a command line names.</summary>
internal static class InputFile
{
    /// <summary>Reads a token table.</summary>
    /// <exception cref="ToolException">There is none, or it has mistakes; the message has their lines.</exception>
    public static TokenTableReadResult ReadTable(string path, CancellationToken cancellationToken)
    {
        var text = ReadText(path, FileContentKind.TokenTable, cancellationToken);
        // A table with a mistake in its first line has tabs all the same.
        if (text.Length > 0 && !text.AsSpan(0, Lines.EndOf(text, 0)).Contains('\t') && FileContent.Find(path) == FileContentKind.Text)
            throw new ToolException($"{Excerpt.Line(path)} is plain text, and a token table is asked for here; `adaptive-softmax count` makes one of it.");
        var read = TokenTableReader.Read(path, text);
        return read.Table is null ? throw ToolException.Of(read.Errors) : read;
    }

    /// <summary>Checks that a file may hold weights. What is wrong with those that do, their reader says.</summary>
    /// <exception cref="ToolException">It is something else altogether.</exception>
    public static void CheckWeights(string path)
    {
        if (Directory.Exists(path)) return;
        RegularFile.Check(path);
        var kind = FileContent.Find(path);
        if (kind is not (FileContentKind.Safetensors or FileContentKind.PyTorch or FileContentKind.Pickle or FileContentKind.Zip or FileContentKind.ShardIndex or FileContentKind.Binary))
            throw new ToolException($"{Excerpt.Line(path)} is {FileContent.Describe(kind)}, not a file of weights: give safetensors, or what torch.save wrote.{(kind == FileContentKind.Spec ? " A spec goes behind --spec." : "")}");
    }

    /// <summary>The files that weights are read from: the one of a folder, and with an index all those that it names.</summary>
    public static IReadOnlyList<string> FindWeights(string path)
    {
        if (Directory.Exists(path)) path = WeightsFolder.FindFile(path);
        if (FileContent.Find(path) != FileContentKind.ShardIndex) return [path];
        using var bytes = WeightsBytes.Open(path);
        return [path, .. WeightsIndex.Read(bytes).Values.Distinct().Select(file => Path.Combine(Path.GetDirectoryName(path) ?? "", file))];
    }

    /// <summary>Reads a file that should be of a kind. Where it is broken, its reader says more than this can.</summary>
    /// <exception cref="ToolException">It is not there, or is something else altogether.</exception>
    public static string ReadText(string path, FileContentKind expected, CancellationToken cancellationToken)
    {
        RegularFile.Check(path);
        var kind = FileContent.Find(path);
        var mayBe = kind == expected
            || kind is FileContentKind.Text or FileContentKind.Empty
            || (kind == FileContentKind.Json && expected == FileContentKind.Spec);
        return mayBe ? RegularFile.ReadText(path, cancellationToken) : throw new ToolException($"{Excerpt.Line(path)} is {FileContent.Describe(kind)}, and {FileContent.Describe(expected)} is asked for here{WriterOf(expected)}.");
    }

    private static string WriterOf(FileContentKind kind) => kind switch
    {
        FileContentKind.TokenTable => "; `adaptive-softmax count` writes one",
        FileContentKind.DomainTable => "; `adaptive-softmax count --domain` writes one",
        FileContentKind.Spec => "; `adaptive-softmax plan` writes one",
        _ => "; give another file",
    };
}
