using AdaptiveSoftmax.Gpu.Tests;
using TorchSharp;
using static TorchSharp.torch;

namespace AdaptiveSoftmax.TorchSharp.Tests;

/// <summary>Input embeddings that share the weights of a softmax.</summary>
[Collection(Backend.Collection)]
public sealed class InputTyingTests
{
    private static readonly TorchCase s_case = TorchCase.Find("three cutoffs, div 2");
    private static readonly long[] s_classes = [0, 19, 5, 20, 39, 5, 7, 59, 60, 99, 3, 98, 20];

    public static TheoryData<SoftmaxImplementation, ScalarType, bool, double> Kinds => new()
    {
        { SoftmaxImplementation.Composed, ScalarType.Float64, false, 1e-12 },
        { SoftmaxImplementation.Composed, ScalarType.Float64, true, 1e-12 },
        { SoftmaxImplementation.Fused, ScalarType.Float32, false, 1e-5 },
        { SoftmaxImplementation.Fused, ScalarType.Float32, true, 1e-5 },
    };

    [Theory]
    [MemberData(nameof(Kinds))]
    public void GradientsOfBothUses_AddUpInTheSoftmaxsParameters(SoftmaxImplementation implementation, ScalarType type, bool projections, double tolerance)
    {
        using var model = new TiedModel(type, projections);
        using var exact = new TiedModel(ScalarType.Float64, projections);
        model.softmax.implementation = implementation;
        using (no_grad())
        {
            foreach (var (from, to) in model.parameters().Zip(exact.parameters())) to.copy_(from);
        }

        var loss = model.Loss(s_classes, s_case.Target());
        loss.backward();
        var vectors = InputReference.Embed(InputReference.Bands(exact.embed, exact.softmax, projections), s_classes);
        var expected = TorchReference.Loss(exact.softmax, vectors.tanh(), s_case.Target());
        expected.backward();
        Assert.Equal(expected.item<double>(), loss.to(ScalarType.Float64).item<double>(), tolerance * 10);
        foreach (var ((name, wanted), (_, found)) in exact.named_parameters().Zip(model.named_parameters()))
        {
            Assert.Equal(wanted.grad!.shape, found.grad!.shape);
            var difference = (found.grad!.to(ScalarType.Float64) - wanted.grad!).abs().max().item<double>();
            Assert.True(difference <= tolerance * wanted.grad!.abs().max().item<double>(), $"{name} differs by {difference}.");
        }
    }

    [Fact]
    public void Gradients_AreThoseOfFiniteDifferences()
    {
        manual_seed(3);
        using var softmax = new AdaptiveLogSoftmaxWithLoss(4, 9, [3, 6], div_value: 2, dtype: ScalarType.Float64);
        using var embed = new AdaptiveInput(softmax, tie_projections: true);
        var (input, target) = (tensor(new long[] { 0, 8, 5, 8, 2, 0 }), tensor(new long[] { 8, 5, 2, 0, 1, 3 }));
        FiniteDifferences.AssertGradients(softmax.named_parameters().Concat(embed.named_parameters()), Loss);

        Tensor Loss() => softmax.forward(embed.forward(input).sin(), target).loss;
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void EachWeight_IsOneParameter_AndOneTensorOfTheStateDict(bool projections)
    {
        using var model = new TiedModel(ScalarType.Float32, projections);
        string[] own = [.. model.embed.named_parameters().Select(pair => pair.name)];
        Assert.Equal(
            projections ? ["embeddings.0.1.weight"] : ["embeddings.0.1.weight", "embeddings.1.1.weight", "embeddings.2.1.weight", "embeddings.3.1.weight"],
            own);
        Assert.Equal(own, model.embed.state_dict().Keys);
        string[] all = [.. own.Select(name => $"embed.{name}"), .. model.softmax.named_parameters().Select(pair => $"softmax.{pair.name}")];
        Assert.Equal(all.Order(), model.state_dict().Keys.Order());
        Assert.Equal(all.Length, model.parameters().Select(parameter => parameter.Handle).Distinct().Count());
    }

    [Theory]
    [InlineData(SoftmaxImplementation.Composed, false)]
    [InlineData(SoftmaxImplementation.Composed, true)]
    [InlineData(SoftmaxImplementation.Fused, true)]
    public void OptimizerSteps_KeepBothUsesEqual(SoftmaxImplementation implementation, bool projections)
    {
        using var model = new TiedModel(ScalarType.Float32, projections);
        model.softmax.implementation = implementation;
        var optimizer = optim.Adam(model.parameters(), lr: 0.01);
        var before = model.embed.forward(tensor(s_classes)).detach();
        var first = model.Loss(s_classes, s_case.Target()).item<float>();
        for (var step = 0; step < 20; step++)
        {
            optimizer.zero_grad();
            model.Loss(s_classes, s_case.Target()).backward();
            optimizer.step();
        }

        Assert.True(model.Loss(s_classes, s_case.Target()).item<float>() < 0.8 * first);
        AssertTied(model, projections);
        Assert.False(allclose(before, model.embed.forward(tensor(s_classes))));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void SavingLoadingAndMoving_KeepTheTie(bool projections)
    {
        using var model = new TiedModel(ScalarType.Float32, projections);
        using var other = new TiedModel(ScalarType.Float32, projections, seed: 8);
        var expected = model.embed.forward(tensor(s_classes));
        var file = Path.GetTempFileName();
        try
        {
            model.save(file);
            other.load(file);
        }
        finally
        {
            File.Delete(file);
        }

        Assert.Equal(expected.data<float>().ToArray(), other.embed.forward(tensor(s_classes)).data<float>().ToArray());
        using (no_grad()) foreach (var parameter in other.softmax.parameters()) parameter.mul_(3);
        AssertTied(other, projections);
        other.to(ScalarType.Float64);
        AssertTied(other, projections);
        using (no_grad()) foreach (var parameter in other.softmax.parameters()) parameter.mul_(3);
        AssertTied(other, projections);
    }

    [Fact]
    public void Padding_HasAZeroVector_AndItsRowStaysTheSoftmaxs()
    {
        using var softmax = s_case.Create();
        var row = softmax.head.weight[3].clone();
        using var embed = new AdaptiveInput(softmax, padding_idx: 3);
        Assert.Equal(0, embed.forward(tensor(3L)).abs().sum().item<double>());
        ParityTests.AssertClose(row, softmax.head.weight[3]);
        softmax.zero_grad();
        embed.forward(tensor(new long[] { 3, 4, 3 })).sum().backward();
        Assert.Equal([4L], softmax.head.weight.grad!.ne(0).any(1).nonzero().squeeze(1).data<long>().ToArray());
    }

    [Fact]
    public void FrozenSoftmax_StillEmbeds_AndOwnProjectionsTrain()
    {
        using var model = new TiedModel(ScalarType.Float32, projections: false);
        foreach (var parameter in model.softmax.parameters()) parameter.requires_grad = false;
        model.Loss(s_classes, s_case.Target()).backward();
        Assert.All(model.softmax.parameters(), parameter => Assert.Null(parameter.grad));
        Assert.All(model.embed.parameters(), parameter => Assert.NotNull(parameter.grad));
    }

    [Fact]
    public void ASoftmaxMovedAlone_IsRefused()
    {
        using var softmax = s_case.Create();
        using var embed = new AdaptiveInput(softmax);
        softmax.to(ScalarType.BFloat16);
        Assert.Contains("BFloat16 on cpu and the embeddings' own projections Float64", Assert.Throws<InvalidOperationException>(() => embed.forward(tensor(1L))).Message, StringComparison.Ordinal);
        embed.to(ScalarType.BFloat16);
        Assert.Equal(ScalarType.BFloat16, embed.forward(tensor(1L)).dtype);
    }

    [Fact]
    public void DisposedEmbeddings_LeaveTheSoftmaxUsable()
    {
        using var softmax = s_case.Create();
        new AdaptiveInput(softmax, tie_projections: true).Dispose();
        Assert.True(softmax.forward(s_case.Input(), s_case.Target()).loss.item<double>() > 0);
        Assert.Throws<ArgumentNullException>(() => new AdaptiveInput((AdaptiveLogSoftmaxWithLoss)null!));
    }

    // The program of docs/torchsharp.md.
    [Fact]
    public void AModelOfTokenIds_LearnsWhatFollows()
    {
        manual_seed(1);
        using var layer = Tides.Create(seed: 1);
        using var softmax = layer.ToTorch();
        using var embed = new AdaptiveInput(softmax, tie_projections: true, padding_idx: -1);
        using var body = nn.Sequential(nn.Linear(embed.embedding_dim, softmax.in_features), nn.Tanh());
        using var slotOfId = layer.CreateSlotTable();
        var optimizer = optim.Adam([.. embed.parameters(), .. body.parameters(), .. softmax.parameters()], lr: 0.02);
        long[] tokens = [40, 7, 1003, 2, 15, 0, 40, 7];
        var slots = slotOfId.index_select(0, tensor(tokens));
        var (input, target) = (slots.narrow(0, 0, 7), slots.narrow(0, 1, 7));
        for (var step = 0; step < 200; step++)
        {
            optimizer.zero_grad();
            var (_, loss) = softmax.forward(body.call(embed.call(input)), target);
            loss.backward();
            optimizer.step();
        }

        var next = softmax.predict(body.call(embed.call(slots.narrow(0, 2, 1)))).item<long>();
        Assert.Equal(2, Tides.Vocabulary.GetTokenId((int)next));
        Assert.Equal(target.data<long>().ToArray(), softmax.predict(body.call(embed.call(input))).data<long>().ToArray());
    }

    private static void AssertTied(TiedModel model, bool projections)
    {
        var expected = InputReference.Embed(InputReference.Bands(model.embed, model.softmax, projections), s_classes);
        Assert.True(allclose(expected, model.embed.forward(tensor(s_classes)), 1e-5, 1e-6), "The embeddings are not the softmax's.");
    }

    private sealed class TiedModel : nn.Module
    {
        public readonly AdaptiveLogSoftmaxWithLoss softmax;
        public readonly AdaptiveInput embed;

        public TiedModel(ScalarType type, bool projections, int seed = 7)
            : base(nameof(TiedModel))
        {
            manual_seed(seed);
            softmax = new AdaptiveLogSoftmaxWithLoss(16, 100, [20, 60, 80], div_value: 2, head_bias: true, dtype: type);
            embed = new AdaptiveInput(softmax, projections);
            RegisterComponents();
        }

        public Tensor Loss(long[] classes, Tensor target) => softmax.forward(embed.forward(tensor(classes)).tanh(), target).loss;
    }
}
