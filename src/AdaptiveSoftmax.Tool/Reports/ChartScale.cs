using System.Globalization;

namespace AdaptiveSoftmax.Tool.Reports;

/// <summary>An axis: values to places, and the round values that are named.</summary>
internal sealed class ChartScale
{
    private const int MostTicks = 6;

    private readonly double _low, _high, _from, _to;
    private readonly bool _isLog;

    /// <param name="values">What must have a place; values that are not finite are passed over, and for logarithms those not above 0.</param>
    /// <param name="isLog">Whether places are by logarithms.</param>
    /// <param name="fromZero">Whether a linear axis begins at 0.</param>
    /// <param name="from">Where it begins.</param>
    /// <param name="to">Where it ends.</param>
    public ChartScale(IEnumerable<double> values, bool isLog, bool fromZero, double from, double to)
    {
        (_isLog, _from, _to) = (isLog, from, to);
        double[] places = [.. values.Where(value => double.IsFinite(value) && (!isLog || value > 0)).Select(Place)];
        var (low, high) = places.Length == 0 ? (0, 1) : (places.Min(), places.Max());
        if (fromZero && !isLog) (low, high) = (Math.Min(0, low), Math.Max(0, high));
        if (!isLog && high - low < 1e-12) high = low + Math.Max(1e-12, Math.Abs(low));
        Ticks = isLog ? LogTicks(ref low, ref high) : LinearTicks(ref low, ref high);
        (_low, _high) = (low, high);
    }

    /// <summary>The values that the axis names, ascending.</summary>
    public IReadOnlyList<double> Ticks { get; }

    /// <summary>The place of a value; the axis's beginning for what has none.</summary>
    public double At(double value)
    {
        var place = _isLog && !(value > 0) ? _low : Place(value);
        return _from + ((Math.Clamp(place, _low, _high) - _low) / (_high - _low) * (_to - _from));
    }

    /// <summary>Where a bar begins: at 0, or at the lower end.</summary>
    public double Base => _isLog || _low > 0 ? _from : At(0);

    /// <summary>A number as short as it can be read.</summary>
    public static string Name(double value)
    {
        var size = Math.Abs(value);
        if (size >= 1e15 || (size > 0 && size < 1e-4)) return value.ToString("0.##e+0", CultureInfo.InvariantCulture);
        return size switch
        {
            >= 1e9 => Short(value / 1e9, "G"),
            >= 1e6 => Short(value / 1e6, "M"),
            >= 1e4 => Short(value / 1e3, "k"),
            >= 100 => value.ToString("0", CultureInfo.InvariantCulture),
            _ => value.ToString("0.####", CultureInfo.InvariantCulture),
        };
    }

    private static string Short(double value, string suffix) => value.ToString("0.##", CultureInfo.InvariantCulture) + suffix;

    private double Place(double value) => _isLog ? Math.Log10(value) : value;

    private static double[] LinearTicks(ref double low, ref double high)
    {
        var rough = (high - low) / (MostTicks - 1);
        var power = Math.Pow(10, Math.Floor(Math.Log10(rough)));
        var step = power * (rough / power) switch { <= 1 => 1, <= 2 => 2, <= 5 => 5, _ => 10 };
        var (first, last) = (Math.Floor((low / step) + 1e-9), Math.Ceiling((high / step) - 1e-9));
        (low, high) = (first * step, last * step);
        return [.. Enumerable.Range(0, (int)(last - first) + 1).Select(i => (first + i) * step)];
    }

    private static double[] LogTicks(ref double low, ref double high)
    {
        (low, high) = (Math.Floor(low + 1e-9), Math.Ceiling(high - 1e-9));
        if (high <= low) high = low + 1;
        var step = (int)Math.Ceiling((high - low) / MostTicks);
        var first = low;
        return [.. Enumerable.Range(0, (int)((high - low) / step) + 1).Select(i => Math.Pow(10, first + (i * step)))];
    }
}
