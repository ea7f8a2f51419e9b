namespace AdaptiveSoftmax.Tool.Reports;

/// <summary>What charts have in common: their size, axes, grid and legend.</summary>
internal static class ChartFrame
{
    public const double Width = 760, Height = 330, Left = 68, Right = 744, Top = 14, Bottom = 270;

    /// <summary>Colours are told apart by these many series; more begin anew.</summary>
    public const int Colours = 6;

    public static void Begin(Markup markup, string title) =>
        markup.Line($"<div class=\"chart\"><svg viewBox=\"0 0 {Width} {Height}\" role=\"img\" aria-label=\"{title}\">");

    public static void End(Markup markup, IReadOnlyList<string> series)
    {
        markup.Raw("</svg></div>");
        if (series.Count < 2) return;
        markup.Raw("<ul class=\"legend\">");
        for (var i = 0; i < series.Count; i++) markup.Line($"<li><span class=\"key s{i % Colours}\"></span>{series[i]}</li>");
        markup.Raw("</ul>");
    }

    /// <summary>The vertical axis with its grid.</summary>
    public static void DrawY(Markup markup, ChartScale scale, string title)
    {
        foreach (var tick in scale.Ticks)
        {
            var y = scale.At(tick);
            markup.Line($"<line class=\"grid\" x1=\"{Left}\" x2=\"{Right}\" y1=\"{y}\" y2=\"{y}\"/><text class=\"tick\" x=\"{Left - 8}\" y=\"{y + 4}\" text-anchor=\"end\">{ChartScale.Name(tick)}</text>");
        }

        markup.Line($"<text class=\"axis\" transform=\"translate(14 {(Top + Bottom) / 2}) rotate(-90)\" text-anchor=\"middle\">{title}</text>");
    }

    /// <summary>The title of the horizontal axis.</summary>
    public static void DrawXTitle(Markup markup, string title) =>
        markup.Line($"<text class=\"axis\" x=\"{(Left + Right) / 2}\" y=\"{Height - 8}\" text-anchor=\"middle\">{title}</text>");
}
