namespace AdaptiveSoftmax.Distributed.Tests;

public sealed class CollectivesTests
{
    private static string Expected
    {
        get
        {
            var digest = SumProgram.Digest(SumProgram.Sum(0, SumProgram.Leaves));
            return $"{digest} {digest} 3,1,4";
        }
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    [InlineData(7)]
    [InlineData(13)]
    public void Sums_HaveTheTreesBits_ForAnyNumberOfThreads(int ranks) => Assert.Equal(Expected, RunThreads(ranks, "sums"));

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(7)]
    [InlineData(13)]
    public void Sums_HaveTheTreesBits_ThroughSharedMemory(int ranks) => Assert.Equal(Expected, RunWithWindows(ranks, "sums"));

    [Theory]
    [MemberData(nameof(MpiJob.Launchers), MemberType = typeof(MpiJob))]
    public async Task Sums_HaveTheTreesBits_ForProcesses(string launcher)
    {
        foreach (var program in (string[][])[["sums"], ["messages", "sums"]])
        {
            var job = await MpiJob.RunAsync(launcher, 2, program);
            Assert.Equal(Expected, job.OutputOfSuccess());
        }
    }

    [Theory]
    [MemberData(nameof(MpiJob.Launchers), MemberType = typeof(MpiJob))]
    public async Task ProcessesOfOneMachine_ShareMemory(string launcher)
    {
        var job = await MpiJob.RunAsync(launcher, 3, "shared");
        Assert.Equal("windows", job.OutputOfSuccess());
    }

    [Fact]
    public void TheOrderOfAdditions_ShowsInTheBits()
    {
        var sum = new float[SumProgram.Length];
        for (var leaf = 0; leaf < SumProgram.Leaves; leaf++)
        {
            var values = SumProgram.Leaf(leaf);
            for (var i = 0; i < sum.Length; i++) sum[i] += values[i];
        }

        Assert.NotEqual(SumProgram.Digest(SumProgram.Sum(0, SumProgram.Leaves)), SumProgram.Digest(sum));
    }

    [Fact]
    public void NodesOfRanks_CoverTheLeavesInOrder()
    {
        for (var leaves = 1; leaves < 40; leaves++)
        {
            for (var ranks = 1; ranks <= leaves; ranks++)
            {
                var tree = new SumTree(leaves, ranks);
                var next = 0;
                for (var rank = 0; rank < ranks; rank++)
                {
                    Assert.Equal(next, tree.LeavesOf(rank).Start);
                    foreach (var node in tree.NodesOf(rank))
                    {
                        Assert.Equal(next, node.Index << node.Level);
                        next = Math.Min(leaves, (node.Index + 1) << node.Level);
                    }

                    Assert.Equal(next, tree.LeavesOf(rank).End);
                }

                Assert.Equal(leaves, next);
            }
        }
    }

    [Fact]
    public void LargeValues_CrossInPieces() => ThreadCollectives.Run(3, CheckLargeValues);

    [Fact]
    public void LargeValues_CrossInPieces_ThroughSharedMemory() => ThreadCollectives.Run(3, CheckLargeValues, hasWindows: true);

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void ASum_MayTakeThePlaceOfATerm(bool hasWindows)
    {
        // Two nodes on two ranks, one of them missing: the sum is where the last term is.
        const int Length = 300_001;
        ThreadCollectives.Run(
            2,
            collectives =>
            {
                var tree = new SumTree(3, 2);
                Assert.Equal([1, 2], [tree.NodesOf(0).Count, tree.NodesOf(1).Count]);
                var values = new float[2 * Length];
                for (var i = 0; i < values.Length; i++) values[i] = (i % 1000) + (10_000 * collectives.Rank);
                unsafe
                {
                    fixed (float* first = values)
                    {
                        nint[] nodes = [(nint)first, (nint)(first + Length)];
                        using var exchange = new TreeExchange(collectives, tree);
                        exchange.ReduceAll(nodes[..tree.NodesOf(collectives.Rank).Count], [[true], [false, true]], Length, (float*)nodes[collectives.Rank], scale: 0.5f);
                    }
                }

                for (var i = 0; i < Length; i++) Assert.Equal(0.5f * ((i % 1000) + ((i + Length) % 1000) + 10_000), values[(collectives.Rank * Length) + i]);
            },
            hasWindows);
    }

    private static void CheckLargeValues(Collectives collectives)
    {
        const int Length = (1 << 22) + 12345;
        var tree = new SumTree(3, 3);
        var own = new float[tree.NodesOf(collectives.Rank).Count * Length];
        for (var i = 0; i < own.Length; i++) own[i] = (i % 1000) + collectives.Rank;
        var sum = new float[Length];
        collectives.AllReduce(tree, own, sum);
        Assert.Empty(sum.Where((value, i) => value != (3 * (i % 1000)) + 3));

        var (start, end) = collectives.PartOf(collectives.Rank, Length);
        var part = new float[end - start];
        collectives.ReduceScatter(tree, own, Length, part);
        Assert.True(part.AsSpan().SequenceEqual(sum.AsSpan(start, end - start)));

        var all = new float[3 * Length];
        collectives.AllGather<float>(own, all);
        for (var rank = 0; rank < 3; rank++) Assert.Equal(((Length - 1) % 1000) + rank, all[((rank + 1) * Length) - 1]);
        collectives.Broadcast<float>(own, root: 2);
        Assert.Equal(((Length - 1) % 1000) + 2, own[Length - 1]);
    }

    [Fact]
    public void BytesReceived_AreThoseThatTheOthersSend()
    {
        ThreadCollectives.Run(4, collectives =>
        {
            var tree = new SumTree(4, 4);
            var before = collectives.BytesReceived;
            collectives.Barrier();
            var header = collectives.BytesReceived - before;
            Assert.Equal(3 * 32, header);

            // Of each of three ranks a quarter to add up, and then the other three quarters of the sum.
            before = collectives.BytesReceived;
            collectives.AllReduce(tree, new float[1000], new float[1000]);
            Assert.Equal(header + (3 * 250 * 4) + (750 * 4), collectives.BytesReceived - before);
        });
    }

    [Fact]
    public void RanksThatMakeDifferentCalls_AllLearnOfBoth()
    {
        var messages = new string[3];
        var exception = Assert.Throws<RankMismatchException>(() => ThreadCollectives.Run(3, collectives =>
        {
            try
            {
                if (collectives.Rank == 2) collectives.Barrier();
                else collectives.AllGather<int>([1, 2], new int[6]);
            }
            catch (RankMismatchException mismatch)
            {
                messages[collectives.Rank] = mismatch.Message;
                throw;
            }
        }));
        Assert.Equal("Rank 2 calls Barrier as its call 1, and rank 0 calls AllGather with 2 values of 4 bytes as its call 1; all ranks must make the same calls in the same order, with values of the same sizes.", exception.Message);
        Assert.All(messages, message => Assert.Equal(exception.Message, message));
    }

    [Fact]
    public void ValuesOfDifferentSizes_AreRefusedBeforeTheyCross()
    {
        var exception = Assert.Throws<RankMismatchException>(() => ThreadCollectives.Run(2, collectives => collectives.Broadcast<double>(new double[3 + collectives.Rank])));
        Assert.Contains("Rank 1 calls Broadcast from rank 0 with 4 values of 8 bytes as its call 1, and rank 0 calls Broadcast from rank 0 with 3 values of 8 bytes", exception.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void ARankThatEndsEarly_IsNotWaitedFor()
    {
        var exception = Assert.Throws<RankMismatchException>(() => ThreadCollectives.Run(2, collectives => Programs.Run("leave", collectives, [], _ => { })));
        Assert.Contains("Rank 1 ends after 0 calls, and rank 0 calls Barrier", exception.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void AnExceptionOfARank_EndsTheOthers()
    {
        Exception? other = null;
        var exception = Assert.Throws<InvalidOperationException>(() => ThreadCollectives.Run(2, collectives =>
        {
            try
            {
                Programs.Run("fail", collectives, [], _ => { });
            }
            catch (RankStoppedException stopped)
            {
                other = stopped;
                throw;
            }
        }));
        Assert.Equal("The disk of rank 1 is full.", exception.Message);
        Assert.Equal("Rank 1 has failed: The disk of rank 1 is full.", other!.Message);
    }

    [Fact]
    public void DifferentFacts_AreNamedWithBothValues()
    {
        var exception = Assert.Throws<RankMismatchException>(() => ThreadCollectives.Run(3, collectives => collectives.CheckAgreement([new("the seed", collectives.Rank < 2 ? "1" : "2"), new("the file", "a.bin")])));
        Assert.Equal("The ranks do not agree: the seed is 2 on rank 2 and 1 on rank 0. Start all of them with the same program, files and options.", exception.Message);
    }

    [Fact]
    public void MoreRanksThanTerms_AreRefused() =>
        Assert.Contains("A sum of 2 terms cannot be dealt out to 3 ranks; cut the batch into at least 3, or start fewer ranks.", Assert.Throws<ArgumentOutOfRangeException>(() => new SumTree(2, 3)).Message, StringComparison.Ordinal);

    internal static string RunThreads(int ranks, params string[] program) => Run(ranks, hasWindows: false, program);

    internal static string RunWithWindows(int ranks, params string[] program) => Run(ranks, hasWindows: true, program);

    private static string Run(int ranks, bool hasWindows, string[] program)
    {
        var output = "";
        ThreadCollectives.Run(ranks, collectives => Programs.Run(program[0], collectives, program[1..], text => output = text), hasWindows);
        return output;
    }
}
