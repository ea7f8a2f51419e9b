namespace AdaptiveSoftmax.Distributed.Tests;

/// <summary>Trains for some batches, of which the first fails on one rank for want of memory.</summary>
internal static class FailingProgram
{
    /// <summary>Trains on three batches.</summary>
    /// <param name="collectives">The ranks.</param>
    /// <param name="failAt">At which of its blocks of memory the last rank fails; negative for a run without the first batch.</param>
    /// <returns>What the rank is told of the first batch, empty where it does not fail, and the bits of the weights after the others.</returns>
    public static (string Message, string Digest) Run(Collectives collectives, int failAt)
    {
        using var model = new TrainingProgram.Model();
        using var optimizer = new AdamW(0.01) { Threads = 1 };
        using var parallel = new DataParallel(collectives, model.Softmax, model.Body, TrainingProgram.Shards) { Threads = 1 };
        var nodes = parallel.Shards.Nodes;
        var allocate = nodes.Allocate;
        if (collectives.Rank == collectives.Size - 1) nodes.Allocate = count => failAt-- != 0 ? allocate(count) : throw new IOException("No room.");
        var message = failAt < 0 ? "" : Fail(parallel, model, collectives.Rank);
        nodes.Allocate = allocate;
        for (var step = 1; step < 3; step++)
        {
            TrainingProgram.Accumulate(parallel, model, step);
            parallel.Step(optimizer);
        }

        return (message, SumProgram.Digest(parallel.Parameters.SelectMany(parameter => parameter.Values.ToArray()).ToArray()));
    }

    private static string Fail(DataParallel parallel, TrainingProgram.Model model, int rank)
    {
        var (ended, failure) = (0, default(Exception));
        try
        {
            foreach (var shard in parallel.OwnShards)
            {
                var (inputs, targets) = TrainingProgram.Shard(0, shard);
                var gradient = new float[inputs.Length * TrainingProgram.Hidden];
                parallel.Backward(model.Forward(inputs), targets, gradient);
                model.Backward(inputs, gradient);
                parallel.EndShard(shard);
                ended++;
            }
        }
        catch (IOException exception)
        {
            failure = exception;
            var refusal = Assert.Throws<InvalidOperationException>(() => parallel.EndShard(parallel.OwnShards[ended])).Message;
            Assert.Equal($"Shard {parallel.OwnShards[ended]} of rank {rank} has failed; call Reduce, on all ranks, which leaves the batch out.", refusal);
            Assert.Equal(refusal, Assert.Throws<InvalidOperationException>(() => parallel.Backward(new float[TrainingProgram.Hidden], [1])).Message);
        }

        try
        {
            parallel.Reduce();
            Assert.Null(failure);
            return "";
        }
        catch (InvalidOperationException exception)
        {
            Assert.Same(failure, exception.InnerException);
            Assert.DoesNotContain(parallel.Parameters, parameter => parameter.HasGradient);
            return exception.Message;
        }
    }
}
