using AdaptiveSoftmax.Tests.Checkpoints;
using AdaptiveSoftmax.Vocabulary;
using CsCheck;

namespace AdaptiveSoftmax.Tests.Onnx;

/// <summary>Exported models in ONNX Runtime, against the layer that they were made of.</summary>
public sealed class OnnxExportTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    // Both round, so the model's token is judged by the log-prob that the layer gives it.
    [Fact]
    public void Models_AgreeWithTheLayer() => LayerCase.Any.Where(@case => @case.Tokens > 0).Sample(
        @case =>
        {
            using var layer = @case.CreateLayer();
            AssertAgrees(layer, @case.Hidden());
        },
        iter: 60,
        threads: 1);

    [Fact]
    public void Models_AgreeWithTheLayer_OnAThousandStates()
    {
        using var layer = new DynamicAdaptiveSoftmax(SoftmaxLayout.Create(64, 20_000, [1_000, 5_000], divValue: 2, hasHeadBias: true), seed: 3);
        Scale(layer, 6);
        AssertAgrees(layer, Values(1_000 * 64, seed: 5));
    }

    [Theory]
    [InlineData(1, double.PositiveInfinity, false)]
    [InlineData(0.25, double.PositiveInfinity, true)]
    [InlineData(1, 30, false)]
    [InlineData(0.5, 2, true)]
    public void FullSoftmaxes_ScaleAndCapTheirLogits(double scale, double cap, bool hasBias)
    {
        using var layer = new DynamicAdaptiveSoftmax(SoftmaxLayout.CreateFull(24, 700, hasBias, scale, cap), seed: 7);
        Scale(layer, 20);
        AssertAgrees(layer, Values(50 * 24, seed: 8));
    }

    // Three equal logits of a size at which float32 has no thirds: their log-prob is −log 3 all the same, in the head and in a tail.
    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    public void LogProbsOfLargeLogits_KeepTheirDigits(int cluster)
    {
        using var layer = new DynamicAdaptiveSoftmax(SoftmaxLayout.Create(4, 12, [6], [4]), seed: 1);
        foreach (var parameter in layer.Parameters)
        {
            parameter.Edit(values =>
            {
                values.Clear();
                var isProjection = parameter == layer.Parameters[1];
                for (var row = 0; row < 3; row++) values[isProjection ? row * 5 : row * 4] = isProjection ? 1 : 1e9f;
                if (parameter == layer.Parameters[0] && cluster == 1) (values[0], values[4], values[8], values[6 * 4]) = (0, 0, 0, 1e9f);
            });
        }

        Export(layer, "model.onnx");
        using var model = new OnnxModel(_folder["model.onnx"]);
        var (tokens, logProbs) = model.Predict([1, 0, 0, 0], 4);
        Assert.Equal(6L * cluster, tokens[0]);
        Assert.Equal(-Math.Log(3), logProbs[0], 1e-6);
    }

    [Fact]
    public void Tokens_AreIds()
    {
        const string Spec = """{ "hiddenSize": 6, "vocabulary": "words.tokens", "cutoffs": [2, 4], "divValue": 2 }""";
        const string Table = "900\t50\tthe\n7\t40\tof\n31\t30\tmarket\n2000000000\t20\tbank\n0\t10\triver\n5\t5\totter\n";
        var definition = SoftmaxDefinitionReader.Combine(SpecReader.Read("words.softmax.json", Spec), TokenTableReader.Read("words.tokens", Table)).Definition!;
        using var layer = new DynamicAdaptiveSoftmax(definition, seed: 2);
        Scale(layer, 10);
        var hidden = Values(200 * 6, seed: 3);
        var expected = new int[200];
        layer.Predict(hidden, expected);
        Assert.Equal(6, expected.Distinct().Count());

        Export(layer, "greedy.onnx");
        Export(layer, "log-probs.onnx", OnnxOutput.LogProbs);
        using var greedy = new OnnxModel(_folder["greedy.onnx"]);
        using var logProbs = new OnnxModel(_folder["log-probs.onnx"]);
        Assert.Equal(expected.Select(id => (long)id), greedy.Predict(hidden, 6).Tokens);
        Assert.Equal([900L, 7, 31, 2_000_000_000, 0, 5], logProbs.LogProbs(hidden, 6).TokenIds);
        Assert.Contains(definition.Fingerprint, greedy.Metadata["adaptive_softmax"], StringComparison.Ordinal);
    }

    // From the runtime's own profile: a tail's products run for the vectors that want them, and for no others.
    [Fact]
    public void Tails_RunOnlyWhereTheyCanWin()
    {
        using var layer = new DynamicAdaptiveSoftmax(SoftmaxLayout.Create(4, 30, [10, 20], [2, 2]), seed: 1);
        var (head, hidden) = (layer.Parameters[0], new float[][] { [1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0] });

        // The first vector wants no tail, the second the first tail, the third the second one.
        head.Edit(values =>
        {
            values.Clear();
            values[0] = 9;
            values[(10 * 4) + 1] = 9;
            values[(11 * 4) + 2] = 9;
        });
        Export(layer, "model.onnx");
        Assert.Equal([], RunTails(hidden[0]));
        Assert.Equal(["tail_0/logits"], RunTails(hidden[1]));
        Assert.Equal(["tail_1/logits"], RunTails(hidden[2]));
        Assert.Equal(["tail_0/logits", "tail_1/logits"], RunTails([.. hidden[0], .. hidden[1], .. hidden[2]]));

        IEnumerable<string> RunTails(float[] vectors)
        {
            using var model = new OnnxModel(_folder["model.onnx"], _folder["profile"]);
            var tokens = model.Predict(vectors, 4).Tokens;
            Assert.Equal(vectors.Chunk(4).Select(vector => (long)layer.Predict(vector)), tokens);
            var nodes = model.EndProfile();
            Assert.Contains("head/logits", nodes);
            return nodes.Where(name => name.EndsWith("/logits", StringComparison.Ordinal) && name != "head/logits").Order(StringComparer.Ordinal);
        }
    }

    [Fact]
    public void WeightsBesideTheModel_AreNamedAfterWhatTheyAre()
    {
        using var layer = new DynamicAdaptiveSoftmax(SoftmaxLayout.Create(12, 500, [50, 200], [7, 5], hasHeadBias: true), seed: 4);
        var first = Export(layer, "model.onnx", externalData: true);
        Assert.Equal(_folder["model.onnx"], first[0]);
        Assert.Matches(@"model\.onnx\.[0-9a-f]{8}\.data$", first[1]);
        Assert.True(new FileInfo(first[0]).Length < new FileInfo(Export(layer, "whole.onnx")[0]).Length - layer.Layout.ParameterBytes + 2_000);
        AssertAgrees(layer, Values(20 * 12, seed: 6), externalData: true);

        layer.Parameters[0].EditRow(3, row => row.Fill(0.5f));
        var second = Export(layer, "model.onnx", externalData: true);
        Assert.NotEqual(first[1], second[1]);
        Assert.True(File.Exists(first[1]));

        // What is there under that name is the same weights, or nobody's to replace.
        Assert.Equal(second, Export(layer, "model.onnx", externalData: true));
        var bytes = File.ReadAllBytes(second[1]);
        bytes[^1] ^= 1;
        File.WriteAllBytes(second[1], bytes);
        Assert.Contains("holds something else", Assert.Throws<IOException>(() => Export(layer, "model.onnx", externalData: true)).Message, StringComparison.Ordinal);
        Assert.Equal(bytes, File.ReadAllBytes(second[1]));
    }

    // Unix has links that anyone may make.
    [Fact]
    public void WeightsBesideTheModel_StandWhereItsLinkLeads()
    {
        if (OperatingSystem.IsWindows()) return;
        using var layer = new DynamicAdaptiveSoftmax(SoftmaxLayout.Create(8, 300, [100], [4]), seed: 4);
        Directory.CreateDirectory(_folder["models"]);
        File.CreateSymbolicLink(_folder["link.onnx"], Path.Combine("models", "real.onnx"));
        var files = Export(layer, "link.onnx", externalData: true);
        Assert.Equal(_folder["models"], Path.GetDirectoryName(files[1]));
        using var model = new OnnxModel(Path.Combine(_folder["models"], "real.onnx"));
        Assert.Equal(layer.Predict(Values(8, seed: 1)), (int)model.Predict(Values(8, seed: 1), 8).Tokens[0]);
    }

    [Fact]
    public void ModelsThatAreTooLong_HaveTheirWeightsBesideThem()
    {
        using var layer = new DynamicAdaptiveSoftmax(SoftmaxLayout.Create(8, 300, [100], [4]), seed: 4);
        var length = new FileInfo(Export(layer, "model.onnx")[0]).Length;
        Assert.Single(ExportUpTo(length));
        Assert.Equal(2, ExportUpTo(length - 1).Count);
        Assert.Contains("a device or a pipe", Assert.Throws<IOException>(() => Export(layer, "/dev/null", externalData: true)).Message, StringComparison.Ordinal);

        IReadOnlyList<string> ExportUpTo(long limit) => layer.ExportOnnx(_folder["limited.onnx"], OnnxOutput.Greedy, externalData: false, limit, progress: null, CancellationToken.None);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void TheSameWeights_GiveTheSameBytes_AndProgressCountsThem(bool externalData)
    {
        using var layer = new DynamicAdaptiveSoftmax(SoftmaxLayout.Create(8, 300, [100], [4]), seed: 4);
        var bytes = 0L;
        var first = Export(layer, "model.onnx", OnnxOutput.LogProbs, externalData, more => bytes += more).Select(File.ReadAllBytes).ToArray();
        var second = Export(layer, "model.onnx", OnnxOutput.LogProbs, externalData).Select(File.ReadAllBytes).ToArray();
        Assert.Equal(first, second);
        Assert.Equal(layer.Layout.ParameterBytes, bytes);
    }

    [Fact]
    public void WhatFails_LeavesTheModelThatWasThere()
    {
        using var layer = new DynamicAdaptiveSoftmax(SoftmaxLayout.Create(8, 300, [100], [4]), seed: 4);
        Export(layer, "model.onnx");
        var before = File.ReadAllBytes(_folder["model.onnx"]);
        using var cancelled = new CancellationTokenSource();
        Assert.Throws<OperationCanceledException>(() => layer.ExportOnnx(_folder["model.onnx"], OnnxOutput.LogProbs, progress: _ => cancelled.Cancel(), cancellationToken: cancelled.Token));
        Assert.Throws<ArgumentOutOfRangeException>(() => Export(layer, "model.onnx", (OnnxOutput)5));
        layer.Parameters[^1].EditRow(0, row => row[0] = float.NaN);
        Assert.Throws<DecodeException>(() => Export(layer, "model.onnx"));
        Assert.Equal(before, File.ReadAllBytes(_folder["model.onnx"]));
        Assert.Equal(["model.onnx"], _folder.Files);
    }

    private void AssertAgrees(AdaptiveSoftmaxLayer layer, float[] hidden, bool externalData = false)
    {
        var layout = layer.Layout;
        var (count, size) = (hidden.Length / layout.HiddenSize, layout.VocabularySize);
        Export(layer, "greedy.onnx", externalData: externalData);
        Export(layer, "all.onnx", OnnxOutput.LogProbs, externalData);
        using var greedy = new OnnxModel(_folder["greedy.onnx"]);
        using var all = new OnnxModel(_folder["all.onnx"]);
        var expected = new float[(long)count * size];
        layer.LogProb(hidden, expected);

        var (logProbs, ids) = all.LogProbs(hidden, layout.HiddenSize);
        Assert.Equal(Enumerable.Range(0, size).Select(id => (long)id), ids);
        Assert.Equal(expected.Length, logProbs.Length);
        for (var i = 0; i < expected.Length; i++) Assert.Equal(expected[i], logProbs[i], Tolerance(expected[i]));

        var (tokens, best) = greedy.Predict(hidden, layout.HiddenSize);
        Assert.Equal(count, tokens.Length);
        for (var i = 0; i < count; i++)
        {
            var own = expected.AsSpan(i * size, size);
            var largest = own[0];
            foreach (var value in own) largest = Math.Max(largest, value);
            Assert.Equal(largest, own[(int)tokens[i]], Tolerance(largest));
            Assert.Equal(largest, best[i], Tolerance(largest));
        }

        static double Tolerance(float value) => 2e-5 * Math.Max(1, Math.Abs(value));
    }

    private IReadOnlyList<string> Export(AdaptiveSoftmaxLayer layer, string file, OnnxOutput output = OnnxOutput.Greedy, bool externalData = false, Action<long>? progress = null) =>
        layer.ExportOnnx(Path.IsPathRooted(file) ? file : _folder[file], output, externalData, progress, TestContext.Current.CancellationToken);

    // Larger weights, so that tails win too.
    private static void Scale(DynamicAdaptiveSoftmax layer, float factor)
    {
        foreach (var parameter in layer.Parameters)
        {
            parameter.Edit(values =>
            {
                foreach (ref var value in values) value *= factor;
            });
        }
    }

    private static float[] Values(int count, int seed)
    {
        var random = new Random(seed);
        return [.. Enumerable.Range(0, count).Select(_ => (float)((random.NextDouble() * 2) - 1))];
    }
}
