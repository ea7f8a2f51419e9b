namespace AdaptiveSoftmax.Tests.Memory;

public class ByteOrderTests
{
    [Fact]
    public void BigEndianMachines_AreRefused()
    {
        ByteOrder.Check(isLittleEndian: true);
        var refusal = Assert.Throws<PlatformNotSupportedException>(() => ByteOrder.Check(isLittleEndian: false));
        Assert.Contains("big-endian", refusal.Message, StringComparison.Ordinal);
        Assert.Contains("Run it on x64 or ARM64.", refusal.Message, StringComparison.Ordinal);
    }
}
