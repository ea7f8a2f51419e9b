using AdaptiveSoftmax.Gpu.Tests.Emulation;

namespace AdaptiveSoftmax.CudaEmulation.Tests.Ptx;

/// <summary>Threads that part and meet again.</summary>
public sealed class WarpTests
{
    private static readonly uint[][] s_threads = [.. Enumerable.Range(0, 32).Select(i => new[] { (uint)i })];

    // An exchange needs the whole warp, so that it proves that all have met.
    private const string Meet = "shfl.sync.bfly.b32 x, r, 1, 31, 0xffffffff; add.s32 r, r, x;";

    [Fact]
    public void PathsOutOfLine_MeetWhereTheyJoin()
    {
        // As ILGPU writes them: the rarer side stands behind the end and jumps back.
        var results = Probe.Run($"""
            setp.lt.s32 p, t, 10;
            @p bra FEW;
            mov.b32 r, 100;
            JOIN:
            {Meet}
            bra END;
            FEW:
            setp.lt.s32 q, t, 3;
            @q bra FEWER;
            mov.b32 r, 10;
            bra JOIN;
            FEWER:
            mov.b32 r, 1;
            bra JOIN;
            """, s_threads);
        Assert.Equal(Enumerable.Range(0, 32).Select(i => Value(i) + Value(i ^ 1)), results.Select(result => (int)result.R));

        static int Value(int thread) => thread < 3 ? 1 : thread < 10 ? 10 : 100;
    }

    [Fact]
    public void LoopsOfDifferentLength_MeetBehindTheLoop()
    {
        var results = Probe.Run($"""
            mov.b32 y, 0;
            LOOP:
            setp.ge.s32 p, y, a;
            @p bra DONE;
            and.b32 x, y, 1;
            setp.eq.s32 q, x, 0;
            @q bra EVEN;
            add.s32 r, r, 1;
            NEXT:
            add.s32 y, y, 1;
            bra LOOP;
            EVEN:
            add.s32 r, r, 100;
            bra NEXT;
            DONE:
            {Meet}
            """, s_threads);
        Assert.Equal(Enumerable.Range(0, 32).Select(i => Value(i) + Value(i ^ 1)), results.Select(result => (int)result.R));

        static int Value(int thread) => (thread / 2) + ((thread + 1) / 2 * 100);
    }

    [Fact]
    public void BarrierWithinABranch_IsAnError()
    {
        var exception = Assert.Throws<PtxException>(() => Probe.Run("setp.lt.s32 p, t, 10; @p bra SOME; bra END; SOME: bar.sync 0;", s_threads));
        Assert.Contains("Only lanes 000003ff of a warp meet at a barrier", exception.Message, StringComparison.Ordinal);
        Assert.Contains("bar.sync 0", exception.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void ExchangeWithinABranch_IsAnError() =>
        Assert.Throws<PtxException>(() => Probe.Run($"setp.lt.s32 p, t, 10; @p bra SOME; bra END; SOME: {Meet}", s_threads));

    [Fact]
    public void BranchThatPromisesToBeUniformAndIsNot_IsAnError()
    {
        Probe.Run("setp.lt.s32 p, t, 100; @p bra.uni END; mov.b32 r, 1;", s_threads);
        Assert.Throws<PtxException>(() => Probe.Run("setp.lt.s32 p, t, 10; @p bra.uni END; mov.b32 r, 1;", s_threads));
    }

    [Fact]
    public void EndOfSomeThreads_LeavesTheOthersRunning()
    {
        var results = Probe.Run("setp.lt.s32 p, t, 10; @p ret; mov.b32 r, 5; bar.sync 0;", s_threads);
        Assert.Equal(Enumerable.Range(0, 32).Select(i => i < 10 ? 0 : 5), results.Select(result => (int)result.R));
    }

    [Fact]
    public void WarpThatIsNotFull_RunsWithTheThreadsItHas()
    {
        uint[][] threads = [.. Enumerable.Range(0, 45).Select(i => new[] { (uint)(i * 3) })];
        Assert.Equal(Enumerable.Range(0, 45).Select(i => (i * 3) + i), Probe.Run("add.s32 r, a, t; bar.sync 0;", threads).Select(result => (int)result.R));
        Assert.Throws<PtxException>(() => Probe.Run(Meet, threads));
    }

    [Theory]
    [InlineData("frob.b32 r, a;", "frob.b32")]
    [InlineData("add.s32 r, a, w;", "64 bits")]
    [InlineData("bra NOWHERE;", "NOWHERE")]
    [InlineData("mov.u32 r, %clock;", "%clock")]
    public void WhatIsNotKnown_IsRefusedBeforeItRuns(string body, string named) =>
        Assert.Contains(named, Assert.Throws<PtxException>(() => PtxParser.Parse(Probe.Text(32, body))).Message, StringComparison.Ordinal);
}
