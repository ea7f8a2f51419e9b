using AdaptiveSoftmax.Gpu.Tests.Emulation;

namespace AdaptiveSoftmax.CudaEmulation.Tests.Ptx;

/// <summary>What kernels must not do to memory, each done once.</summary>
public sealed class MemoryTests
{
    private const string Address = "ld.param.b64 wide, [input]; ";

    [Theory]
    [InlineData("ld.global.b32 r, [wide+2048];", "outside of all buffers, which has 2048 bytes")]
    [InlineData("ld.global.b32 r, [wide+-4];", "outside of all buffers")]
    [InlineData("ld.global.v4.b32 {r, x, y, a}, [wide+2040];", "outside of all buffers")]
    [InlineData("ld.global.v2.b32 {r, x}, [wide+4];", "not aligned")]
    [InlineData("mov.b64 wide, 0; st.global.b32 [wide], r;", "address 0 is outside")]
    [InlineData("ld.shared.b32 r, [1024];", "never written")]
    [InlineData("st.shared.b32 [5120], r;", "outside of the 4096 bytes")]
    public void WrongPlace_IsNamed(string body, string message)
    {
        var exception = Assert.Throws<PtxException>(() => Run(1, 1, Address + body));
        Assert.Contains(message, exception.Message, StringComparison.Ordinal);
        Assert.Contains("probe: ", exception.Message, StringComparison.Ordinal);
        Assert.Contains("warp 0 of group 0", exception.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void FreedBuffer_IsGone()
    {
        var memory = new EmulatedMemory();
        var address = memory.Allocate<uint>(new uint[64]);
        Assert.True(memory.Free(address));
        Assert.False(memory.Free(address));
        var others = memory.Allocate<ulong>(new ulong[1]);
        Assert.Contains("which was freed", Assert.Throws<PtxException>(() => Probe.Launch(memory, 1, 1, "", address, others, others)).Message, StringComparison.Ordinal);
    }

    [Theory]
    // Two threads, two warps, two groups; a write and a write, a write and a read, a read and a write.
    [InlineData(1, 2, "st.global.b32 [wide], t;")]
    [InlineData(1, 64, "st.global.b32 [wide], t;")]
    [InlineData(2, 1, "st.global.b32 [wide], t;")]
    [InlineData(2, 1, "setp.eq.s32 p, group, 0; @p st.global.b32 [wide], t; @!p ld.global.b32 r, [wide];")]
    [InlineData(2, 1, "setp.eq.s32 p, group, 1; @p st.global.b32 [wide], t; @!p ld.global.b32 r, [wide];")]
    [InlineData(1, 64, "setp.lt.s32 p, t, 32; @p ld.global.b32 r, [wide]; @!p st.global.b32 [wide], t;")]
    // A barrier orders threads of a group, and not groups.
    [InlineData(2, 32, "setp.eq.s32 p, t, 0; @p st.global.b32 [wide], t; bar.sync 0; ld.global.b32 r, [wide];")]
    // Atomic operations without a fence order nothing.
    [InlineData(2, 1, "setp.eq.s32 p, group, 0; @p st.global.b32 [wide], t; atom.add.global.u32 x, [wide+4], 1; @!p ld.global.b32 r, [wide];")]
    public void Race_IsFound(int groups, int threads, string body) => Assert.Throws<PtxException>(() => Run(groups, threads, Address + "add.s64 wide, wide, 1536; " + body));

    [Theory]
    [InlineData(1, 64, "setp.eq.s32 p, t, 0; @p st.global.b32 [wide], t; bar.sync 0; ld.global.b32 r, [wide];")]
    [InlineData(2, 32, "ld.global.b32 r, [wide];")]
    // The last group reads what the others wrote, behind fences on both sides.
    [InlineData(2, 1, "membar.gl; setp.eq.s32 p, group, 0; @p st.global.b32 [wide], t; atom.add.global.u32 x, [wide+4], 1; membar.gl; @!p ld.global.b32 r, [wide];")]
    public void OrderedAccess_IsNone(int groups, int threads, string body) => Run(groups, threads, Address + "add.s64 wide, wide, 1536; " + body);

    [Theory]
    [InlineData("st.shared.b32 [1024], t;", "without a barrier")]
    [InlineData("setp.eq.s32 p, t, 0; @p st.shared.b32 [1024], t; ld.shared.b32 r, [1024];", "without a barrier after thread 0 wrote it")]
    [InlineData("setp.eq.s32 p, t, 0; @p st.shared.b32 [1024], t; bar.sync 0; ld.shared.b32 r, [1024]; @p st.shared.b32 [1024], t;", "after another thread read it")]
    public void RaceInSharedMemory_IsFound(string body, string message) =>
        Assert.Contains(message, Assert.Throws<PtxException>(() => Run(1, 64, body)).Message, StringComparison.Ordinal);

    [Fact]
    public void SharedMemoryOfTheGroupBefore_IsNotRead()
    {
        Run(2, 32, "setp.eq.s32 p, t, 0; @p st.shared.b32 [1024], t; bar.sync 0; ld.shared.b32 r, [1024];");
        Assert.Throws<PtxException>(() => Run(2, 1, "setp.eq.s32 p, group, 0; @p st.shared.b32 [1024], t; ld.shared.b32 r, [1024];"));
    }

    private static void Run(int groups, int threads, string body)
    {
        var memory = new EmulatedMemory();
        var input = memory.Allocate<uint>(new uint[512]);
        Probe.Launch(memory, groups, threads, body, input, memory.Allocate<uint>(new uint[groups * threads]), memory.Allocate<ulong>(new ulong[groups * threads]));
    }
}
