using AdaptiveSoftmax.Gpu.Tests;
using AdaptiveSoftmax.Vocabulary;
using TorchSharp;
using static TorchSharp.torch;

namespace AdaptiveSoftmax.TorchSharp.Tests;

/// <summary>Adaptive input embeddings with tables of their own against a computation token by token in double precision.</summary>
[Collection(Backend.Collection)]
public sealed class InputTests
{
    private static readonly TorchCase s_case = TorchCase.Find("three cutoffs, div 2");

    [Theory]
    [MemberData(nameof(TorchCase.Names), MemberType = typeof(TorchCase))]
    public void Vectors_AndGradients_AreThoseOfTheDefinition(string name)
    {
        var one = TorchCase.Find(name);
        using var module = Create(one);
        // Every class twice: what both places give must add up.
        long[] classes = [.. one.Targets, .. one.Targets.Reverse()];
        var weight = randn(classes.Length, one.Hidden, ScalarType.Float64, generator: new Generator(5));
        var expected = InputReference.Embed(InputReference.Bands(module), classes);
        var actual = module.forward(tensor(classes));
        ParityTests.AssertClose(expected, actual);
        var expectedGradients = Gradients(module, expected * weight);
        var actualGradients = Gradients(module, actual * weight);
        foreach (var (parameter, gradient) in expectedGradients)
        {
            // A tail without a class has no gradient; the shortlist always has one.
            if (!parameter.StartsWith("embeddings.0.", StringComparison.Ordinal)) Assert.Equal(gradient is null, actualGradients[parameter] is null);
            if (actualGradients[parameter] is { } found) ParityTests.AssertClose(gradient ?? zeros_like(found), found);
        }
    }

    [Fact]
    public void Gradients_AreThoseOfFiniteDifferences()
    {
        manual_seed(2);
        using var module = new AdaptiveInput(4, 9, [3, 6], div_value: 2, padding_idx: 4, dtype: ScalarType.Float64);
        var input = tensor(new long[] { 0, 8, 5, 8, 2, 4, 0, 3 });
        var weight = randn(8, 4, ScalarType.Float64, generator: new Generator(6));
        FiniteDifferences.AssertGradients(module.named_parameters(), Loss);

        Tensor Loss() => (module.forward(input).pow(3) * weight).sum();
    }

    [Fact]
    public void NamesAndShapes_AreThoseOfFairseq()
    {
        using var module = Create(s_case);
        Assert.Equal(
            [
                ("embeddings.0.0.weight", "20 16"), ("embeddings.0.1.weight", "16 16"),
                ("embeddings.1.0.weight", "40 8"), ("embeddings.1.1.weight", "16 8"),
                ("embeddings.2.0.weight", "20 4"), ("embeddings.2.1.weight", "16 4"),
                ("embeddings.3.0.weight", "20 2"), ("embeddings.3.1.weight", "16 2"),
            ],
            module.state_dict().Select(pair => (pair.Key, string.Join(' ', pair.Value.shape))));
        Assert.Equal((16, 100, null), (module.embedding_dim, module.n_classes, module.padding_idx));
    }

    [Fact]
    public void Initialisation_IsNormalForTables_AndXavierForProjections()
    {
        manual_seed(1);
        using var module = new AdaptiveInput(256, 9000, [2000, 5000], padding_idx: 5001);
        Check();
        using (no_grad()) foreach (var parameter in module.parameters()) parameter.fill_(3);
        module.reset_parameters();
        Check();

        void Check()
        {
            foreach (var (start, table, projection) in InputReference.Bands(module))
            {
                var width = table.shape[1];
                var rows = start == 5000 ? cat([table.narrow(0, 0, 1), table.narrow(0, 2, table.shape[0] - 2)]) : table;
                Assert.Equal(1, rows.std().item<float>() * Math.Sqrt(width), 0.05);
                Assert.Equal(0, rows.mean().item<float>(), 0.05 / Math.Sqrt(width));
                var bound = Math.Sqrt(6.0 / (width + 256));
                Assert.InRange(projection.abs().max().item<float>(), 0.98 * bound, bound);
                Assert.Equal(bound / Math.Sqrt(3), projection.std().item<float>(), 0.05 * bound);
            }

            Assert.Equal(0, InputReference.Bands(module)[2].Table[1].abs().sum().item<float>());
            Assert.All(module.parameters(), parameter => Assert.True(parameter.requires_grad));
        }
    }

    [Theory]
    [InlineData(7)]
    [InlineData(39)]
    [InlineData(-1)]
    [InlineData(1000)]
    public void Padding_HasAZeroVector_AndTrainsNothing(long padding)
    {
        using var module = Create(s_case, padding);
        using (no_grad())
        {
            // Whatever stands in the row of the padding, such as a shared one.
            foreach (var parameter in module.parameters()) parameter.add_(0.5);
        }

        long[] classes = [3, padding, 39, 7, padding, 99];
        var actual = module.forward(tensor(classes));
        var expected = InputReference.Embed(InputReference.Bands(module), classes, padding);
        ParityTests.AssertClose(expected, actual);
        Assert.Equal(0, actual[1].abs().sum().item<double>());
        var (expectedGradients, actualGradients) = (Gradients(module, expected), Gradients(module, actual));
        foreach (var (name, gradient) in expectedGradients.Where(pair => pair.Value is not null)) ParityTests.AssertClose(gradient!, actualGradients[name]!);
        var onlyPadding = module.forward(full([2, 2], padding, ScalarType.Int64));
        Assert.Equal(0, onlyPadding.abs().sum().item<double>());
        Assert.All(Gradients(module, onlyPadding).Values.OfType<Tensor>(), gradient => Assert.Equal(0, gradient.abs().sum().item<double>()));
    }

    [Fact]
    public void Shapes_AndIntegerTypes_AreAllTaken()
    {
        using var module = Create(s_case);
        var row = tensor(s_case.Targets);
        var expected = module.forward(row);
        ParityTests.AssertClose(expected[2], module.forward(row[2]));
        var block = row.narrow(0, 0, 12);
        ParityTests.AssertClose(expected.narrow(0, 0, 12).reshape(2, 3, 2, 16), module.forward(block.reshape(2, 3, 2)));
        ParityTests.AssertClose(expected.narrow(0, 0, 12).reshape(3, 4, 16).transpose(0, 1), module.forward(block.reshape(3, 4).t()));
        foreach (var type in new[] { ScalarType.Int32, ScalarType.Int16, ScalarType.Int8, ScalarType.Byte }) ParityTests.AssertClose(expected, module.forward(row.to(type)));
    }

    [Fact]
    public void NoClasses_HaveNoVectors_AndStillAGradient()
    {
        using var module = Create(s_case);
        foreach (var input in new[] { zeros(0, ScalarType.Int64), zeros(2, 0, 3, ScalarType.Int64) })
        {
            var vectors = module.forward(input);
            Assert.Equal([.. input.shape, 16], vectors.shape);
            Assert.Equal(0, Gradients(module, vectors)["embeddings.0.0.weight"]!.abs().sum().item<double>());
        }
    }

    [Fact]
    public void WhatIsWrong_IsSaid()
    {
        using var module = Create(s_case, padding: 5);
        AssertRefused("from -1 to 100; they must be from 0 to 99, or 5", tensor(new long[] { 5, 100, 3, -1 }));
        AssertRefused("from 255 to 255", tensor(new byte[] { 255, 5 }));
        AssertRefused("integers", tensor([0.5f]));
        AssertRefused("integers", tensor([true]));
        AssertRefused("on meta and the parameters are on cpu", empty(2, ScalarType.Int64, META));
        Assert.Throws<ArgumentNullException>(() => module.forward(null!));
        Assert.Throws<ArgumentNullException>(() => new AdaptiveInput((SoftmaxLayout)null!));
        Assert.Throws<ArgumentNullException>(() => new AdaptiveInput(16, 20, null!));
        Assert.Contains("ascend", Assert.Throws<ArgumentException>(() => new AdaptiveInput(16, 20, [5, 5])).Message, StringComparison.Ordinal);
        Assert.Contains("embedding_dim", Assert.Throws<ArgumentException>(() => new AdaptiveInput(1L << 40, 20, [5])).Message, StringComparison.Ordinal);

        void AssertRefused(string message, Tensor input) =>
            Assert.Contains(message, Assert.Throws<ArgumentException>(() => module.forward(input)).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(ScalarType.Float32, 1e-6)]
    [InlineData(ScalarType.Float16, 4e-3)]
    [InlineData(ScalarType.BFloat16, 3e-2)]
    public void OtherTypes_GiveTheSameToTheirRounding(ScalarType type, double tolerance)
    {
        using var exact = Create(s_case);
        using var module = Create(s_case);
        module.to(type);
        var input = s_case.Target();
        var (expected, actual) = (exact.forward(input), module.forward(input));
        Assert.Equal(type, actual.dtype);
        AssertNear("vectors", expected, actual);
        var (expectedGradients, actualGradients) = (Gradients(exact, expected), Gradients(module, actual));
        foreach (var (name, gradient) in actualGradients)
        {
            Assert.Equal(type, gradient!.dtype);
            AssertNear(name, expectedGradients[name]!, gradient);
        }

        void AssertNear(string name, Tensor wanted, Tensor found) =>
            Assert.True((found.to(ScalarType.Float64) - wanted).abs().max().item<double>() <= tolerance * wanted.abs().max().item<double>(), name);
    }

    [Fact]
    public void AStateDict_CarriesEverything()
    {
        using var module = Create(s_case);
        using var other = new AdaptiveInput(module.Layout, dtype: ScalarType.Float64);
        Assert.False(allclose(module.forward(s_case.Target()), other.forward(s_case.Target())));
        other.load_state_dict(module.state_dict());
        ParityTests.AssertClose(module.forward(s_case.Target()), other.forward(s_case.Target()));
    }

    [Fact]
    public void ALargeVocabulary_TrainsTheClassesSeen_WithTheSameBitsEachTime()
    {
        const int Classes = 200_019, Width = 128, Tokens = 5000;
        var random = new Random(3);
        // Small ones are frequent, and every band has some.
        long[] classes = [0, Classes - 1, 7999, 8000, 39_999, 40_000, .. Enumerable.Range(0, Tokens).Select(_ => (long)(Classes * Math.Pow(random.NextDouble(), 4)))];
        Assert.Equal(Train(), Train());

        float[] Train()
        {
            manual_seed(4);
            using var module = new AdaptiveInput(Width, Classes, [8000, 40_000]);
            using var scope = NewDisposeScope();
            var input = tensor(classes);
            var vectors = module.forward(input);
            var (some, expected) = (vectors.narrow(0, 0, 64), InputReference.Embed(InputReference.Bands(module), classes.Take(64)));
            Assert.True(allclose(expected, some, 1e-4, 1e-5));
            var before = InputReference.Bands(module).Select(band => band.Table.clone()).ToArray();
            vectors.pow(2).sum().backward();
            optim.SGD(module.parameters(), 0.01).step();
            var seen = classes.ToHashSet();
            foreach (var ((start, table, _), old) in InputReference.Bands(module).Zip(before))
            {
                var changed = table.ne(old).any(1).data<bool>().ToArray();
                Assert.Equal(Enumerable.Range(0, changed.Length).Select(row => seen.Contains(start + row)).ToArray(), changed);
            }

            return module.forward(input).data<float>().ToArray();
        }
    }

    private static AdaptiveInput Create(TorchCase one, long? padding = null)
    {
        manual_seed(7);
        return new AdaptiveInput(one.Hidden, one.Classes, [.. one.Cutoffs.Select(cutoff => (long)cutoff)], one.DivValue, padding, dtype: ScalarType.Float64);
    }

    private static Dictionary<string, Tensor?> Gradients(AdaptiveInput module, Tensor vectors)
    {
        module.zero_grad();
        vectors.sum().backward();
        return module.named_parameters().ToDictionary(pair => pair.name, pair => pair.parameter.grad?.clone());
    }
}
