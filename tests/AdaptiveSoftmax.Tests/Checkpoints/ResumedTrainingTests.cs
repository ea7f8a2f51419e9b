using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax.Tests.Checkpoints;

/// <summary>A small language model on the real layer: an embedding of the previous token, then an adaptive softmax.</summary>
public sealed class ResumedTrainingTests : IDisposable
{
    private const int Hidden = 24;
    private const int Tokens = 90;
    private const int Batch = 17;

    private static readonly SoftmaxLayout s_layout = SoftmaxLayout.Create(Hidden, Tokens, [10, 40], divValue: 2, hasHeadBias: true);

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("sgd")]
    [InlineData("adagrad")]
    [InlineData("adamw")]
    public void RunResumedOnOtherThreads_EndsWithTheBitsOfAnUninterruptedOne(string optimizer)
    {
        const int Steps = 9;
        using var whole = new Model(optimizer, threads: 1, seed: 1);
        whole.Train(Steps);
        for (var stop = 1; stop < Steps; stop += 3)
        {
            using (var interrupted = new Model(optimizer, threads: 2, seed: 1))
            {
                interrupted.Train(stop);
                interrupted.Run.Save(_folder["run"]);
            }

            using var resumed = new Model(optimizer, threads: 3, seed: 77);
            resumed.Run.Restore(_folder["run"]);
            Assert.Equal(stop, resumed.Run.Step);
            resumed.Train(Steps - stop);
            Assert.Equal(whole.Values, resumed.Values);
        }
    }

    [Fact]
    public void EveryOptimizer_LowersTheLoss()
    {
        foreach (var optimizer in new[] { "sgd", "adagrad", "adamw" })
        {
            using var model = new Model(optimizer, threads: 2, seed: 1);
            var before = model.Train(1);
            model.Train(60);
            Assert.InRange(model.Train(1), 0, before * 0.8f);
        }
    }

    [Fact]
    public void StepOfALayer_StepsItsParameters()
    {
        using var layer = new DynamicAdaptiveSoftmax(s_layout);
        using var optimizer = new Sgd(0.5);
        var before = layer.Parameters[0].Values.ToArray();
        var bias = layer.Parameters[1].Values.ToArray();
        var gradient = new float[Hidden];
        layer.Backward(new float[Hidden], [3], gradient);
        optimizer.Step(layer);
        Assert.DoesNotContain(layer.Parameters, parameter => parameter.HasGradient);

        // A hidden vector of zeros gives the head's weight no gradient and its bias the softmax less the target.
        Assert.Equal(before, layer.Parameters[0].Values.ToArray());
        var mass = bias.Sum(value => Math.Exp(value));
        for (var i = 0; i < bias.Length; i++)
            Assert.Equal(bias[i] - (0.5 * ((Math.Exp(bias[i]) / mass) - (i == 3 ? 1 : 0))), layer.Parameters[1].Values[i], 1e-6);
        Assert.Equal(1, optimizer.StepCount);
    }

    [Fact]
    public void SavedLayer_IsRestoredFromAWholeRunsFileAndKeptFromOthers()
    {
        using var model = new Model("adamw", threads: 1, seed: 1);
        model.Train(2);
        model.Run.Save(_folder["run"]);
        using var layer = new DynamicAdaptiveSoftmax(s_layout, seed: 5);
        layer.Restore(_folder["run"]);
        for (var i = 0; i < layer.Parameters.Count; i++)
            Assert.Equal(model.Softmax.Parameters[i].Values, layer.Parameters[i].Values);

        using var other = new DynamicAdaptiveSoftmax(SoftmaxLayout.Create(Hidden, Tokens, [10, 41], divValue: 2, hasHeadBias: true));
        var error = Assert.Throws<CheckpointMismatchException>(() => other.Restore(_folder["run"]));
        Assert.Equal(["cutoffs: [10, 40] in the file, [10, 41] in the class"], error.Differences);
    }

    private sealed class Model : IDisposable
    {
        private readonly Parameter _embedding = new("embedding.weight", Tokens, Hidden, GradientLayout.SparseRows);
        private readonly Optimizer _optimizer;
        private readonly int _threads;

        public Model(string optimizer, int threads, ulong seed)
        {
            _threads = threads;
            Softmax = new DynamicAdaptiveSoftmax(s_layout, seed, new AdaptiveSoftmaxOptions { Threads = threads });
            var random = new Random((int)seed);
            foreach (ref var value in _embedding.WritableValues) value = (float)(random.NextDouble() - 0.5);
            _optimizer = optimizer switch
            {
                "sgd" => new Sgd(0.5, momentum: 0.9),
                "adagrad" => new Adagrad(0.1),
                _ => new AdamW(0.02),
            };
            _optimizer.Threads = threads;
            Run = new Checkpoint(Softmax, [_embedding], _optimizer);
        }

        public DynamicAdaptiveSoftmax Softmax { get; }

        public Checkpoint Run { get; }

        public float[] Values => [.. _embedding.Values, .. Softmax.Parameters.SelectMany(parameter => parameter.Values.ToArray())];

        public float Train(int steps)
        {
            var loss = 0f;
            var hidden = new float[Batch * Hidden];
            var gradient = new float[Batch * Hidden];
            for (var step = 0; step < steps; step++, Run.Step++)
            {
                // The text counts up in steps that depend on the token, so the next token can be learnt. The first
                // batches never reach the last cluster, which then has neither gradient nor state.
                var random = new Random((int)Run.Step);
                var inputs = new int[Batch];
                var targets = new int[Batch];
                for (var i = 0; i < Batch; i++)
                {
                    inputs[i] = random.Next(Run.Step < 3 ? 30 : Tokens);
                    targets[i] = inputs[i] % 7 == 0 ? -100 : Math.Min(Tokens - 1, inputs[i] + 1);
                    _embedding.Row(inputs[i]).CopyTo(hidden.AsSpan(i * Hidden, Hidden));
                }

                loss = Softmax.Backward(hidden, targets, gradient);
                for (var i = 0; i < Batch; i++)
                {
                    var row = _embedding.TouchGradientRow(inputs[i]);
                    for (var j = 0; j < Hidden; j++) row[j] += gradient[(i * Hidden) + j];
                }

                GradientClipping.ClipByGlobalNorm([_embedding, .. Softmax.Parameters], 1, threads: _threads);
                _optimizer.Step([_embedding, .. Softmax.Parameters]);
            }

            return loss;
        }

        public void Dispose()
        {
            _optimizer.Dispose();
            _embedding.Dispose();
            Softmax.Dispose();
        }
    }
}
