using AdaptiveSoftmax.Tool.Terminal;
using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax.Tool.Files;

/// <summary>Reads the text files that a command line names.</summary>
internal static class InputFile
{
    /// <summary>Reads a token table.</summary>
    /// <exception cref="ToolException">There is none, or it has mistakes; the message has their lines.</exception>
    public static TokenTableReadResult ReadTable(string path)
    {
        var read = TokenTableReader.Read(path, ReadText(path, FileContentKind.TokenTable));
        return read.Table is null ? throw ToolException.Of(read.Errors) : read;
    }

    /// <summary>Checks that a file may hold weights. What is wrong with those that do, their reader says.</summary>
    /// <exception cref="ToolException">It is something else altogether.</exception>
    public static void CheckWeights(string path)
    {
        var kind = FileContent.Find(path);
        if (kind is FileContentKind.Missing) throw new ToolException($"{path} does not exist.");
        if (kind is not (FileContentKind.Safetensors or FileContentKind.PyTorch or FileContentKind.Pickle or FileContentKind.Zip or FileContentKind.ShardIndex or FileContentKind.Folder or FileContentKind.DeviceOrPipe or FileContentKind.Binary))
            throw new ToolException($"{path} is {FileContent.Describe(kind)}, not a file of weights: give safetensors, or what torch.save wrote.{(kind == FileContentKind.Spec ? " A spec goes behind --spec." : "")}");
    }

    /// <summary>Reads a file that should be of a kind. Where it is broken, its reader says more than this can.</summary>
    /// <exception cref="ToolException">It is not there, or is something else altogether.</exception>
    public static string ReadText(string path, FileContentKind expected)
    {
        var kind = FileContent.Find(path);
        if (kind == FileContentKind.Missing)
            throw new ToolException(new FileInfo(path).LinkTarget is { } target ? $"{path} is a link to {target}, which does not exist." : $"{path} does not exist.");
        var mayBe = kind == expected
            || kind is FileContentKind.Text or FileContentKind.Empty or FileContentKind.DeviceOrPipe
            || (kind == FileContentKind.Json && expected == FileContentKind.Spec);
        return mayBe ? File.ReadAllText(path) : throw new ToolException($"{path} is {FileContent.Describe(kind)}, and {FileContent.Describe(expected)} is asked for here.");
    }
}
