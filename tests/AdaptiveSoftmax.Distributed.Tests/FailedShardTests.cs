namespace AdaptiveSoftmax.Distributed.Tests;

/// <summary>Batches of which a shard fails on one rank, or never comes.</summary>
public sealed class FailedShardTests
{
    private static readonly Lazy<string> s_without = new(() => Run(1, failAt: -1).Digest);

    [Theory]
    [InlineData(1, 4)]
    [InlineData(2, 3)]
    [InlineData(3, 2)]
    [InlineData(4, 1)]
    public void TheBatch_IsLeftOutOnAllRanks_WhereverItFails(int ranks, int atLeast)
    {
        var shards = new HashSet<string>();
        for (var failAt = 0; ; failAt++)
        {
            var (message, digest) = Run(ranks, failAt);
            if (message.Length == 0) break;
            Assert.Matches($@"^Shard \d+ of rank {ranks - 1} has failed \(IOException\): No room\. The batch is left out on all ranks, which can go on with the next\.$", message);
            Assert.Equal(s_without.Value, digest);
            shards.Add(message);
        }

        // The memory of nodes that were added up serves the next ones, so it is the levels of the tree that count.
        Assert.InRange(shards.Count, atLeast, 4);
    }

    [Theory]
    [MemberData(nameof(MpiJob.Launchers), MemberType = typeof(MpiJob))]
    public async Task TheBatch_IsLeftOutOnAllProcesses(string launcher)
    {
        var job = await MpiJob.RunAsync(launcher, 2, "failing", "0");
        Assert.Equal($"Shard 6 of rank 1 has failed (IOException): No room. The batch is left out on all ranks, which can go on with the next. {s_without.Value}", job.OutputOfSuccess());
    }

    [Fact]
    public void MemoryOfABatchThatFailed_IsThatOfTheNext()
    {
        var needed = Count(failAt: -1);
        Assert.InRange(needed, 3, 8);
        for (var failAt = 0; failAt < needed; failAt++) Assert.Equal(needed, Count(failAt));

        static int Count(int failAt)
        {
            var (count, blocks) = (0, new List<NativeFloats>());
            ThreadCollectives.Run(1, collectives =>
            {
                using var softmax = TrainingProgram.CreateSoftmax(seed: 1);
                using (var parallel = new DataParallel(collectives, softmax, null, shards: 8) { Threads = 1 })
                {
                    parallel.Shards.Nodes.Allocate = count =>
                    {
                        if (failAt-- == 0) throw new IOException("No room.");
                        blocks.Add(new NativeFloats(count));
                        return blocks[^1];
                    };
                    if (failAt >= 0)
                    {
                        Assert.Throws<IOException>(() => EndAll(parallel));
                        Assert.Throws<InvalidOperationException>(() => parallel.Reduce());
                    }

                    EndAll(parallel);
                    parallel.Reduce();
                    count = blocks.Count;
                }

                Assert.All(blocks, block => Assert.True(IsFree(block)));
            });
            return count;
        }

        static unsafe bool IsFree(NativeFloats block) => block.Pointer is null;

        static void EndAll(DataParallel parallel)
        {
            foreach (var shard in parallel.OwnShards)
            {
                parallel.Backward(new float[TrainingProgram.Hidden], [1]);
                parallel.EndShard(shard);
            }
        }
    }

    [Fact]
    public void AShardThatIsMissingOnOneRank_IsNamedOnAll_AndTheNextBatchCounts()
    {
        ThreadCollectives.Run(3, collectives =>
        {
            using var softmax = TrainingProgram.CreateSoftmax(seed: 1);
            using var parallel = new DataParallel(collectives, softmax, null, shards: 3);
            parallel.Backward(new float[TrainingProgram.Hidden], [1]);
            if (collectives.Rank != 1) parallel.EndShard(collectives.Rank);
            Assert.Equal(
                "Shard 1 of rank 1 is missing; call EndShard for each of OwnShards, also where a shard has no targets. The batch is left out on all ranks, which can go on with the next.",
                Assert.Throws<InvalidOperationException>(() => parallel.Reduce()).Message);
            Assert.DoesNotContain(parallel.Parameters, parameter => parameter.HasGradient);
            parallel.Backward(new float[2 * TrainingProgram.Hidden], [1, 2]);
            parallel.EndShard(collectives.Rank);
            Assert.Equal(6, parallel.Reduce().Weight);
        });
    }

    [Fact]
    public void ACallThatIsNoneOfAll_LeavesTheBatchAsItWas()
    {
        ThreadCollectives.Run(2, collectives =>
        {
            using var softmax = TrainingProgram.CreateSoftmax(seed: 1);
            using var parallel = new DataParallel(collectives, softmax, null, shards: 2);
            var loss = parallel.Backward(new float[TrainingProgram.Hidden], [1]);
            Assert.Throws<RankMismatchException>(() =>
            {
                if (collectives.Rank == 0) parallel.Reduce();
                else collectives.AllGatherUneven<double>([1], out _);
            });
            parallel.EndShard(collectives.Rank);
            var whole = parallel.Reduce();
            Assert.Equal((2.0, loss), (whole.Weight, (float)whole.Mean));
        });
    }

    [Fact]
    public void ABody_IsLeftOutOnAllRanksToo()
    {
        ThreadCollectives.Run(2, collectives =>
        {
            using var matrix = new Parameter("matrix", 2, 2);
            using var body = new BodyParallel(collectives, [matrix], shards: 2);
            matrix.TouchGradient()[0] = 1;
            if (collectives.Rank == 1) body.EndShard(1);
            Assert.Contains("Shard 0 of rank 0 is missing", Assert.Throws<InvalidOperationException>(body.Reduce).Message, StringComparison.Ordinal);
            Assert.False(matrix.HasGradient);
            matrix.TouchGradient()[0] = 2;
            body.EndShard(collectives.Rank);
            body.Reduce();
            Assert.Equal(4, matrix.Gradient[0]);
        });
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void AParameterThatOneRankHasDisposed_IsNamedOnAll(bool beforeTheShardEnds)
    {
        ThreadCollectives.Run(2, collectives =>
        {
            using var softmax = TrainingProgram.CreateSoftmax(seed: 1);
            using var matrix = new Parameter("matrix", 2, 2);
            using var parallel = new DataParallel(collectives, softmax, [matrix], shards: 2);
            matrix.TouchGradient()[0] = 1;
            var disposes = collectives.Rank == 1;
            if (disposes && beforeTheShardEnds)
            {
                matrix.Dispose();
                Assert.Throws<ObjectDisposedException>(() => parallel.EndShard(1));
            }
            else
            {
                parallel.EndShard(collectives.Rank);
                if (disposes) matrix.Dispose();
            }

            var message = Assert.Throws<InvalidOperationException>(() => parallel.Reduce()).Message;
            Assert.StartsWith(beforeTheShardEnds ? "Shard 1 of rank 1 has failed (ObjectDisposedException): " : "'matrix' is disposed on rank 1. ", message, StringComparison.Ordinal);
        });
    }

    [Fact]
    public void OtherFrozenParameters_LeaveTheBatchOutToo()
    {
        ThreadCollectives.Run(2, collectives =>
        {
            using var softmax = TrainingProgram.CreateSoftmax(seed: 1);
            using var matrix = new Parameter("matrix", 2, 2);
            using var parallel = new DataParallel(collectives, softmax, [matrix], shards: 4);
            for (var batch = 0; batch < 2; batch++)
            {
                matrix.RequiresGradient = batch == 1 || collectives.Rank == 0;
                foreach (var shard in parallel.OwnShards)
                {
                    parallel.Backward(new float[TrainingProgram.Hidden], [1]);
                    if (matrix.RequiresGradient) matrix.TouchGradient()[0] = 3;
                    parallel.EndShard(shard);
                }

                if (batch == 0) Assert.Contains("'matrix' is frozen on one of the ranks 0 and 1", Assert.Throws<RankMismatchException>(() => parallel.Reduce()).Message, StringComparison.Ordinal);
                else parallel.Reduce();
            }

            Assert.Equal(3, matrix.Gradient[0]);
        });
    }

    [Fact]
    public void AReduceThatIsLeftHalfWay_IsTheEnd_AndEachCallSaysWhy()
    {
        var refused = 0;
        Assert.Equal("The disk of rank 1 is full.", Assert.Throws<InvalidOperationException>(() => ThreadCollectives.Run(2, collectives =>
        {
            using var softmax = TrainingProgram.CreateSoftmax(seed: 1);
            using var optimizer = new Sgd(0.1);
            using var parallel = new DataParallel(collectives, softmax, null, shards: 2);
            parallel.Backward(new float[TrainingProgram.Hidden], [1]);
            parallel.EndShard(collectives.Rank);
            if (collectives.Rank == 1)
            {
                // It ends between the first and the second call of Reduce.
                collectives.AllGatherUneven<double>(CollectiveKind.EndBatch, [1, 1], 0, out _);
                throw new InvalidOperationException("The disk of rank 1 is full.");
            }

            Assert.Throws<RankStoppedException>(() => parallel.Reduce());
            foreach (var call in (Action[])[() => parallel.Reduce(), () => parallel.EndShard(0), () => parallel.Backward([], []), () => parallel.Step(optimizer), () => parallel.TryStep(optimizer)])
            {
                var exception = Assert.Throws<InvalidOperationException>(call);
                Assert.Equal("Rank 0 has left a Reduce half way, so its gradients and those of the other ranks may differ: Rank 1 has failed: The disk of rank 1 is full. Start again from the last checkpoint.", exception.Message);
                Assert.IsType<RankStoppedException>(exception.InnerException);
                refused++;
            }
        })).Message);
        Assert.Equal(5, refused);
    }

    // Each rank is told the same.
    private static (string Message, string Digest) Run(int ranks, int failAt)
    {
        var results = new (string, string)[ranks];
        ThreadCollectives.Run(ranks, collectives => results[collectives.Rank] = FailingProgram.Run(collectives, failAt));
        return Assert.Single(results.Distinct());
    }
}
