using LanguageModelSample;

namespace AdaptiveSoftmax.Samples.Tests;

public sealed class TrainerTests : IDisposable
{
    private const int Steps = 60;
    private const int FallAt = 40;

    private readonly string _folder = Directory.CreateTempSubdirectory("adaptive-softmax-sample-").FullName;
    private readonly int[] _text = TinyModel.CreateText(2000);

    private string CheckpointPath => Path.Combine(_folder, "run.safetensors");

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Theory]
    [InlineData(10)]
    [InlineData(FallAt)]
    [InlineData(50)]
    public void ResumedRun_ComesToTheSameBits(int stop)
    {
        using var model = TinyModel.Create(seed: 1);
        using var trainer = new Trainer(model, _text, seed: 1, batchSize: 8);
        Advance(trainer, Steps);

        using var firstModel = TinyModel.Create(seed: 1);
        using var firstTrainer = new Trainer(firstModel, _text, seed: 1, batchSize: 8);
        Advance(firstTrainer, stop);
        firstTrainer.Seconds = 1.5;
        firstTrainer.Save(CheckpointPath);

        // Another seed: whatever decides the run must come from the file.
        using var secondModel = TinyModel.Create(seed: 2);
        using var secondTrainer = new Trainer(secondModel, _text, seed: 2, batchSize: 8);
        secondTrainer.Restore(CheckpointPath);
        Assert.Equal(stop, secondTrainer.Step);
        Assert.Equal(1.5, secondTrainer.Seconds);
        Advance(secondTrainer, Steps);
        Assert.Equal(TinyModel.Bits(model), TinyModel.Bits(secondModel));
        Assert.NotEqual(TinyModel.Bits(model), TinyModel.Bits(firstModel));
    }

    [Fact]
    public void ThreadCount_ChangesNoBit()
    {
        using var one = TinyModel.Create(seed: 1, threads: 1);
        using var three = TinyModel.Create(seed: 1, threads: 3);
        using var oneTrainer = new Trainer(one, _text, seed: 1, batchSize: 64);
        using var threeTrainer = new Trainer(three, _text, seed: 1, batchSize: 64);
        Advance(oneTrainer, 10);
        Advance(threeTrainer, 10);
        Assert.Equal(TinyModel.Bits(one), TinyModel.Bits(three));
    }

    [Fact]
    public void Training_FindsThePatternOfTheText()
    {
        using var model = TinyModel.Create(seed: 1);
        using var trainer = new Trainer(model, _text, seed: 1, batchSize: 32);
        var untrained = model.Perplexity(_text, 500);
        for (var i = 0; i < 400; i++) trainer.Advance();

        // Three of four tokens follow from the one before, the rest are any of the twelve. Three tokens share an
        // embedding, so not all can be told apart.
        var entropy = -((0.75 + (0.25 / 12)) * Math.Log(0.75 + (0.25 / 12))) - (11 * (0.25 / 12) * Math.Log(0.25 / 12));
        Assert.InRange(model.Perplexity(_text, 500), Math.Exp(entropy) * 0.8, Math.Exp(entropy) * 1.4);
        Assert.InRange(untrained, 9, 20);
    }

    [Fact]
    public void LearningRate_RisesHoldsAndFallsToZero()
    {
        var open = new Schedule();
        Assert.Equal(0.5, open.RateAt(24), 1e-9);
        Assert.Equal(1, open.RateAt(49), 1e-9);
        Assert.Equal(1, open.RateAt(1_000_000), 1e-9);
        Assert.Null(open.End);

        var falling = new Schedule { Start = 1000, FallStart = 1600 };
        Assert.Equal(2000, falling.End);
        Assert.Equal(1, falling.RateAt(1600), 1e-9);
        Assert.Equal(0.5, falling.RateAt(1800), 1e-9);
        Assert.Equal(0, falling.RateAt(2000), 1e-9);
        Assert.Equal(0, falling.RateAt(2001), 1e-9);
    }

    private static void Advance(Trainer trainer, long to)
    {
        while (trainer.Step < to)
        {
            if (trainer.Step == FallAt) trainer.BeginFall();
            trainer.Advance();
        }
    }
}
