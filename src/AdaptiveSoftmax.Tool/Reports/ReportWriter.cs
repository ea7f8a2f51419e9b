namespace AdaptiveSoftmax.Tool.Reports;

/// <summary>
/// Writes a page as one file of HTML without scripts that asks nothing of a network, in the reader's light or dark colours.
/// Charts are SVG of its own: a drawing library's native parts are several times the size of this tool, and what they draw has
/// one colour scheme.
/// </summary>
internal static class ReportWriter
{
    /// <summary>What tells such a page from others.</summary>
    public const string Generator = "<meta name=\"generator\" content=\"adaptive-softmax\">";

    private const string Style = """
        :root{color-scheme:light dark;--page:#fbfbfd;--card:#fff;--text:#1b1f24;--soft:#57606a;--line:#d8dee4;--s0:#2563eb;--s1:#c2570c;--s2:#15803d;--s3:#7c3aed;--s4:#be185d;--s5:#0e7490}
        @media (prefers-color-scheme:dark){:root{--page:#0f1216;--card:#171b21;--text:#e6e9ed;--soft:#9aa4af;--line:#2c333c;--s0:#6ea8fe;--s1:#f5a262;--s2:#5fd38a;--s3:#b79bff;--s4:#f587b3;--s5:#5ecbe0}}
        *{box-sizing:border-box}
        body{margin:0;background:var(--page);color:var(--text);font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif}
        main{max-width:880px;margin:0 auto;padding:24px 16px 48px}
        h1{font-size:24px;margin:0 0 4px}h2{font-size:17px;margin:0}
        p{margin:4px 0 0;color:var(--soft);overflow-wrap:anywhere}
        section{background:var(--card);border:1px solid var(--line);border-radius:10px;padding:16px;margin-top:16px}
        .chart,.table{overflow-x:auto;margin-top:12px}
        svg{display:block;width:100%;min-width:560px;height:auto}
        .grid{stroke:var(--line);stroke-width:1}.tick{fill:var(--soft);font-size:12px}.axis{fill:var(--soft);font-size:12px}
        .mark{stroke:var(--soft);stroke-width:1;stroke-dasharray:4 3}.reference{stroke:var(--soft);stroke-width:1;stroke-dasharray:2 4}
        .line{fill:none;stroke-width:2.5;stroke-linejoin:round}
        .bar:hover,.dot:hover{opacity:.75}
        .bar.s0,.dot.s0{fill:var(--s0)}.bar.s1,.dot.s1{fill:var(--s1)}.bar.s2,.dot.s2{fill:var(--s2)}.bar.s3,.dot.s3{fill:var(--s3)}.bar.s4,.dot.s4{fill:var(--s4)}.bar.s5,.dot.s5{fill:var(--s5)}
        .line.s0{stroke:var(--s0)}.line.s1{stroke:var(--s1)}.line.s2{stroke:var(--s2)}.line.s3{stroke:var(--s3)}.line.s4{stroke:var(--s4)}.line.s5{stroke:var(--s5)}
        .key{display:inline-block;width:11px;height:11px;border-radius:3px;margin-right:6px}
        .key.s0{background:var(--s0)}.key.s1{background:var(--s1)}.key.s2{background:var(--s2)}.key.s3{background:var(--s3)}.key.s4{background:var(--s4)}.key.s5{background:var(--s5)}
        .legend{list-style:none;display:flex;flex-wrap:wrap;gap:4px 18px;padding:0;margin:8px 0 0;font-size:13px;overflow-wrap:anywhere}
        table{border-collapse:collapse;width:100%;font-size:13px;font-variant-numeric:tabular-nums}
        th,td{padding:5px 10px;border-bottom:1px solid var(--line);text-align:right;white-space:nowrap}
        th{color:var(--soft);font-weight:600}th:first-child,td:first-child{text-align:left;padding-left:0}
        """;

    public static string Write(ReportPage page)
    {
        var markup = new Markup()
            .Raw("<!doctype html>")
            .Raw("<html lang=\"en\"><head><meta charset=\"utf-8\">")
            .Raw(Generator)
            .Raw("<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">")
            // Nothing is loaded, whatever stands in a name.
            .Raw("<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none';style-src 'unsafe-inline';img-src data:\">")
            .Raw("<link rel=\"icon\" href=\"data:,\">")
            .Line($"<title>{page.Title}</title><style>{new Verbatim(Style)}</style></head><body><main>")
            .Line($"<h1>{page.Title}</h1><p>{page.Lead}</p>");
        foreach (var section in page.Sections)
        {
            markup.Line($"<section><h2>{section.Title}</h2>");
            if (section.Note.Length > 0) markup.Line($"<p>{section.Note}</p>");
            switch (section)
            {
                case BarSection bars: BarChart.Write(markup, bars); break;
                case LineSection lines: LineChart.Write(markup, lines); break;
                case TableSection table: WriteTable(markup, table); break;
                default: throw new NotSupportedException($"There is no way to draw {section.GetType().Name}.");
            }

            markup.Raw("</section>");
        }

        return markup.Raw("</main></body></html>").ToString();
    }

    private static void WriteTable(Markup markup, TableSection table)
    {
        markup.Raw("<div class=\"table\"><table><thead><tr>");
        foreach (var column in table.Columns) markup.Line($"<th>{column}</th>");
        markup.Raw("</tr></thead><tbody>");
        foreach (var row in table.Rows)
        {
            markup.Raw("<tr>");
            foreach (var cell in row) markup.Line($"<td>{cell}</td>");
            markup.Raw("</tr>");
        }

        markup.Raw("</tbody></table></div>");
    }
}
