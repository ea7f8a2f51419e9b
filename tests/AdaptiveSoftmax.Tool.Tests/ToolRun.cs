using AdaptiveSoftmax.Tool.Terminal;

namespace AdaptiveSoftmax.Tool.Tests;

/// <summary>Runs the tool in this process, in a folder of its own, and keeps what it writes.</summary>
internal sealed class ToolRun : IDisposable
{
    public string Folder { get; } = Directory.CreateTempSubdirectory("adaptive-softmax-tool-").FullName;

    public string Output { get; private set; } = "";

    public string Error { get; private set; } = "";

    public IEnumerable<string> Files => Directory.EnumerateFiles(Folder, "*", SearchOption.AllDirectories).Select(file => System.IO.Path.GetRelativePath(Folder, file)).Order(StringComparer.Ordinal);

    public string Path(string name) => System.IO.Path.Combine(Folder, name);

    public string Write(string name, string text)
    {
        Directory.CreateDirectory(System.IO.Path.GetDirectoryName(Path(name))!);
        File.WriteAllText(Path(name), text);
        return Path(name);
    }

    public Task<int> RunAsync(params string[] arguments) => RunAsync(TestContext.Current.CancellationToken, arguments);

    public Task<int> RunAsync(CancellationToken cancellationToken, params string[] arguments) => RunAsync(width: null, arguments, cancellationToken);

    /// <summary>Runs the tool as on a terminal of so many columns, without colours.</summary>
    public Task<int> RunOnTerminalAsync(int width, params string[] arguments) => RunAsync(width, arguments, TestContext.Current.CancellationToken);

    private async Task<int> RunAsync(int? width, string[] arguments, CancellationToken cancellationToken)
    {
        using var output = new StringWriter();
        using var error = new StringWriter();
        var console = new ToolConsole(ToolConsole.ForWriter(output, isTerminal: false), ToolConsole.ForWriter(error, isTerminal: false));
        if (width is { } columns) console.Output.Profile.Width = columns;
        var code = await ToolCommand.RunAsync(arguments, console, cancellationToken);
        Output = output.ToString();
        Error = error.ToString();
        Assert.DoesNotContain("   at ", Error, StringComparison.Ordinal);
        Assert.DoesNotContain('\u001b', Output + Error);
        return code;
    }

    public void Dispose() => Directory.Delete(Folder, recursive: true);
}
