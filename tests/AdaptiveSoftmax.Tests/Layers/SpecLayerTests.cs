using AdaptiveSoftmax.Tests.Checkpoints;
using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax.Tests.Layers;

/// <summary>A layer made at run time from a spec: ids, fingerprints and files are those of its vocabulary.</summary>
public sealed class SpecLayerTests
{
    private const int HiddenSize = 16;
    private const int Tokens = 40;

    [Theory]
    [InlineData(3)]
    [InlineData(1_000_003)]
    public void TokenIds_AreThoseOfTheTable(int spread)
    {
        var definition = Define(spread, cutoffs: "10, 25");
        using var byId = new DynamicAdaptiveSoftmax(definition, seed: 7);
        using var bySlot = new DynamicAdaptiveSoftmax(definition.Layout, seed: 7);
        var hidden = new float[Tokens * HiddenSize];
        var random = new Random(5);
        for (var i = 0; i < hidden.Length; i++) hidden[i] = (float)((random.NextDouble() * 8) - 4);
        int[] slots = [.. Enumerable.Range(0, Tokens)];
        int[] ids = [.. slots.Select(slot => IdOf(slot, spread))];
        Assert.Equal(bySlot.Loss(hidden, slots), byId.Loss(hidden, ids));
        int[] expected = new int[Tokens], actual = new int[Tokens];
        bySlot.Predict(hidden, expected);
        byId.Predict(hidden, actual);
        Assert.Equal(expected.Select(slot => IdOf(slot, spread)), actual);
        Assert.True(expected.Distinct().Count() > 3);
        foreach (var missing in new[] { 1, IdOf(Tokens, spread), -1, int.MaxValue })
            Assert.Throws<ArgumentException>(() => byId.Loss(hidden.AsSpan(0, HiddenSize), [missing]));
    }

    [Fact]
    public void Files_AreOfItsSpecAlone()
    {
        using var folder = new TemporaryFolder();
        var definition = Define(3, cutoffs: "10, 25");
        using var saved = new DynamicAdaptiveSoftmax(definition, seed: 7);
        Assert.Equal((definition.Fingerprint, definition.VocabularyFingerprint), (saved.Identity.Fingerprint, saved.Identity.VocabularyFingerprint));
        saved.Save(folder["weights.safetensors"]);
        using var loaded = DynamicAdaptiveSoftmax.Load(folder["weights.safetensors"], definition);
        foreach (var (expected, actual) in saved.Parameters.Zip(loaded.Parameters)) Assert.True(expected.Values.SequenceEqual(actual.Values), expected.Name);

        // Small weights, and weights from streams, as a program's resources are.
        using var small = saved.Quantize();
        small.Save(folder["small"]);
        using var mapped = DynamicAdaptiveSoftmax.LoadQuantized(folder["small"], definition, MemoryMapping.On);
        using var streamed = DynamicAdaptiveSoftmax.LoadQuantized(new PlainStream(File.OpenRead(folder["small"])), definition);
        using var layer = DynamicAdaptiveSoftmax.Load(new PlainStream(File.OpenRead(folder["weights.safetensors"])), definition);
        int[] ids = [.. Enumerable.Range(0, Tokens).Select(slot => IdOf(slot, 3))];
        float[] hidden = [.. Enumerable.Range(0, Tokens * HiddenSize).Select(i => MathF.Sin(i))];
        Assert.Equal(small.Perplexity(hidden, ids), mapped.Perplexity(hidden, ids));
        Assert.Equal(small.Perplexity(hidden, ids), streamed.Perplexity(hidden, ids));
        Assert.Equal(saved.Perplexity(hidden, ids), layer.Perplexity(hidden, ids));
        Assert.Throws<CheckpointMismatchException>(() => DynamicAdaptiveSoftmax.LoadQuantized(folder["small"], Define(2, cutoffs: "10, 25")));

        // The same sizes with other ids, and the same vocabulary with other cutoffs.
        foreach (var other in new[] { Define(2, cutoffs: "10, 25"), Define(3, cutoffs: "10, 26") })
            Assert.Throws<CheckpointMismatchException>(() => DynamicAdaptiveSoftmax.Load(folder["weights.safetensors"], other));
    }

    private static int IdOf(int slot, int spread) => (slot * spread) + 5;

    private static SoftmaxDefinition Define(int spread, string cutoffs)
    {
        var rows = Enumerable.Range(0, Tokens).Select(slot => FormattableString.Invariant($"{IdOf(slot, spread)}\t{1000 - slot}\tword{slot}\n"));
        var spec = $$"""{ "hiddenSize": {{HiddenSize}}, "vocabulary": "words.tokens", "cutoffs": [{{cutoffs}}], "divValue": 2 }""";
        return SoftmaxDefinitionReader.Read("words.softmax.json", spec, "words.tokens", string.Concat(rows)).Definition!;
    }
}
