using System.CommandLine;
using AdaptiveSoftmax.Tool.Reports;
using AdaptiveSoftmax.Tool.Terminal;
using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax.Tool.Files;

/// <summary>The page that a command writes beside its results where <c>--report</c> asks for it.</summary>
internal sealed class ReportFile
{
    public const string Option = "--report";

    private const string JsonSuffix = ".json";

    private static readonly OutputKind s_kind = new("a report", [".html", ".htm", JsonSuffix], "a browser takes no file of another name for a page", IsReport);

    private readonly OutputPath _output;

    private ReportFile(OutputPath output) => _output = output;

    public static Option<string?> CreateOption() => new(Option) { Description = "Write a page with charts too: one file of HTML that needs no network, or with another ending, .json, the charts as data (AdaptiveSoftmax.Plots draws them as PNG).", HelpName = "FILE.html" };

    /// <summary>Checks before any work that the page can be written; null where none is asked for.</summary>
    /// <param name="path">The file, or null.</param>
    /// <param name="isForced">Whether it may take the place of anything.</param>
    /// <param name="inputs">What is read, and must stay.</param>
    /// <exception cref="ToolException">There can be no such file, or another would be lost.</exception>
    public static ReportFile? Check(string? path, bool isForced, params IEnumerable<string?> inputs)
    {
        if (path is null) return null;
        var output = OutputPath.Check(path, s_kind, isForced, Option);
        output.RefuseInputs(inputs);
        return new ReportFile(output);
    }

    /// <inheritdoc cref="OutputPath.RefuseOutputs"/>
    public void RefuseOutputs(params IEnumerable<OutputPath?> others) => _output.RefuseOutputs(others);

    /// <summary>Writes the page.</summary>
    public void Write(ReportPage page, ToolConsole console, CancellationToken cancellationToken)
    {
        var text = _output.Path.EndsWith(JsonSuffix, StringComparison.OrdinalIgnoreCase) ? ReportJson.Write(page) : ReportWriter.Write(page);
        AtomicFile.WriteText(_output.Path, writer => writer.Write(text), cancellationToken);
        _output.Remark(console);
    }

    private static bool IsReport(string path)
    {
        using var reader = new StreamReader(path);
        var start = new char[512];
        ReadOnlySpan<char> read = start.AsSpan(0, reader.ReadBlock(start));
        return read.Contains(ReportWriter.Generator, StringComparison.Ordinal) || read.Contains(ReportJson.Generator, StringComparison.Ordinal);
    }
}
