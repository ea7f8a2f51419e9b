using Spectre.Console;
using Spectre.Console.Rendering;

namespace AdaptiveSoftmax.Tool.Terminal;

/// <summary>A table of results; on a terminal that is too narrow for it, a few lines for each row.</summary>
/// <param name="first">The title of the first column, which names the row.</param>
/// <param name="others">Those of the others, which hold numbers.</param>
internal sealed class ToolTable(string first, params string[] others)
{
    private const int WidestRow = 1 << 16;

    private readonly List<string[]> _rows = [];

    public void AddRow(params string[] cells) => _rows.Add(cells);

    public void Write(IAnsiConsole console)
    {
        var table = CreateTable(console);
        IRenderable rendered = table;
        if (rendered.Measure(RenderOptions.Create(console, console.Profile.Capabilities), WidestRow).Min <= console.Profile.Width) console.Write(table);
        else WriteLines(console.Profile.Out.Writer);
    }

    private Table CreateTable(IAnsiConsole console)
    {
        var table = new Table { Border = console.Profile.Capabilities.Interactive ? TableBorder.Rounded : TableBorder.Ascii2 };
        table.AddColumn(new TableColumn(new Text(first)).NoWrap());
        foreach (var title in others) table.AddColumn(new TableColumn(new Text(title)).RightAligned().NoWrap());
        foreach (var row in _rows) table.AddRow(row.Select(cell => new Text(cell)));
        return table;
    }

    private void WriteLines(TextWriter writer)
    {
        foreach (var row in _rows)
        {
            writer.WriteLine($"{first} {row[0]}");
            for (var i = 1; i < row.Length; i++)
            {
                if (row[i].Length > 0) writer.WriteLine($"  {others[i - 1]}: {row[i]}");
            }
        }
    }
}
