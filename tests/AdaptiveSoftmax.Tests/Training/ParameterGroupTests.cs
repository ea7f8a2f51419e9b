namespace AdaptiveSoftmax.Tests.Training;

/// <summary>Parameters with settings of their own.</summary>
public sealed class ParameterGroupTests
{
    [Fact]
    public void AGroup_IsSteppedAsByAnOptimizerOfItsSettings_AtTheRateOfTheSchedule()
    {
        using var optimizer = new AdamW(weightDecay: 0.5);
        using var decaying = new AdamW(weightDecay: 0.5);
        using var plain = new AdamW(weightDecay: 0);
        using var slow = new AdamW(weightDecay: 0.25);
        Parameter[] grouped = [new("a", 3, 7), new("b", 3, 7), new("c", 3, 7)], alone = [new("a", 3, 7), new("b", 3, 7), new("c", 3, 7)];
        optimizer.AddGroup([grouped[1]], weightDecay: 0);
        optimizer.AddGroup([grouped[2]], learningRateFactor: 0.125, weightDecay: 0.25);
        for (var step = 0; step < 4; step++)
        {
            foreach (var parameter in (Parameter[])[.. grouped, .. alone])
            {
                var random = new Random(step);
                foreach (ref var value in parameter.TouchGradient()) value = (float)random.NextDouble();
            }

            optimizer.LearningRate = 0.5 / (1 + step);
            decaying.LearningRate = plain.LearningRate = 0.5 / (1 + step);
            slow.LearningRate = 0.0625 / (1 + step);
            optimizer.Step(grouped);
            decaying.Step(alone[0]);
            plain.Step(alone[1]);
            slow.Step(alone[2]);
        }

        for (var i = 0; i < 3; i++) Assert.Equal(alone[i].Values, grouped[i].Values);
        Assert.NotEqual(grouped[0].Values[0], grouped[1].Values[0]);
        Assert.Equal(4, optimizer.StepCount);
        foreach (var parameter in (Parameter[])[.. grouped, .. alone]) parameter.Dispose();
    }

    [Fact]
    public void GroupsThatCannotBe_AreRefusedWhole()
    {
        using var optimizer = new Sgd(0.1);
        using var first = new Parameter("a", 1, 1);
        using var second = new Parameter("b", 1, 1);
        optimizer.AddGroup([first], weightDecay: 1);
        Assert.Contains("'a' is in a group", Assert.Throws<ArgumentException>(() => optimizer.AddGroup([second, first])).Message, StringComparison.Ordinal);
        Assert.Throws<ArgumentOutOfRangeException>(() => optimizer.AddGroup([second], learningRateFactor: -1));
        Assert.Throws<ArgumentOutOfRangeException>(() => optimizer.AddGroup([second], weightDecay: double.NaN));
        optimizer.AddGroup([second, second]);

        using var undecayed = new Undecayed();
        Assert.Contains("'undecayed' has no setting 'weight_decay'", Assert.Throws<ArgumentException>(() => undecayed.AddGroup([first], weightDecay: 1)).Message, StringComparison.Ordinal);
        undecayed.AddGroup([first], learningRateFactor: 2);
        optimizer.Dispose();
        Assert.Throws<ObjectDisposedException>(() => optimizer.AddGroup([]));
    }

    private sealed class Undecayed() : Optimizer("undecayed", [new("lr", 1)])
    {
        protected override IReadOnlyList<StateBuffer> GetState(IReadOnlyDictionary<string, double> settings) => [];

        protected override void Update(ParameterStep step)
        {
        }
    }
}
