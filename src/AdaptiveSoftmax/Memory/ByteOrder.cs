namespace AdaptiveSoftmax;

/// <summary>What the library asks of a machine: tables of generated classes and weights in files are read as they stand, lowest byte first.</summary>
internal static class ByteOrder
{
    /// <exception cref="PlatformNotSupportedException">The machine is big-endian.</exception>
    public static void Check() => Check(BitConverter.IsLittleEndian);

    /// <summary>The same of another machine.</summary>
    internal static void Check(bool isLittleEndian)
    {
        if (!isLittleEndian)
            throw new PlatformNotSupportedException("This machine is big-endian, and AdaptiveSoftmax reads its tables and weights with the lowest byte first. Run it on x64 or ARM64.");
    }
}
