using System.Diagnostics;
using AdaptiveSoftmax;
using AdaptiveSoftmax.Distributed;
using AdaptiveSoftmax.Vocabulary;

const string Path = "run.safetensors";
const int Steps = 100;

MpiCollectives.Run(ranks =>
{
    // The same on every rank: seeds, sizes, options. DataParallel compares the weights, and says where they differ.
    using var softmax = new DynamicAdaptiveSoftmax(SoftmaxLayout.Create(8, 60, [20, 40], divValue: 2), seed: 1);
    using var embedding = new Parameter("embedding", 60, 8, GradientLayout.SparseRows);
    for (var token = 0; token < 60; token++) embedding.EditRow(token, row => row[token % 8] = 1 + (token / 8));
    using var optimizer = new Adagrad(learningRate: 0.3);

    // A job that is started again goes on where the last save was.
    var checkpoint = new Checkpoint(softmax, [embedding], optimizer);
    if (File.Exists(Path)) checkpoint.Restore(Path);
    using var parallel = new DataParallel(ranks, softmax, body: [embedding], shards: 8);
    var start = Stopwatch.GetTimestamp();
    var first = (int)checkpoint.Step;
    for (var step = first; step < Steps; step++)
    {
        foreach (var shard in parallel.OwnShards)
        {
            // The batch is eight texts, of which this rank has some: token t is followed by t + 1.
            var token = ((7 * step) + (15 * shard)) % 59;
            var hiddenGradient = new float[8];
            parallel.Backward(embedding.Row(token), [token + 1], hiddenGradient);
            var rowGradient = embedding.TouchGradientRow(token);
            for (var i = 0; i < 8; i++) rowGradient[i] += hiddenGradient[i];
            parallel.EndShard(shard);
        }

        var loss = parallel.Reduce();                                // the mean over the targets of all ranks
        GradientClipping.ClipByGlobalNorm(parallel.Parameters, 1);   // the norm of the whole batch
        parallel.Step(optimizer);
        checkpoint.Step = step + 1;
        if (ranks.Rank == 0 && step % 33 == 0) Console.WriteLine($"step {step}: loss {loss.Mean:F3}");
        if (ranks.Rank == 0 && (checkpoint.Step % 50 == 0 || checkpoint.Step == Steps)) checkpoint.Save(Path);
    }

    if (ranks.Rank != 0 || first == Steps) return;
    var milliseconds = Stopwatch.GetElapsedTime(start).TotalMilliseconds;
    Console.WriteLine($"{ranks.Size} ranks of {ranks.LibraryVersion}: {milliseconds / (Steps - first):F2} ms and {ranks.BytesReceived / (Steps - first):N0} bytes a step");
});
