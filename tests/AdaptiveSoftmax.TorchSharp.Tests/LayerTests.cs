using AdaptiveSoftmax.Gpu.Tests;
using AdaptiveSoftmax.Vocabulary;
using static TorchSharp.torch;

namespace AdaptiveSoftmax.TorchSharp.Tests;

/// <summary>A generated class beside the module that it became.</summary>
[Collection(Backend.Collection)]
public sealed class LayerTests
{
    private const int Tokens = 40;

    [Fact]
    public void ToTorchAndFromTorch_KeepEveryBit()
    {
        using var layer = News.Create(seed: 3);
        layer.Head.Weight.WritableValues[3] = BitConverter.Int32BitsToSingle(1);
        using var module = layer.ToTorch();
        Assert.Same(layer.Identity, module.Identity);
        Assert.Equal(layer.Parameters.Select(parameter => parameter.Name), module.named_parameters().Select(pair => pair.name));
        using var back = News.Create(seed: 4);
        back.FromTorch(module);
        Assert.Equal(layer.Parameters.Select(Bits), back.Parameters.Select(Bits));
        using var wide = layer.ToTorch(dtype: ScalarType.Float64);
        using var narrowed = News.Create(seed: 5);
        narrowed.FromTorch(wide);
        Assert.Equal(layer.Parameters.Select(Bits), narrowed.Parameters.Select(Bits));
    }

    // The program of docs/torchsharp.md.
    [Fact]
    public void TrainedModule_TeachesTheClassItCameFrom()
    {
        manual_seed(1);
        using var layer = News.Create(seed: 1);
        using var softmax = layer.ToTorch();
        var optimizer = optim.Adagrad(softmax.parameters(), lr: 0.3);
        var hidden = randn(2, softmax.in_features);
        News.Vocabulary.TryGetSlot("river"u8, out var river);
        News.Vocabulary.TryGetSlot("the"u8, out var the);
        var targets = tensor(new long[] { river.Slot, the.Slot });
        for (var step = 0; step < 100; step++)
        {
            optimizer.zero_grad();
            var (_, loss) = softmax.forward(hidden, targets);
            loss.backward();
            optimizer.step();
        }

        layer.FromTorch(softmax);
        Assert.Equal([river.Slot, the.Slot], softmax.predict(hidden).data<long>().ToArray());
        Assert.Equal(river.Id, layer.Predict(hidden[0].data<float>().ToArray()));
    }

    [Fact]
    public void SlotTable_HasTheSlotOfEachId_AndMinusOneInTheGaps()
    {
        using var layer = Tides.Create(seed: 1);
        var table = layer.CreateSlotTable();
        Assert.Equal(ScalarType.Int64, table.dtype);
        Assert.Equal(
            Enumerable.Range(0, 1004).Select(id => Tides.Vocabulary.TryGetSlot(id, out var slot) ? slot.Slot : -1L),
            table.data<long>().ToArray());
        int[] some = [2, 40, 1003, 0, 1];
        var ids = tensor(some);
        Assert.Equal([3L, 0L, 2L, 5L, -1L], table.index_select(0, ids).data<long>().ToArray());
        // An id without a token is no class.
        using var softmax = layer.ToTorch();
        using var embed = new AdaptiveInput(softmax);
        Assert.Throws<ArgumentException>(() => embed.forward(table.index_select(0, ids)));
        Assert.Equal([4L, 8L], embed.forward(table.index_select(0, ids.narrow(0, 0, 4))).shape);
    }

    [Fact]
    public void FromTorch_RefusesWhatIsNotOfThisVocabulary()
    {
        using var layer = News.Create(seed: 3);
        var before = layer.Parameters.Select(Bits).ToArray();
        using var unmarked = new AdaptiveLogSoftmaxWithLoss(layer.Layout);
        AssertRefused("no fingerprint", unmarked, accept: false);
        using var otherSizes = new AdaptiveLogSoftmaxWithLoss(SoftmaxLayout.Create(12, 12, [3, 7], 2, hasHeadBias: true));
        AssertRefused("cutoffs 3, 7", otherSizes, accept: true);
        using var otherVocabulary = new AdaptiveLogSoftmaxWithLoss(layer.Layout) { Identity = layer.Identity with { Fingerprint = "1", VocabularyFingerprint = "2" } };
        AssertRefused("vocabulary", otherVocabulary, accept: true);
        Assert.Equal(before, layer.Parameters.Select(Bits));
        layer.FromTorch(unmarked, acceptUnmarked: true);
        Assert.NotEqual(before, layer.Parameters.Select(Bits));

        // A layer without a vocabulary takes any weights of its sizes.
        using var plain = new DynamicAdaptiveSoftmax(layer.Layout);
        using var marked = layer.ToTorch();
        plain.FromTorch(marked);
        plain.FromTorch(unmarked);

        void AssertRefused(string message, AdaptiveLogSoftmaxWithLoss module, bool accept) =>
            Assert.Contains(message, Assert.Throws<CheckpointMismatchException>(() => layer.FromTorch(module, accept)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Module_ComputesWhatTheClassComputesOnTheCpu()
    {
        using var layer = News.Create(seed: 8);
        var (hidden, input, target, targets) = Data();
        using var module = layer.ToTorch();
        var gradient = new float[hidden.Length];
        var loss = layer.Backward(hidden, targets, gradient);
        input.requires_grad_();
        var torchLoss = module.forward(input, target).loss;
        torchLoss.backward();
        Assert.Equal(torchLoss.item<float>(), loss, 1e-5f);
        AssertClose(input.grad!, gradient);
        foreach (var (own, parameter) in layer.Parameters.Zip(module.parameters())) AssertClose(parameter.grad!, own.Gradient.ToArray());
        var logProbs = new float[Tokens * News.VocabularySize];
        layer.LogProb(hidden, logProbs);
        AssertClose(module.log_prob(input), logProbs);
        var predictions = new int[Tokens];
        layer.Predict(hidden, predictions);
        Assert.Equal(module.predict(input).data<long>().ToArray(), predictions.Select(token => (long)News.Vocabulary.GetSlot(token).Slot));
    }

    [Fact]
    public void Module_ComputesWhatTheClassComputesOnOpenCl()
    {
        using var host = News.Create(seed: 8);
        using var layer = host.ToGpu(Backend.OpenCl);
        var (hidden, input, target, targets) = Data();
        using var module = host.ToTorch();
        Assert.Equal(module.forward(input, target).loss.item<float>(), layer.Loss(hidden, targets), 1e-5f);
        var logProbs = new float[Tokens * News.VocabularySize];
        layer.LogProb(hidden, logProbs);
        AssertClose(module.log_prob(input), logProbs);
        var predictions = new int[Tokens];
        layer.Predict(hidden, predictions);
        Assert.Equal(module.predict(input).data<long>().ToArray(), predictions.Select(token => (long)News.Vocabulary.GetSlot(token).Slot));
    }

    private static (float[] Hidden, Tensor Input, Tensor Target, int[] Targets) Data()
    {
        var random = new Random(5);
        var hidden = new float[Tokens * News.HiddenSize];
        foreach (ref var value in hidden.AsSpan()) value = (random.NextSingle() * 6) - 3;
        var slots = Enumerable.Range(0, Tokens).Select(token => (long)(token % News.VocabularySize)).ToArray();
        // Inline tokens have their places as ids.
        return (hidden, tensor(hidden).reshape(Tokens, News.HiddenSize), tensor(slots), [.. slots.Select(slot => (int)slot)]);
    }

    private static void AssertClose(Tensor expected, float[] actual) =>
        Assert.True(allclose(expected.flatten(), tensor(actual), 1e-4, 1e-5), "The values differ.");

    private static int[] Bits(Parameter parameter) => [.. parameter.Values.ToArray().Select(BitConverter.SingleToInt32Bits)];
}
