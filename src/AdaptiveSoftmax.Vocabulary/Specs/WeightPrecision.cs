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
#pragma warning restore CA1720
}

/// <summary>Names and sizes of <see cref="WeightPrecision"/>.</summary>
public static class WeightPrecisions
{
    /// <summary>The names a spec may use, in the order of the enumeration.</summary>
    public static IReadOnlyList<string> Names { get; } = ["float32", "bfloat16", "int8", "float16"];

    /// <summary>The name of a precision in a spec.</summary>
    /// <param name="precision">The precision.</param>
    public static string GetName(this WeightPrecision precision) => Names[(int)precision];

    /// <summary>The bytes that one value takes.</summary>
    /// <param name="precision">The precision.</param>
    /// <exception cref="ArgumentOutOfRangeException">The precision is not defined.</exception>
    public static int GetBytesPerValue(this WeightPrecision precision) => precision switch
    {
        WeightPrecision.Float32 => 4,
        WeightPrecision.BFloat16 or WeightPrecision.Float16 => 2,
        WeightPrecision.Int8 => 1,
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
