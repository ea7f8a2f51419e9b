using CsCheck;

namespace AdaptiveSoftmax.Tests.Memory;

/// <summary>Working memory: what is lent at the same time never overlaps, and calls allocate nothing after warm-up.</summary>
public unsafe class ScratchTests
{
    // A call is a tree of scopes; each lends some blocks before and after its children.
    private static readonly Gen<int[]> s_call = Gen.Int[0, 5000].Array[1, 60];

    [Fact]
    public void BlocksOfOpenScopes_KeepTheirValues() => s_call.Array[1, 4].Sample(
        calls =>
        {
            using var scratch = new Scratch();
            foreach (var call in calls)
            {
                var next = 0;
                Run(scratch, call, ref next, depth: 0);
                scratch.Reset();
            }
        },
        iter: 300);

    [Fact]
    public void TheSameCallAgain_HasTheSameAddresses_AndNoMoreMemory() => s_call.Sample(
        call =>
        {
            using var scratch = new Scratch();
            List<nint> first = [], second = [];
            Record(scratch, call, []);
            var count = scratch.Count;
            Record(scratch, call, first);
            Record(scratch, call, second);
            Assert.Equal(first, second);
            Assert.Equal(count, scratch.Count);
        },
        iter: 300);

    [Fact]
    public void ALoopOfScopes_NeedsOneRoundsMemory()
    {
        using var scratch = new Scratch();
        scratch.Floats(100);
        for (var round = 0; round < 1000; round++)
        {
            using var scope = scratch.Begin();
            scratch.Floats(5000);
            scratch.Floats(7000);
        }

        Assert.True(scratch.Count < 2 * (5000 + 7000 + 1000), $"It holds {scratch.Count} floats.");
    }

    [Fact]
    public void Blocks_AreAligned()
    {
        using var scratch = new Scratch();
        for (var count = 0; count < 70; count++) Assert.Equal(0, (nint)scratch.Floats(count) % 64);
    }

    private static void Record(Scratch scratch, int[] call, List<nint> addresses)
    {
        for (var i = 0; i < call.Length; i += 3)
        {
            addresses.Add((nint)scratch.Floats(call[i]));
            using var scope = scratch.Begin();
            foreach (var count in call.Skip(i + 1).Take(2)) addresses.Add((nint)scratch.Floats(count));
        }

        scratch.Reset();
    }

    private static void Run(Scratch scratch, int[] call, ref int next, int depth)
    {
        using var scope = scratch.Begin();
        var lent = new List<(nint Block, int Count, float Mark)>();
        while (next < call.Length)
        {
            var count = call[next++];
            var block = scratch.Floats(count);
            new Span<float>(block, count).Fill(next);
            lent.Add(((nint)block, count, next));
            if (count % 3 == 0 && depth < 4) Run(scratch, call, ref next, depth + 1);
            if (count % 5 == 0 && depth > 0) break;
        }

        foreach (var (block, count, mark) in lent)
            Assert.Equal(-1, new ReadOnlySpan<float>((float*)block, count).IndexOfAnyExcept(mark));
    }
}
