namespace AdaptiveSoftmax.Vocabulary;

/// <summary>How the values of a weight are stored.</summary>
public enum WeightPrecision
{
    /// <summary>IEEE 754 single precision, 4 bytes a value; <c>"float32"</c> in a spec.</summary>
#pragma warning disable CA1720 // The name is the one that specs and safetensors use.
    Float32,

    /// <summary>The upper half of a single precision number, 2 bytes a value; <c>"bfloat16"</c> in a spec.</summary>
    BFloat16,

    /// <summary>A whole number from −127 to 127 and one scale a row, 1 byte a value; <c>"int8"</c> in a spec.</summary>
    Int8,

    /// <summary>IEEE 754 half precision, 2 bytes a value, up to 65,504; <c>"float16"</c> in a spec.</summary>
    Float16,

    /// <summary>
    /// A whole number from −8 to 7, a half-precision factor for each 32 values of a row, and one scale a row, a little over half a
    /// byte a value; <c>"int4"</c> in a spec.
    /// </summary>
    Int4,
#pragma warning restore CA1720
}

/// <summary>Names and sizes of <see cref="WeightPrecision"/>.</summary>
public static class WeightPrecisions
{
    /// <summary>The names a spec may use, in the order of the enumeration.</summary>
    public static IReadOnlyList<string> Names { get; } = ["float32", "bfloat16", "int8", "float16", "int4"];

    /// <summary>The name of a precision in a spec.</summary>
    /// <param name="precision">The precision.</param>
    public static string GetName(this WeightPrecision precision) => Names[(int)precision];

    /// <summary>The bytes of a row of a weight, with its scales.</summary>
    /// <param name="precision">The precision.</param>
    /// <param name="columns">The values of a row.</param>
    /// <exception cref="ArgumentOutOfRangeException">The precision is not defined.</exception>
    public static long GetRowBytes(this WeightPrecision precision, int columns) => precision switch
    {
        WeightPrecision.Float32 => 4L * columns,
        WeightPrecision.BFloat16 or WeightPrecision.Float16 => 2L * columns,
        WeightPrecision.Int8 => columns + 4L,
        WeightPrecision.Int4 => ((columns + 31) / 32 * (16L + 2)) + 4,
        _ => throw new ArgumentOutOfRangeException(nameof(precision), precision, "The precision is not defined."),
    };

    /// <summary>Finds a precision by its name in a spec.</summary>
    /// <param name="name">The name, case-sensitive.</param>
    /// <param name="precision">The precision found.</param>
    public static bool TryParse(string name, out WeightPrecision precision)
    {
        for (var i = 0; i < Names.Count; i++)
        {
            if (!string.Equals(Names[i], name, StringComparison.Ordinal)) continue;
            precision = (WeightPrecision)i;
            return true;
        }

        precision = default;
        return false;
    }
}
