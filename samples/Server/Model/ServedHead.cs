using AdaptiveSoftmax;
using AdaptiveSoftmax.Vocabulary;

namespace ServerSample;

/// <summary>What decodes.</summary>
internal enum ServedHead
{
    /// <summary>The softmax as it is stored.</summary>
    Stored,

    /// <summary>An int8 copy.</summary>
    Int8,

    /// <summary>An int4 copy.</summary>
    Int4,

    /// <summary>The stored softmax, whose predictions smaller copies find.</summary>
    Certified,
}

/// <summary>Makes them.</summary>
internal static class ServedHeads
{
    /// <summary>What decodes in place of a softmax; the softmax itself where it is served as it is stored.</summary>
    public static SoftmaxDecoder Create(AdaptiveSoftmaxLayer softmax, ServedHead head) => head switch
    {
        ServedHead.Int8 => softmax.Quantize(new QuantizationOptions { Head = WeightPrecision.Int8, Tails = WeightPrecision.Int8 }),
        ServedHead.Int4 => softmax.Quantize(new QuantizationOptions { Head = WeightPrecision.Int4, Tails = WeightPrecision.Int4 }),
        ServedHead.Certified => softmax.Certify(),
        _ => softmax,
    };
}
