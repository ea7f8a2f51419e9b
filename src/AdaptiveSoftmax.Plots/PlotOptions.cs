using System.Globalization;

namespace AdaptiveSoftmax.Plots;

/// <summary>How large pictures are.</summary>
public sealed record PlotOptions
{
    /// <summary>The width of a picture, in units of which text is about 12 high; from 200 to 10,000.</summary>
    public int Width { get; init; } = 760;

    /// <summary>Its height in the same units, from 150 to 10,000.</summary>
    public int Height { get; init; } = 360;

    /// <summary>The pixels of a unit: 2 for screens of today and for print; from 0.5 to 8.</summary>
    public double Scale { get; init; } = 2;

    internal void Check()
    {
        if (Width is < 200 or > 10_000) throw Fault(nameof(Width), $"The width is {Width}; give 200 to 10,000.");
        if (Height is < 150 or > 10_000) throw Fault(nameof(Height), $"The height is {Height}; give 150 to 10,000.");
        if (!(Scale is >= 0.5 and <= 8)) throw Fault(nameof(Scale), $"The scale is {Scale}; give 0.5 to 8.");
    }

    private static ArgumentException Fault(string option, FormattableString message) => new(message.ToString(CultureInfo.InvariantCulture), option);
}
