using System.Globalization;

namespace AdaptiveSoftmax.Corpus;

/// <summary>The version of a reference pack, ordered so that a release comes after its previews.</summary>
internal sealed class PackVersion : IComparable<PackVersion>
{
    private readonly Version _numbers;
    private readonly string[] _preview;

    private PackVersion(Version numbers, string[] preview)
    {
        _numbers = numbers;
        _preview = preview;
    }

    public static PackVersion? Parse(string text)
    {
        var dash = text.IndexOf('-', StringComparison.Ordinal);
        var numbers = dash < 0 ? text : text[..dash];
        return Version.TryParse(numbers, out var version) ? new PackVersion(version, dash < 0 ? [] : text[(dash + 1)..].Split('.')) : null;
    }

    public int CompareTo(PackVersion? other)
    {
        if (other is null) return 1;
        var order = _numbers.CompareTo(other._numbers);
        if (order != 0) return order;
        if (_preview.Length == 0 || other._preview.Length == 0) return other._preview.Length.CompareTo(_preview.Length);
        for (var i = 0; i < Math.Min(_preview.Length, other._preview.Length); i++)
        {
            order = ComparePart(_preview[i], other._preview[i]);
            if (order != 0) return order;
        }

        return _preview.Length.CompareTo(other._preview.Length);
    }

    private static int ComparePart(string a, string b) =>
        int.TryParse(a, NumberStyles.None, CultureInfo.InvariantCulture, out var x) && int.TryParse(b, NumberStyles.None, CultureInfo.InvariantCulture, out var y)
            ? x.CompareTo(y)
            : string.CompareOrdinal(a, b);
}
