using System.Globalization;
using ScottPlot;
using ScottPlot.TickGenerators;

namespace AdaptiveSoftmax.Plots;

/// <summary>An axis: linear, or logarithmic with the powers of ten named.</summary>
internal sealed class PlotAxis
{
    private readonly bool _isLog;

    public PlotAxis(IEnumerable<double> values, bool isLog, bool fromZero)
    {
        _isLog = isLog;
        double[] places = [.. values.Where(Has).Select(At)];
        var (low, high) = places.Length == 0 ? (0, 1) : (places.Min(), places.Max());
        if (isLog) (low, high) = (Math.Floor(low + 1e-9), Math.Ceiling(high - 1e-9));
        else if (fromZero) (low, high) = (Math.Min(0, low), Math.Max(0, high) * 1.05);
        // Dots at an end are whole.
        else (low, high) = (low - ((high - low) * 0.03), high + ((high - low) * 0.03));
        if (high - low < 1e-12) high = low + Math.Max(isLog ? 1 : 1e-12, Math.Abs(low));
        (Low, High) = (low, high);
    }

    public double Low { get; }

    public double High { get; }

    /// <summary>Where bars begin.</summary>
    public double Base => _isLog || Low > 0 ? Low : 0;

    /// <summary>Whether a value has a place.</summary>
    public bool Has(double value) => double.IsFinite(value) && (!_isLog || value > 0);

    public double At(double value) => _isLog ? Math.Log10(value) : value;

    public void Apply(IAxis axis)
    {
        axis.TickGenerator = _isLog
            ? new NumericAutomatic { IntegerTicksOnly = true, LabelFormatter = power => Name(Math.Pow(10, power)), MinorTickGenerator = new LogMinorTickGenerator() }
            : new NumericAutomatic { LabelFormatter = Name };
    }

    private static string Name(double value)
    {
        var size = Math.Abs(value);
        return size switch
        {
            >= 1e9 => Short(value / 1e9, "G"),
            >= 1e6 => Short(value / 1e6, "M"),
            >= 1e4 => Short(value / 1e3, "k"),
            _ => value.ToString("0.######", CultureInfo.InvariantCulture),
        };
    }

    private static string Short(double value, string suffix) => value.ToString("0.##", CultureInfo.InvariantCulture) + suffix;
}
