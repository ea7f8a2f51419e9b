using AdaptiveSoftmax.TorchSharp;
using TorchLstmSample;
using static TorchSharp.torch;

namespace AdaptiveSoftmax.TorchLstm.Tests;

public sealed class LstmTrainerTests
{
    private readonly int[] _text = TinyLstm.CreateText(1200);

    [Fact]
    public void Training_FindsThePatternOfTheText()
    {
        using var layer = TinyLstm.CreateLayer(seed: 1);
        using var model = TinyLstm.CreateAdaptive(layer, seed: 1, dropout: 0);
        using var trainer = new LstmTrainer(model, _text, TinyLstm.Streams, TinyLstm.Steps);
        var untrained = model.Perplexity(_text, 256);
        for (var step = 0; step < 600; step++) trainer.Step(step, rate: 1, seed: 1);

        // Four of five tokens follow from the two before, the rest are any.
        Assert.InRange(untrained, TinyLstm.Tokens * 0.8, TinyLstm.Tokens * 3);
        Assert.InRange(model.Perplexity(_text, 256), 1, untrained / 2);
    }

    [Fact]
    public void AdaptiveAndFullModels_StartFromTheSameBody_AndReadTheSameText()
    {
        using var layer = TinyLstm.CreateLayer(seed: 1);
        using var adaptive = TinyLstm.CreateAdaptive(layer, seed: 7);
        using var full = TinyLstm.CreateFull(seed: 7);
        using var other = TinyLstm.CreateFull(seed: 8);
        Assert.Equal(BodyValues(adaptive), BodyValues(full));
        Assert.NotEqual(BodyValues(adaptive), BodyValues(other));

        using var adaptiveTrainer = new LstmTrainer(adaptive, _text, TinyLstm.Streams, TinyLstm.Steps);
        using var fullTrainer = new LstmTrainer(full, _text, TinyLstm.Streams, TinyLstm.Steps);
        for (var step = 0; step < 3; step++)
        {
            var losses = (adaptiveTrainer.Step(step, rate: 1, seed: 1), fullTrainer.Step(step, rate: 1, seed: 1));
            Assert.Equal(adaptiveTrainer.Batch.TargetSlots, fullTrainer.Batch.TargetSlots);
            if (step == 0) Assert.All(new[] { losses.Item1, losses.Item2 }, loss => Assert.InRange(loss, 2.8f, 4.5f));
        }
    }

    [Fact]
    public void FusedAndComposedTraining_AgreeToRounding()
    {
        using var layer = TinyLstm.CreateLayer(seed: 1);
        using var fused = TinyLstm.CreateAdaptive(layer, seed: 1);
        using var composed = TinyLstm.CreateAdaptive(layer, seed: 1, implementation: SoftmaxImplementation.Composed);
        using var fusedTrainer = new LstmTrainer(fused, _text, TinyLstm.Streams, TinyLstm.Steps);
        using var composedTrainer = new LstmTrainer(composed, _text, TinyLstm.Streams, TinyLstm.Steps);
        for (var step = 0; step < 10; step++) Assert.Equal(composedTrainer.Step(step, rate: 1, seed: 1), fusedTrainer.Step(step, rate: 1, seed: 1), 1e-3f);
    }

    [Fact]
    public void State_IsCarriedFromStepToStep_AndForgottenWhereTheTextStartsAgain()
    {
        using var layer = TinyLstm.CreateLayer(seed: 1);
        using var model = TinyLstm.CreateAdaptive(layer, seed: 1, dropout: 0);
        // 3 steps of 5 tokens in each of 4 streams of 16.
        using var trainer = new LstmTrainer(model, _text[..64], TinyLstm.Streams, TinyLstm.Steps);
        var losses = new float[6];
        for (var step = 0; step < 6; step++)
        {
            // Without a learning rate the model stays as it is.
            losses[step] = trainer.Step(step, rate: 0, seed: 1);
            if (step % 3 != 2) continue;
            using var scope = NewDisposeScope();
            var whole = new TokenBatch(15, TinyLstm.Streams);
            for (var stream = 0; stream < TinyLstm.Streams; stream++) whole.Fill(stream, _text.AsSpan(stream * 16, 16));
            var expected = LstmState.Zero(TinyLstm.Streams, TinyLstm.Hidden);
            model.Read(whole.Inputs(), expected);
            AssertClose(TinyLstm.Floats(expected.Hidden), TinyLstm.Floats(trainer.State.Hidden));
            AssertClose(TinyLstm.Floats(expected.Cell), TinyLstm.Floats(trainer.State.Cell));
        }

        Assert.Equal(losses[..3], losses[3..]);
        Assert.Equal(3, losses.Distinct().Count());
    }

    [Theory]
    [InlineData("the head", float.NaN)]
    [InlineData("the head", float.NegativeInfinity)]
    [InlineData("the body", float.PositiveInfinity)]
    [InlineData("the embeddings", float.NaN)]
    [InlineData("the state", float.NaN)]
    public void StepThatIsNotFinite_LeavesItsBatchOut_AndTrainingGoesOn(string where, float fault)
    {
        using var layer = TinyLstm.CreateLayer(seed: 1);
        using var model = TinyLstm.CreateAdaptive(layer, seed: 1);
        using var trainer = new LstmTrainer(model, _text, TinyLstm.Streams, TinyLstm.Steps);
        using var twinLayer = TinyLstm.CreateLayer(seed: 1);
        using var twin = TinyLstm.CreateAdaptive(twinLayer, seed: 1);
        using var twinTrainer = new LstmTrainer(twin, _text, TinyLstm.Streams, TinyLstm.Steps);
        for (var step = 0; step < 3; step++) Assert.Equal(twinTrainer.Step(step, rate: 1, seed: 1), trainer.Step(step, rate: 1, seed: 1));

        // One value is spoilt for a step and is back for the next: all else must be as if that step had not been.
        using var spoilt = where switch
        {
            "the head" => model.Head.Parameters[0].detach(),
            "the body" => model.Body.Parameters[0].detach(),
            "the embeddings" => model.Body.Embeddings.Values.detach(),
            _ => trainer.State.Hidden.detach(),
        };
        using var before = spoilt.clone();
        spoilt.fill_(fault);
        var bits = AllBits(trainer);
        Assert.True(float.IsNaN(trainer.Step(3, rate: 1, seed: 1)));
        Assert.Equal(bits, AllBits(trainer));
        spoilt.copy_(before);
        Assert.Equal(AllBits(twinTrainer), AllBits(trainer));
        for (var step = 3; step < 6; step++)
        {
            var loss = trainer.Step(step, rate: 1, seed: 1);
            Assert.True(float.IsFinite(loss));
            Assert.Equal(twinTrainer.Step(step, rate: 1, seed: 1), loss);
        }

        Assert.Equal(AllBits(twinTrainer), AllBits(trainer));
    }

    [Fact]
    public void StepsOfTheEmbeddings_AreThoseOfADenseAdagrad()
    {
        using var scope = NewDisposeScope();
        using var generator = random.manual_seed(3);
        using var table = new EmbeddingTable(10, 4);
        using var dense = nn.Embedding(10, 4);
        using (no_grad()) dense.weight!.copy_(table.Values);
        using var optimizer = optim.Adagrad(dense.parameters(), lr: 0.1);
        var weights = randn(6, 4);
        foreach (var slots in new long[][] { [1, 3, 1, 9, 0, 1], [3, 3, 3, 12, 9, 2], [1, 11, 4, 4, 0, 13] })
        {
            optimizer.zero_grad();
            dense.call(tensor(slots).clamp_max(9)).pow(2).mul(weights).sum().backward();
            optimizer.step();

            var batch = table.Take(tensor(slots));
            batch.Embedded.pow(2).mul(weights).sum().backward();
            table.Step(batch, rate: 0.1);
            AssertClose(TinyLstm.Floats(dense.weight!), TinyLstm.Floats(table.Values));
        }
    }

    [Theory]
    [InlineData("a fused step of the adaptive model")]
    [InlineData("a composed step of the adaptive model")]
    [InlineData("a step of the full model")]
    [InlineData("a perplexity of the adaptive model")]
    [InlineData("a perplexity of the full model")]
    [InlineData("reading")]
    [InlineData("a prediction")]
    public void Work_LeavesNoTensorBehind(string work)
    {
        using var layer = TinyLstm.CreateLayer(seed: 1);
        using var adaptive = TinyLstm.CreateAdaptive(layer, seed: 1);
        using var composed = TinyLstm.CreateAdaptive(layer, seed: 1, implementation: SoftmaxImplementation.Composed);
        using var full = TinyLstm.CreateFull(seed: 1);
        using var adaptiveTrainer = new LstmTrainer(adaptive, _text, TinyLstm.Streams, TinyLstm.Steps);
        using var composedTrainer = new LstmTrainer(composed, _text, TinyLstm.Streams, TinyLstm.Steps);
        using var fullTrainer = new LstmTrainer(full, _text, TinyLstm.Streams, TinyLstm.Steps);
        Do(0);
        Do(1);
        var before = global::TorchSharp.DisposeScopeManager.Statistics.ThreadTotalLiveCount;
        for (var step = 2; step < 12; step++) Do(step);
        Assert.Equal(before, global::TorchSharp.DisposeScopeManager.Statistics.ThreadTotalLiveCount);

        void Do(int step)
        {
            _ = work switch
            {
                "a fused step of the adaptive model" => adaptiveTrainer.Step(step, rate: 1, seed: 1),
                "a composed step of the adaptive model" => composedTrainer.Step(step, rate: 1, seed: 1),
                "a step of the full model" => fullTrainer.Step(step, rate: 1, seed: 1),
                "a perplexity of the adaptive model" => adaptive.Perplexity(_text, 128),
                "a perplexity of the full model" => full.Perplexity(_text, 128),
                "reading" => Read(adaptive),
                _ => Predict(adaptive) + Predict(full),
            };
        }

        long Read(LstmModel model)
        {
            using var hidden = model.ReadStretches(_text, 3);
            return hidden.numel();
        }

        long Predict(LstmModel model)
        {
            using var hidden = ones(2, model.Body.Shape.HiddenSize);
            using var slots = model.Head.Predict(hidden);
            return slots.numel();
        }
    }

    // Model, state of the optimizers, state between steps.
    private static int[] AllBits(LstmTrainer trainer) =>
    [
        .. TinyLstm.Bits(trainer.Model),
        .. trainer.SquareSums.Append(trainer.Model.Body.Embeddings.SquareSums).Append(trainer.State.Hidden).Append(trainer.State.Cell)
            .SelectMany(TinyLstm.Floats).Select(BitConverter.SingleToInt32Bits),
    ];

    private static float[] BodyValues(LstmModel model) =>
        [.. TinyLstm.Floats(model.Body.Embeddings.Values), .. model.Body.Parameters.SelectMany(TinyLstm.Floats)];

    private static void AssertClose(float[] expected, float[] actual)
    {
        Assert.Equal(expected.Length, actual.Length);
        for (var i = 0; i < expected.Length; i++) Assert.Equal(expected[i], actual[i], 1e-5f);
    }
}
