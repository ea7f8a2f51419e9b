using System.Diagnostics.CodeAnalysis;
using System.Text;
using AdaptiveSoftmax.Vocabulary;
using Spectre.Console;

namespace AdaptiveSoftmax.Tool.Terminal;

/// <summary>A standard stream of the process, which may be closed, full, or gone.</summary>
/// <param name="inner">The stream's own writer.</param>
/// <param name="isNeeded">Whether what cannot be written is an error. It is not where errors themselves are written.</param>
internal sealed class StandardWriter(TextWriter inner, bool isNeeded) : TextWriter
{
    public override Encoding Encoding => inner.Encoding;

    [AllowNull]
    public override string NewLine
    {
        get => inner.NewLine;
        set => inner.NewLine = value;
    }

    public override void Write(char value) => Try(() => inner.Write(value));

    public override void Write(char[] buffer, int index, int count) => Try(() => inner.Write(buffer, index, count));

    public override void Write(string? value) => Try(() => inner.Write(value));

    public override void WriteLine() => Try(inner.WriteLine);

    public override void WriteLine(string? value) => Try(() => inner.WriteLine(value));

    public override void Flush() => Try(inner.Flush);

    private void Try(Action write)
    {
        try
        {
            write();
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException or ObjectDisposedException)
        {
            if (isNeeded) throw new ToolException($"The standard output could not be written: {exception.Message.TrimEnd('.')}. A file that was to be written before is whole.");
        }
    }
}

/// <summary>Writes lines that hold what a user typed, without anything that a terminal would obey.</summary>
internal sealed class EscapedWriter(TextWriter inner) : TextWriter
{
    public override Encoding Encoding => inner.Encoding;

    public override void Write(char value) => inner.Write(value);

    public override void Write(string? value) => inner.Write(Excerpt.Message(value ?? ""));

    public override void WriteLine() => inner.WriteLine();

    public override void WriteLine(string? value) => inner.WriteLine(Excerpt.Line(value ?? ""));
}

/// <summary>A console's output that fails as <see cref="StandardWriter"/> does.</summary>
internal sealed class StandardOutput(TextWriter standard, bool isNeeded) : IAnsiConsoleOutput
{
    private readonly AnsiConsoleOutput _output = new(standard);

    public TextWriter Writer { get; } = new StandardWriter(standard, isNeeded);

    public bool IsTerminal => _output.IsTerminal;

    public int Width => _output.Width;

    public int Height => _output.Height;

    public void SetEncoding(Encoding encoding) => _output.SetEncoding(encoding);
}
