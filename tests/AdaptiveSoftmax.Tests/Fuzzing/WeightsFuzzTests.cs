using AdaptiveSoftmax.Testing;
using AdaptiveSoftmax.Tests.Checkpoints;
using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax.Tests.Fuzzing;

/// <summary>Damaged weights are read or refused as documented, and what is refused has changed nothing.</summary>
[MoreAtNight]
public sealed class WeightsFuzzTests : IDisposable
{
    private const int MostValues = 1 << 16;

    private static readonly SoftmaxDefinition s_definition = SoftmaxDefinitionReader.Read(
        "news.softmax.json", """{ "hiddenSize": 8, "vocabulary": ["the", "of", "market", "bank", "river", "otter"], "cutoffs": [2, 4], "divValue": 2, "headBias": true }""").Definition!;

    private static readonly float[] s_hidden = [.. Enumerable.Range(0, 8).Select(i => MathF.Sin(i))];

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Layers()
    {
        using var layer = new DynamicAdaptiveSoftmax(s_definition);
        var sound = Bytes(stream => layer.Save(stream));
        DamagedInputs.Read(mutator => DamagedWeights.Of(mutator, sound), bytes => AllOrNothing(() => Bytes(stream => layer.Save(stream)), () => layer.Restore(new MemoryStream(bytes))), IsDocumented);
    }

    [Fact]
    public void Checkpoints()
    {
        using var run = new ToyRun("adamw");
        run.Train(3);
        var sound = Bytes(stream => run.Checkpoint.Save(stream));
        DamagedInputs.Read(mutator => DamagedWeights.Of(mutator, sound), bytes => AllOrNothing(() => Bytes(stream => run.Checkpoint.Save(stream)), () => run.Checkpoint.Restore(new MemoryStream(bytes))), IsDocumented);
    }

    [Theory]
    [InlineData(MemoryMapping.Off)]
    [InlineData(MemoryMapping.On)]
    public void SmallWeights(MemoryMapping mapping)
    {
        using var layer = new DynamicAdaptiveSoftmax(s_definition);
        using var small = layer.Quantize(new QuantizationOptions { Head = WeightPrecision.BFloat16, TailOverrides = [WeightPrecision.Int4, WeightPrecision.Int8] });
        using var certified = layer.Certify(new CertifyOptions { Stages = ScreeningStages.Int4ThenInt8 });
        byte[][] sound = [Bytes(stream => small.Save(stream)), Bytes(stream => certified.Save(stream))];
        var path = _folder["small.safetensors"];
        DamagedInputs.Read(mutator => DamagedWeights.Of(mutator, mutator.Any(sound)), bytes =>
        {
            File.WriteAllBytes(path, bytes);
            using var loaded = DynamicAdaptiveSoftmax.LoadQuantized(path, s_definition, mapping);
            // What stands in a file that is mapped is not read before it is used: it may be any numbers, and no fault of memory.
            try
            {
                loaded.Predict(s_hidden);
                using var again = loaded.Certify();
                again.Predict(s_hidden);
            }
            catch (Exception exception) when (exception is DecodeException || (exception is ArgumentException && exception.Message.Contains("cannot screen", StringComparison.Ordinal)))
            {
            }
        }, IsDocumented, path);
    }

    [Fact]
    public void States()
    {
        var path = _folder["states.safetensors"];
        StatesWriter.Write(path, 3, writer => writer.Add([1, 2, 3, 4, 5, 6], [7, 8], [1, 0], [0.5f, 1]), new StatesWriterOptions { Domains = ["en", "code"], HasLosses = true, Metadata = new Dictionary<string, string> { ["model"] = "toy" } }, TestContext.Current.CancellationToken);
        var sound = File.ReadAllBytes(path);
        var block = new StatesBlock();
        DamagedInputs.Read(mutator => DamagedWeights.Of(mutator, sound), bytes =>
        {
            File.WriteAllBytes(path, bytes);
            using var states = StatesFile.Open(path);
            for (var row = 0L; row < Math.Min(states.Count, 4); row++) states.Read(row, 1, block);
        }, IsDocumented, path);
    }

    [Fact]
    public void Drafts()
    {
        var path = _folder["draft.safetensors"];
        DraftFile.Write(path, DraftVocabulary.Create(DraftChoice.Create(s_definition.Table), 4), cancellationToken: TestContext.Current.CancellationToken);
        var sound = File.ReadAllBytes(path);
        DamagedInputs.Read(mutator => DamagedWeights.Of(mutator, sound), bytes =>
        {
            File.WriteAllBytes(path, bytes);
            Assert.InRange(DraftVocabulary.Load(path).Count, 1, 6);
        }, IsDocumented, path);
    }

    [Fact]
    public void DenseHeads()
    {
        using var head = new Parameter("lm_head.weight", 6, 8);
        using var bias = Parameter.CreateVector("lm_head.bias", 6);
        using var embeddings = new Parameter("model.embed_tokens.weight", 6, 8);
        var path = _folder["model.safetensors"];
        var metadata = new Dictionary<string, string> { [MigrationChain.Key] = MigrationChain.Write([new MigrationStep("migrate", "a", "b", "c", "d", 7)]) };
        SafetensorsWriter.Write(path, [head, bias, embeddings], metadata);
        var sound = File.ReadAllBytes(path);
        using var layer = new DynamicAdaptiveSoftmax(SoftmaxLayout.CreateFull(8, 6, hasHeadBias: true), seed: 1);
        const string Config = """{"logit_scale":1,"text_config":{"logits_scaling":1.0,"final_logit_softcapping":null},"tie_word_embeddings":false,"eps":NaN}""";
        DamagedInputs.Read(mutator => (Weights: mutator.Next(2) == 0 ? sound : DamagedWeights.Of(mutator, sound), Config: mutator.Next(2) == 0 ? Config : mutator.Text(Config)), input =>
        {
            File.WriteAllBytes(path, input.Weights);
            File.WriteAllText(_folder["config.json"], input.Config);
            AllOrNothing(() => Bytes(stream => layer.Save(stream)), () => layer.RestoreHead(path, cancellationToken: TestContext.Current.CancellationToken));
            using var file = WeightsFile.Open(path);
            SoftmaxMigration.ReadChain(file);
        }, IsDocumented, path);
    }

    [Fact]
    public void ModelsInSeveralFiles()
    {
        foreach (var name in new[] { "a", "b" }) File.WriteAllBytes(_folder[$"{name}.safetensors"], SafetensorsBytes.Create($$"""{"{{name}}":{"dtype":"F32","shape":[2],"data_offsets":[0,8]} }""", new byte[8]));
        const string Sound = """{"metadata":{"total_size":16},"weight_map":{"a":"a.safetensors","b":"b.safetensors"} }""";
        var path = _folder["model.safetensors.index.json"];
        DamagedInputs.Read(mutator => mutator.Next(3) == 0 ? mutator.Text(Sound) : mutator.Json(Sound), text =>
        {
            File.WriteAllText(path, text);
            ReadAll(path);
        }, IsDocumented, _folder[""]);
    }

    [Fact]
    public void PyTorchFiles()
    {
        using var layer = new DynamicAdaptiveSoftmax(s_definition);
        byte[][] sound = [Bytes(stream => layer.Save(stream, format: WeightsFormat.PyTorch)), StateDict().Zip(Storages)];
        DamagedInputs.Read(mutator => mutator.Bytes(mutator.Any(sound)), bytes =>
        {
            ReadAll(new MemoryStream(bytes));
            AllOrNothing(() => Bytes(stream => layer.Save(stream)), () => layer.Restore(new MemoryStream(bytes)));
        }, IsDocumented);
    }

    // The checksums of the records are sound, so that what is damaged comes to be read.
    [Fact]
    public void Pickles()
    {
        var sound = StateDict().Bytes[new PickleBytes().Bytes.Length..];
        DamagedInputs.Read(mutator => new PickleBytes().Raw(mutator.Bytes(sound)).Zip(Storages), bytes => ReadAll(new MemoryStream(bytes)), IsDocumented);
    }

    private static byte[][] Storages => [new byte[24], new byte[16]];

    private static PickleBytes StateDict()
    {
        var pickle = new PickleBytes().Op("}q").Raw(0).Op("(");
        pickle.Text("epoch").Number(3).Text("lr").Op("G").Raw(0, 0, 0, 0, 0, 0, 0, 0);
        pickle.Text("model").OrderedDict().Op("(").Text("head.weight").Tensor("FloatStorage", 0, 6, 0, [2, 3], [3, 1]);
        pickle.Text("turned").Tensor("FloatStorage", 0, 6, 0, [3, 2], [1, 3], "neg").Text("window").Tensor("FloatStorage", 0, 6, 1, [3, 3], [1, 1]);
        pickle.Text("half").Tensor("HalfStorage", 1, 8, 2, [6], [1]).Text("bytes").Untyped(1, 16, "float8_e4m3fn", [16]).Op("u");
        pickle.Op("}(").Text("_metadata").OrderedDict().Op("ub");
        pickle.Text("list").Op("](N").Global("torch._utils", "_rebuild_parameter").Op("(").Tensor("FloatStorage", 0, 6, 0, [2], [1]).Raw(0x88).OrderedDict().Op("tRe");
        return pickle.Op("u.");
    }

    private static bool IsDocumented(Exception exception) => exception is WeightsFormatException or CheckpointMismatchException;

    private static byte[] Bytes(Action<Stream> save)
    {
        var stream = new MemoryStream();
        save(stream);
        return stream.ToArray();
    }

    private static void AllOrNothing(Func<byte[]> state, Action restore)
    {
        var before = state();
        try
        {
            restore();
        }
        catch
        {
            Assert.Equal(before, state());
            throw;
        }

        state();
    }

    private static void ReadAll(string path)
    {
        using var file = WeightsFile.Open(path);
        ReadAll(file);
    }

    private static void ReadAll(Stream stream)
    {
        using var file = WeightsFile.Open(stream);
        ReadAll(file);
    }

    private static void ReadAll(WeightsFile file)
    {
        WeightsFormatException? fault = null;
        foreach (var tensor in file.Tensors)
        {
            // A view may repeat values as often as it likes; who reads it gives the memory. And not all types are weights.
            if (tensor.Count > MostValues || FloatConversion.GetSize(tensor.Type) == 0) continue;
            try
            {
                file.Read(tensor, new float[tensor.Count]);
            }
            catch (WeightsFormatException exception)
            {
                fault = exception;
            }
        }

        if (fault is not null) throw fault;
    }
}
