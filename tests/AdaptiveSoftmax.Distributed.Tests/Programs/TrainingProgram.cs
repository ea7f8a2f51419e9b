using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;
using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax.Distributed.Tests;

/// <summary>Trains a small model: an embedding that learns by rows, a matrix, an adaptive softmax.</summary>
internal static class TrainingProgram
{
    public const int Hidden = 12;
    public const int Vocabulary = 60;
    public const int Shards = 12;
    public const int TokensPerShard = 5;

    /// <summary>A softmax with two tails, which only some of the shards reach.</summary>
    public static DynamicAdaptiveSoftmax CreateSoftmax(ulong seed, int vocabulary = Vocabulary) =>
        new(SoftmaxLayout.Create(Hidden, vocabulary, [20, 40], [6, 3]), seed, new AdaptiveSoftmaxOptions { Threads = 1 });

    /// <summary>The tokens of a shard of a step: inputs, and the targets that follow them.</summary>
    public static (int[] Inputs, int[] Targets) Shard(int step, int shard)
    {
        var random = new Random((step * 1000) + shard);
        var inputs = new int[TokensPerShard];
        var targets = new int[TokensPerShard];
        for (var i = 0; i < TokensPerShard; i++)
        {
            inputs[i] = random.Next(Vocabulary);
            // In every fourth step no target is in the last tail, in others those of few shards; some shards have none at all.
            var limit = step % 4 == 3 ? 40 : shard % 5 == step % 5 ? Vocabulary : 20;
            targets[i] = random.Next(7) == 0 || (shard == 4 && step % 3 == 0) ? -100 : ((inputs[i] * 7) + random.Next(3)) % limit;
        }

        return (inputs, targets);
    }

    /// <summary>The model of a rank.</summary>
    public sealed class Model : IDisposable
    {
        public DynamicAdaptiveSoftmax Softmax { get; } = CreateSoftmax(seed: 5);

        public Parameter Embedding { get; } = new("embedding", Vocabulary, Hidden, GradientLayout.SparseRows);

        public Parameter Matrix { get; } = new("matrix", Hidden, Hidden);

        public IReadOnlyList<Parameter> Body => [Embedding, Matrix];

        public Model()
        {
            var random = new Random(9);
            Embedding.Edit(values => Fill(values, random, 0.5f));
            Matrix.Edit(values => Fill(values, random, 0.4f));
        }

        /// <summary>The hidden vectors: a row of the embedding through the matrix.</summary>
        public float[] Forward(int[] inputs)
        {
            var hidden = new float[inputs.Length * Hidden];
            for (var token = 0; token < inputs.Length; token++)
            {
                var row = Embedding.Row(inputs[token]);
                for (var i = 0; i < Hidden; i++)
                {
                    for (var j = 0; j < Hidden; j++) hidden[(token * Hidden) + i] += Matrix.Values[(i * Hidden) + j] * row[j];
                }
            }

            return hidden;
        }

        /// <summary>Adds to the gradients of embedding and matrix.</summary>
        public void Backward(int[] inputs, ReadOnlySpan<float> hiddenGradient)
        {
            var matrix = Matrix.TouchGradient();
            for (var token = 0; token < inputs.Length; token++)
            {
                var row = Embedding.Row(inputs[token]);
                var rowGradient = Embedding.TouchGradientRow(inputs[token]);
                for (var i = 0; i < Hidden; i++)
                {
                    var gradient = hiddenGradient[(token * Hidden) + i];
                    for (var j = 0; j < Hidden; j++)
                    {
                        matrix[(i * Hidden) + j] += gradient * row[j];
                        rowGradient[j] += gradient * Matrix.Values[(i * Hidden) + j];
                    }
                }
            }
        }

        public void Dispose()
        {
            Softmax.Dispose();
            Embedding.Dispose();
            Matrix.Dispose();
        }

        private static void Fill(Span<float> values, Random random, float scale)
        {
            foreach (ref var value in values) value = ((float)random.NextDouble() - 0.5f) * scale;
        }
    }

    /// <summary>Trains, and tells the bits of losses, gradients and weights.</summary>
    public static string Run(Collectives collectives, int steps)
    {
        using var model = new Model();
        using var optimizer = new AdamW(0.01) { Threads = 1 };
        using var parallel = new DataParallel(collectives, model.Softmax, model.Body, Shards) { Threads = 1 };
        var losses = new List<float>();
        var gradients = new List<float>();
        var skipped = new StringBuilder();
        for (var step = 0; step < steps; step++)
        {
            var loss = Accumulate(parallel, model, step);
            losses.Add((float)loss.Mean);
            skipped.Append(parallel.Parameters.Count(parameter => !parameter.HasGradient).ToString(CultureInfo.InvariantCulture));
            if (step % 10 == 0)
            {
                foreach (var parameter in parallel.Parameters) gradients.AddRange(parameter.Gradient);
            }

            losses.Add((float)GradientClipping.ClipByGlobalNorm(parallel.Parameters, 0.5));
            parallel.Step(optimizer);
        }

        var weights = parallel.Parameters.SelectMany(parameter => parameter.Values.ToArray()).ToArray();
        return string.Create(CultureInfo.InvariantCulture, $"losses {SumProgram.Digest(CollectionsMarshal.AsSpan(losses))} gradients {SumProgram.Digest(CollectionsMarshal.AsSpan(gradients))} weights {SumProgram.Digest(weights)} skipped {skipped} first {losses[0]:R} last {losses[^2]:R}");
    }

    /// <summary>Trains some steps of a longer run, from a file and to a file, and tells the bits of the weights.</summary>
    public static string RunPart(Collectives collectives, int first, int last, string? from, string? to)
    {
        using var model = new Model();
        using var optimizer = new AdamW(0.01) { Threads = 1 };
        var checkpoint = new Checkpoint(model.Softmax, model.Body, optimizer);
        if (from is not null) checkpoint.Restore(from);
        using var parallel = new DataParallel(collectives, model.Softmax, model.Body, Shards) { Threads = 1 };
        for (var step = first; step < last; step++)
        {
            Accumulate(parallel, model, step);
            parallel.Step(optimizer);
        }

        if (to is not null && collectives.Rank == 0) checkpoint.Save(to);
        return SumProgram.Digest(parallel.Parameters.SelectMany(parameter => parameter.Values.ToArray()).ToArray());
    }

    /// <summary>The gradients of one step, over all shards of all ranks.</summary>
    public static BatchLoss Accumulate(DataParallel parallel, Model model, int step)
    {
        foreach (var shard in parallel.OwnShards)
        {
            var (inputs, targets) = Shard(step, shard);
            var hidden = model.Forward(inputs);
            var gradient = new float[hidden.Length];
            parallel.Backward(hidden, targets, gradient);
            model.Backward(inputs, gradient);
            parallel.EndShard(shard);
        }

        return parallel.Reduce();
    }
}
