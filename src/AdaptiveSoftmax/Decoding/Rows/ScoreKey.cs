namespace AdaptiveSoftmax;

/// <summary>
/// Score and slot as one number: a smaller key is a better token, that is a higher score or, of equal scores, a lower slot.
/// </summary>
internal static class ScoreKey
{
    /// <summary>No token: worse than any key of a score.</summary>
    public const ulong None = ulong.MaxValue;

    public static ulong Of(float score, int slot)
    {
        // Adding 0 makes −0 equal to 0. Flipping the negative numbers' other bits puts floats in the order of integers.
        var bits = BitConverter.SingleToInt32Bits(score + 0f);
        var ascending = (uint)(bits ^ ((bits >> 31) & int.MaxValue)) ^ 0x80000000;
        return ((ulong)~ascending << 32) | (uint)slot;
    }

    public static float Score(ulong key)
    {
        var bits = (int)(~(uint)(key >> 32) ^ 0x80000000);
        return BitConverter.Int32BitsToSingle(bits ^ ((bits >> 31) & int.MaxValue));
    }

    public static int Slot(ulong key) => (int)(uint)key;
}
