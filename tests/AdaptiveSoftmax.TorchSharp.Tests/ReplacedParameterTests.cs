using AdaptiveSoftmax.Gpu.Tests;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;
using TorchParameter = TorchSharp.Modules.Parameter;

namespace AdaptiveSoftmax.TorchSharp.Tests;

/// <summary>Parameters that somebody replaced: another of their kind is taken, and one that does not fit is refused by name.</summary>
[Collection(Backend.Collection)]
public sealed class ReplacedParameterTests
{
    private const int Hidden = 16;

    public static TheoryData<string, string> Faults => new()
    {
        { "head.weight", "smaller" },
        { "head.weight", "larger" },
        { "head.bias", "smaller" },
        { "tail.0.0.weight", "smaller" },
        { "tail.1.1.weight", "smaller" },
        { "tail.1.1.weight", "flat" },
        { "head.weight", "empty" },
        { "tail.0.1.weight", "integers" },
        { "tail.0.1.weight", "sparse" },
        { "tail.0.0.weight", "on meta" },
        { "head.bias", "on meta" },
        { "head.weight", "disposed" },
        { "head.bias", "disposed" },
        { "tail.1.0.weight", "disposed" },
        { "tail.1.0.weight", "set to others" },
    };

    [Theory]
    [MemberData(nameof(Faults))]
    public void AParameterThatDoesNotFit_IsRefusedByNameFromEveryCall(string name, string fault)
    {
        foreach (var implementation in Enum.GetValues<SoftmaxImplementation>())
        {
            using var layer = new DynamicAdaptiveSoftmax(Vocabulary.SoftmaxLayout.Create(Hidden, 100, [20, 60], 2, hasHeadBias: true), seed: 1);
            var before = layer.Parameters.Select(parameter => parameter.Values.ToArray()).ToArray();
            using var module = layer.ToTorch();
            module.implementation = implementation;
            using var embed = new AdaptiveInput(module, tie_projections: true);
            if (name == "head.bias" && fault != "disposed") module.head.bias = Break(module.head.bias!, fault);
            else if (name == "head.bias") module.head.bias!.Dispose();
            else Replace(Find(module, name), fault);
            var input = randn(3, Hidden);
            AssertRefused(() => module.forward(input, tensor(new long[] { 1, 30, 70 })));
            AssertRefused(() => module.log_prob(input));
            AssertRefused(() => module.predict(input));
            AssertRefused(() => embed.forward(tensor(new long[] { 1, 30, 70 })));
            AssertRefused(() => new AdaptiveInput(module).Dispose());
            AssertRefused(() => layer.FromTorch(module));
            Assert.Equal(before, layer.Parameters.Select(parameter => parameter.Values.ToArray()));
        }

        void AssertRefused(Action call)
        {
            var error = Assert.ThrowsAny<InvalidOperationException>(call);
            Assert.Contains(name, error.Message, StringComparison.Ordinal);
            if (fault is "smaller") Assert.Contains("has the shape [2", error.Message, StringComparison.Ordinal);
        }
    }

    [Theory]
    [InlineData("embeddings.0.0.weight")]
    [InlineData("embeddings.1.1.weight")]
    [InlineData("embeddings.2.0.weight")]
    public void AnEmbeddingsParameterThatDoesNotFit_IsRefusedByName(string name)
    {
        foreach (var fault in new[] { "smaller", "larger", "flat", "empty", "integers", "sparse", "on meta", "disposed", "set to others" })
        {
            using var embed = new AdaptiveInput(Hidden, 100, [20, 60], 2);
            var module = (nn.Module)embed.embeddings[name[11] - '0'][name[13] - '0'];
            // TorchSharp has no way to replace the parameter of a table, but values can be set to those of another tensor.
            if (module is Linear linear) Replace(linear, fault);
            else if (fault is "disposed" or "set to others") Break(module.get_parameter("weight")!, fault);
            else continue;
            Assert.Contains(name, Assert.ThrowsAny<InvalidOperationException>(() => embed.forward(tensor(new long[] { 1, 30, 70 }))).Message, StringComparison.Ordinal);
        }
    }

    [Theory]
    [InlineData("expanded")]
    [InlineData("transposed")]
    [InlineData("a slice")]
    [InlineData("negated")]
    public void AParameterOfOtherStrides_IsTakenByItsValues(string kind)
    {
        foreach (var name in new[] { "head.weight", "tail.0.0.weight", "tail.1.1.weight" })
        {
            using var layer = new DynamicAdaptiveSoftmax(Vocabulary.SoftmaxLayout.Create(Hidden, 100, [20, 60], 2, hasHeadBias: true), seed: 1);
            using var module = layer.ToTorch();
            using var plain = layer.ToTorch();
            Find(module, name).weight = Restride(Find(module, name).weight);
            var values = module.named_parameters().Single(one => one.name == name).parameter.detach();
            Find(plain, name).weight = new TorchParameter(values.resolve_neg().contiguous().clone());
            var (input, target) = (randn(3, Hidden), tensor(new long[] { 1, 30, 70 }));
            var expected = plain.forward(input, target).loss;
            var actual = module.forward(input, target).loss;
            actual.backward();
            Assert.Equal(expected.item<float>(), actual.item<float>(), 1e-5f);
            module.implementation = SoftmaxImplementation.Fused;
            // A slice of whole rows is contiguous.
            if (kind != "a slice") Assert.Contains($"{name} is not contiguous", Assert.Throws<InvalidOperationException>(() => module.forward(input, target)).Message, StringComparison.Ordinal);
            else Assert.Equal(expected.item<float>(), module.forward(input, target).loss.item<float>());
            layer.FromTorch(module);
            using var back = layer.ToTorch();
            Assert.Equal(expected.item<float>(), back.forward(input, target).loss.item<float>());
        }

        TorchParameter Restride(TorchParameter parameter)
        {
            var (rows, columns) = (parameter.shape[0], parameter.shape[1]);
            return new TorchParameter(kind switch
            {
                "expanded" => randn(1, columns).expand(rows, columns),
                "transposed" => randn(columns, rows).t(),
                "a slice" => randn(rows + 3, columns).narrow(0, 3, rows),
                _ => view_as_complex(randn(rows, columns, 2)).conj().imag,
            });
        }
    }

    [Fact]
    public void ModulesThatAreNotThere_OrAreOthers_AreNamed()
    {
        AssertRefused("head.bias is missing", module => module.head.bias = null, bias: true);
        AssertRefused("head.bias is there", module => module.head.bias = new TorchParameter(zeros(22)));
        AssertRefused("tail.0.1.bias is there", module => ((Linear)module.tail[0][1]).bias = new TorchParameter(zeros(40)));
        AssertRefused("tail must hold 2 modules", module => module.tail.RemoveAt(1));
        AssertRefused("tail must hold 2 modules", module => module.tail[1].append(nn.Tanh()));
        AssertRefused("input is on cpu and the parameters are on meta", module => module.to(META));

        static void AssertRefused(string message, Action<AdaptiveLogSoftmaxWithLoss> change, bool bias = false)
        {
            foreach (var implementation in Enum.GetValues<SoftmaxImplementation>())
            {
                using var module = new AdaptiveLogSoftmaxWithLoss(Hidden, 100, [20, 60], head_bias: bias) { implementation = implementation };
                change(module);
                Assert.Contains(message, Assert.ThrowsAny<Exception>(() => module.forward(randn(3, Hidden), tensor(new long[] { 1, 30, 70 }))).Message, StringComparison.Ordinal);
            }
        }
    }

    [Fact]
    public void ADisposedModule_SaysSo()
    {
        foreach (var implementation in Enum.GetValues<SoftmaxImplementation>())
        {
            using var layer = new DynamicAdaptiveSoftmax(Vocabulary.SoftmaxLayout.Create(Hidden, 100, [20, 60], 2), seed: 1);
            var module = layer.ToTorch();
            module.implementation = implementation;
            var tied = new AdaptiveInput(module, tie_projections: true);
            var own = new AdaptiveInput(Hidden, 100, [20, 60]);
            own.Dispose();
            Assert.Throws<ObjectDisposedException>(() => own.forward(tensor(new long[] { 1 })));
            module.Dispose();
            Assert.Throws<ObjectDisposedException>(() => module.forward(randn(1, Hidden), tensor(new long[] { 1 })));
            Assert.Throws<ObjectDisposedException>(() => module.log_prob(randn(1, Hidden)));
            Assert.Throws<ObjectDisposedException>(() => module.predict(randn(1, Hidden)));
            Assert.Throws<ObjectDisposedException>(() => module.reset_parameters());
            Assert.Throws<ObjectDisposedException>(() => tied.forward(tensor(new long[] { 1 })));
            Assert.Throws<ObjectDisposedException>(() => layer.FromTorch(module));
            layer.Dispose();
            Assert.Throws<ObjectDisposedException>(() => layer.ToTorch());
            using var other = new AdaptiveLogSoftmaxWithLoss(layer.Layout);
            Assert.Throws<ObjectDisposedException>(() => layer.FromTorch(other));
        }
    }

    [Fact]
    public void TypesThatAreNoFloatingPointTypes_AreRefused()
    {
        using var layer = new DynamicAdaptiveSoftmax(Vocabulary.SoftmaxLayout.Create(Hidden, 100, [20, 60], 2), seed: 1);
        foreach (var type in new[] { ScalarType.Int64, ScalarType.Bool, ScalarType.ComplexFloat32 })
        {
            Assert.Contains(type.ToString(), Assert.Throws<ArgumentException>(() => layer.ToTorch(dtype: type)).Message, StringComparison.Ordinal);
            Assert.Throws<ArgumentException>(() => new AdaptiveLogSoftmaxWithLoss(Hidden, 100, [20], dtype: type));
            Assert.Throws<ArgumentException>(() => new AdaptiveInput(Hidden, 100, [20], dtype: type));
        }
    }

    private static Linear Find(AdaptiveLogSoftmaxWithLoss module, string name) =>
        name[0] == 'h' ? module.head : (Linear)module.tail[name[5] - '0'][name[7] - '0'];

    private static void Replace(Linear linear, string fault)
    {
        var other = Break(linear.weight, fault);
        if (!other.IsInvalid) linear.weight = other;
    }

    private static TorchParameter Break(TorchParameter parameter, string fault)
    {
        var shape = parameter.shape;
        switch (fault)
        {
            case "smaller": return new TorchParameter(zeros([2, .. shape[1..]]));
            case "larger": return new TorchParameter(zeros([shape[0] + 5, .. shape[1..]]));
            case "flat": return new TorchParameter(zeros(shape[0] * shape[1]));
            case "empty": return new TorchParameter(zeros([0, .. shape[1..]]));
            case "integers": return new TorchParameter(zeros(shape, ScalarType.Int64), requires_grad: false);
            case "sparse": return new TorchParameter(zeros(shape).to_sparse());
            case "on meta": return new TorchParameter(zeros(shape, device: META));
            case "disposed":
                parameter.Dispose();
                return parameter;
            default:
                using (no_grad()) parameter.set_(zeros(2, 3));
                return parameter;
        }
    }
}
