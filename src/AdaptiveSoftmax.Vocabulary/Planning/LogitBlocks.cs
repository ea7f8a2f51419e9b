namespace AdaptiveSoftmax.Vocabulary;

/// <summary>How many tokens are computed together: as many as their logits fit a scratch memory.</summary>
internal static class LogitBlocks
{
    /// <summary>The bytes of logits that are kept at a time, unless something else is asked for.</summary>
    public const long DefaultBytes = 64L << 20;

    /// <summary>Lanes come in this multiple, which every vector width divides, so that few tokens waste little.</summary>
    public const int LaneMultiple = 16;

    /// <summary>Past this a block gains nothing: a weight is then used 256 times for each time that it is read.</summary>
    public const int MaximumLanes = 256;

    // A block smaller than this would read the weights too often.
    private const int MinimumLanes = 32;

    /// <summary>The most tokens whose logits over <paramref name="rows"/> rows fit so many bytes, at least 32.</summary>
    public static int SizeFor(long rows, long bytes = DefaultBytes)
    {
        var lanes = bytes / sizeof(float) / Math.Max(1, rows);
        return (int)Math.Max(MinimumLanes, Math.Min(lanes / LaneMultiple * LaneMultiple, MaximumLanes));
    }
}
