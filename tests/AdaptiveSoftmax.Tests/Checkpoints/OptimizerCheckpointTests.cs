using AdaptiveSoftmax.Tests.Training;

namespace AdaptiveSoftmax.Tests.Checkpoints;

/// <summary>A run with groups, several optimizers or one of the user's own is whole in its file, or refused.</summary>
public sealed class OptimizerCheckpointTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    public static TheoryData<string> Runs => ["groups", "several", "own"];

    [Theory]
    [MemberData(nameof(Runs))]
    public void RunResumedAtAnyStep_EndsWithTheBitsOfAnUninterruptedOne(string kind)
    {
        using var whole = new Run(kind);
        whole.Train(6);
        for (var stop = 0; stop < 6; stop++)
        {
            using (var interrupted = new Run(kind))
            {
                interrupted.Train(stop);
                interrupted.Checkpoint.Save(_folder["run"]);
            }

            using var resumed = new Run(kind, other: true);
            resumed.Train(2);
            resumed.Checkpoint.Restore(_folder["run"]);
            resumed.Train(6 - stop);
            Assert.Equal(whole.Values, resumed.Values);
            for (var i = 0; i < whole.Optimizers.Length; i++)
            {
                Assert.Equal(whole.Optimizers[i].Settings.ToArray(), resumed.Optimizers[i].Settings.ToArray());
                Assert.Equal(whole.Optimizers[i].StepCount, resumed.Optimizers[i].StepCount);
            }

            resumed.Checkpoint.Save(_folder["resumed"]);
            whole.Checkpoint.Save(_folder["whole"]);
            Assert.Equal(File.ReadAllBytes(_folder["whole"]), File.ReadAllBytes(_folder["resumed"]));
        }
    }

    [Fact]
    public void AnOptimizerThatTheCheckpointDoesNotName_IsNotForgotten()
    {
        using var run = new Run("several");
        var half = new Checkpoint(run.Parameters, run.Optimizers[0]);
        half.Save(_folder["untrained"]);
        run.Train(1);
        var error = Assert.Throws<InvalidOperationException>(() => half.Save(_folder["half"]));
        Assert.Contains("'bias' was stepped by an optimizer 'adamw' that is not in the checkpoint", error.Message, StringComparison.Ordinal);
        Assert.False(File.Exists(_folder["half"]));

        // Weights alone ask for no optimizer, and one that is disposed of is of no use any more.
        new Checkpoint(run.Parameters).Save(_folder["weights"]);
        run.Optimizers[1].Dispose();
        half.Save(_folder["half"]);
    }

    [Fact]
    public void OtherOptimizersThanTheFiles_AreRefusedWithoutChange()
    {
        using var run = new Run("several");
        run.Train(2);
        run.Checkpoint.Save(_folder["run"]);
        using var fresh = new Run("several", other: true);
        var before = fresh.Values;
        var error = Assert.Throws<CheckpointMismatchException>(() => new Checkpoint(fresh.Parameters, fresh.Optimizers[0]).Restore(_folder["run"]));
        Assert.Equal(["the file has the state of 2 optimizers, and 1 are to be restored"], error.Differences);
        Assert.Throws<CheckpointMismatchException>(() => new Checkpoint(fresh.Parameters, fresh.Optimizers[1], new Sgd()).Restore(_folder["run"]));
        using var own = new Run("own");
        Assert.Throws<CheckpointMismatchException>(() => own.Checkpoint.Restore(_folder["run"]));
        Assert.Equal(before, fresh.Values);
        Assert.Throws<ArgumentException>(() => new Checkpoint(run.Parameters, run.Optimizers[0], run.Optimizers[0]));
    }

    [Fact]
    public void GroupsOfParametersThatAreNotThere_AreRefused()
    {
        using var run = new Run("groups");
        using var stranger = new Parameter("stranger", 1, 1);
        run.Optimizers[0].AddGroup([stranger]);
        Assert.Contains("'stranger'", Assert.Throws<InvalidOperationException>(() => run.Checkpoint.Save(_folder["run"])).Message, StringComparison.Ordinal);
        new Checkpoint([.. run.Parameters, stranger], run.Optimizers).Save(_folder["run"]);
        using var other = new Run("groups");
        Assert.Throws<CheckpointMismatchException>(() => other.Checkpoint.Restore(_folder["run"]));
    }

    [Fact]
    public void OneParameterUnderTwoOptimizers_IsRefused()
    {
        using var run = new Run("several");
        run.Parameters[0].TouchGradient().Fill(1);
        run.Optimizers[0].Step(run.Parameters[0]);
        run.Parameters[0].TouchGradient().Fill(1);
        run.Optimizers[1].Step(run.Parameters[0]);
        Assert.Contains("Two optimizers", Assert.Throws<InvalidOperationException>(() => run.Checkpoint.Save(_folder["run"])).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void AParameterThatLayersShare_IsSavedOnce()
    {
        using var run = new Run("own");
        run.Train(1);
        new Checkpoint([run.Parameters[0], .. run.Parameters], run.Optimizers) { Step = 1 }.Save(_folder["twice"]);
        run.Checkpoint.Save(_folder["once"]);
        Assert.Equal(File.ReadAllBytes(_folder["once"]), File.ReadAllBytes(_folder["twice"]));
    }

    private sealed class Run : IDisposable
    {
        public Run(string kind, bool other = false)
        {
            Parameters = [new("weight", 5, 7), Parameter.CreateVector("bias", 5), new("embedding.weight", 9, 3, GradientLayout.SparseRows)];
            var random = new Random(other ? 2 : 1);
            foreach (var parameter in Parameters)
            {
                foreach (ref var value in parameter.WritableValues) value = (float)random.NextDouble();
            }

            var rate = other ? 0.7 : 0.05;
            Optimizers = kind switch
            {
                "groups" => [new AdamW(rate, weightDecay: 0.1)],
                "several" => [new Sgd(rate, momentum: 0.9), new AdamW(rate)],
                _ => [new Lion(rate, weightDecay: 0.1)],
            };
            if (kind == "groups" && !other)
            {
                Optimizers[0].AddGroup([Parameters[1]], weightDecay: 0);
                Optimizers[0].AddGroup([Parameters[2]], learningRateFactor: 0.3);
            }
            else if (kind == "groups")
            {
                Optimizers[0].AddGroup(Parameters, learningRateFactor: 3, weightDecay: 0.3);
            }

            Checkpoint = new Checkpoint(Parameters, Optimizers);
        }

        public Parameter[] Parameters { get; }

        public Optimizer[] Optimizers { get; }

        public Checkpoint Checkpoint { get; }

        public float[] Values => [.. Parameters.SelectMany(parameter => parameter.Values.ToArray())];

        public void Train(int steps)
        {
            for (var i = 0; i < steps; i++, Checkpoint.Step++)
            {
                var random = new Random((int)Checkpoint.Step);
                foreach (var parameter in Parameters)
                {
                    for (var row = 0; row < parameter.Rows; row++)
                    {
                        if (parameter.GradientLayout == GradientLayout.SparseRows && random.Next(3) > 0) continue;
                        var gradient = parameter.TouchGradientRow(row);
                        for (var at = 0; at < gradient.Length; at++) gradient[at] += parameter.Row(row)[at] + (float)random.NextDouble() - 0.5f;
                    }
                }

                if (Optimizers.Length == 1)
                {
                    Optimizers[0].Step(Parameters);
                    continue;
                }

                Optimizers[0].Step(Parameters[0], Parameters[2]);
                Optimizers[1].Step(Parameters[1]);
            }
        }

        public void Dispose()
        {
            foreach (var optimizer in Optimizers) optimizer.Dispose();
            foreach (var parameter in Parameters) parameter.Dispose();
        }
    }
}
