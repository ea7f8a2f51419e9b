using System.Runtime.InteropServices;
using System.Text;
using AdaptiveSoftmax.Tests.Checkpoints;
using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax.Tests.Migration;

/// <summary>What else a migrated file holds, dense heads, and what is wrong with files that do not fit.</summary>
public sealed class MigratedFileTests : IDisposable
{
    private static readonly string[] s_tokens = ToyVocabulary.Tokens(Enumerable.Range(0, 12));

    private readonly TemporaryFolder _folder = new();
    private readonly SoftmaxDefinition _from = ToyVocabulary.Create(s_tokens, [4, 8], [3, 2]);
    private readonly SoftmaxDefinition _to = ToyVocabulary.Create(ToyVocabulary.Tokens(0, 1, 2, 4, 3, 5, 6, 7, 8, 9, 10, 11), [4, 8], [3, 2]);

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void OptimizerState_FollowsItsRows_AndTheRunGoesOn()
    {
        using var model = ToyVocabulary.CreateModel(_from);
        using var body = new Parameter("body.weight", 2, 3);
        using var optimizer = new Adagrad(0.1);
        optimizer.AddGroup([model.Parameters[0]], learningRateFactor: 0.5);
        var random = new Random(1);
        var hidden = Enumerable.Range(0, 30).SelectMany(_ => ToyVocabulary.CreateState(random, ToyVocabulary.Hidden)).ToArray();
        model.Backward(hidden, [.. Enumerable.Range(0, 30).Select(i => i % 12)]);
        body.TouchGradient().Fill(1);
        optimizer.Step([.. model.Parameters, body]);
        ToyVocabulary.Save(_folder["old"], model, _from, [body], optimizer);
        SoftmaxMigration.Migrate(_folder["old"], _from, _to, _folder["new"], cancellationToken: TestContext.Current.CancellationToken);

        using var migrated = new DynamicAdaptiveSoftmax(_to.Layout, seed: 5);
        using var migratedBody = new Parameter("body.weight", 2, 3);
        using var resumed = new Adagrad(0.3);
        var checkpoint = new Checkpoint(migrated, [migratedBody], resumed);
        checkpoint.Restore(_folder["new"]);
        Assert.Equal(7, checkpoint.Step);
        Assert.Equal("kept", checkpoint.Strings["note"]);
        Assert.Equal(0.1, resumed.LearningRate);
        Assert.Equal(0.5, Assert.Single(resumed.Groups).LearningRateFactor);
        Assert.Equal(body.Values.ToArray(), migratedBody.Values.ToArray());
        using var old = WeightsFile.Open(_folder["old"]);
        using var file = WeightsFile.Open(_folder["new"]);
        var (before, after) = (Read(old, "optimizer.head.weight.sum"), Read(file, "optimizer.head.weight.sum"));
        Assert.Equal(Row(before, 2), Row(after, 2));
        Assert.Equal(new float[ToyVocabulary.Hidden], Row(after, 3));
        Assert.Equal(Row(before, 5), Row(after, 5));
        Assert.Equal(Read(old, "optimizer.tail.1.1.weight.sum"), Read(file, "optimizer.tail.1.1.weight.sum"));
        Assert.All(Read(file, "optimizer.tail.0.1.weight.sum"), value => Assert.Equal(0, value));
        Assert.Equal(Read(old, "optimizer.body.weight.sum"), Read(file, "optimizer.body.weight.sum"));

        float[] Row(float[] values, int row) => values[(row * ToyVocabulary.Hidden)..((row + 1) * ToyVocabulary.Hidden)];
    }

    [Fact]
    public void InputEmbeddingsBySlot_AreRefused_WhereSlotsChange()
    {
        using var model = ToyVocabulary.CreateModel(_from);
        using Parameter shortlist = new("input.embeddings.0.0.weight", 4, 3), tail = new("input.embeddings.2.0.weight", 4, 2), projection = new("input.embeddings.2.1.weight", 6, 2);
        SafetensorsWriter.Write(_folder["old"], [.. model.Parameters, shortlist, tail, projection]);
        var error = Assert.Throws<ArgumentException>(() => SoftmaxMigration.Migrate(_folder["old"], _from, _to, _folder["new"], cancellationToken: TestContext.Current.CancellationToken));
        Assert.Contains("input.embeddings.0.0.weight", error.Message, StringComparison.Ordinal);
        Assert.Contains("input.embeddings.2.0.weight", error.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("input.embeddings.2.1.weight", error.Message, StringComparison.Ordinal);
        Assert.False(File.Exists(_folder["new"]));

        // Only widths change, so each row still is its token's.
        var narrower = ToyVocabulary.Create(s_tokens, [4, 8], [2, 2]);
        SoftmaxMigration.Migrate(_folder["old"], _from, narrower, _folder["new"], cancellationToken: TestContext.Current.CancellationToken);
        using var file = WeightsFile.Open(_folder["new"]);
        Assert.Equal(shortlist.Values.ToArray(), Read(file, "input.embeddings.0.0.weight"));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void ProjectionsOfSharedEmbeddings_AreRefused_WhereTokensChangeBands(bool areProjectionsShared)
    {
        using var model = ToyVocabulary.CreateModel(_from);
        using Parameter shortlist = new("input.embeddings.0.1.weight", 6, ToyVocabulary.Hidden), first = new("input.embeddings.1.1.weight", 6, 3), second = new("input.embeddings.2.1.weight", 6, 2);
        first.Edit(values => values.Fill(5));
        Parameter[] own = areProjectionsShared ? [shortlist] : [shortlist, first, second];
        SafetensorsWriter.Write(_folder["old"], [.. model.Parameters, .. own]);
        var narrower = ToyVocabulary.Create(s_tokens, [4, 8], [2, 2]);
        foreach (var to in new[] { _to, narrower })
        {
            var error = Assert.Throws<ArgumentException>(() => SoftmaxMigration.Migrate(_folder["old"], _from, to, _folder["new"], cancellationToken: TestContext.Current.CancellationToken));
            Assert.Contains("input.embeddings.0.1.weight", error.Message, StringComparison.Ordinal);
            Assert.False(File.Exists(_folder["new"]));
        }

        // Within their bands tokens may stand as they like.
        var sorted = ToyVocabulary.Create(ToyVocabulary.Tokens(1, 0, 2, 3, 5, 4, 6, 7, 11, 9, 10, 8), [4, 8], [3, 2]);
        SoftmaxMigration.Migrate(_folder["old"], _from, sorted, _folder["new"], cancellationToken: TestContext.Current.CancellationToken);
        using var file = WeightsFile.Open(_folder["new"]);
        Assert.Equal(own[^1].Values.ToArray(), Read(file, own[^1].Name));
    }

    [Fact]
    public void Migrations_AreReadableAsAChain_AndOtherFingerprintsAreRefused()
    {
        using (var model = ToyVocabulary.CreateModel(_from)) ToyVocabulary.Save(_folder["old"], model, _from);
        var last = ToyVocabulary.Create(s_tokens, [5], [2]);
        SoftmaxMigration.Migrate(_folder["old"], _from, _to, _folder["new"], cancellationToken: TestContext.Current.CancellationToken);

        // In between it is trained on and saved, as a run and as weights alone.
        using (var trained = new DynamicAdaptiveSoftmax(_to.Layout))
        {
            var checkpoint = new Checkpoint(trained);
            checkpoint.Restore(_folder["new"], acceptUnmarked: true);
            checkpoint.Save(_folder["trained"]);
        }

        using (var trained = DynamicAdaptiveSoftmax.Load(_folder["trained"], _to, acceptUnmarked: true))
        {
            trained.Save(_folder["new"]);
            trained.Initialize(4);
            trained.Save(_folder["anew"]);
            using var anew = WeightsFile.Open(_folder["anew"]);
            Assert.Empty(SoftmaxMigration.ReadChain(anew));
        }

        SoftmaxMigration.Migrate(_folder["new"], _to, last, _folder["last"], cancellationToken: TestContext.Current.CancellationToken);
        using var file = WeightsFile.Open(_folder["last"]);
        Assert.Equal([(_from.Fingerprint, _to.Fingerprint), (_to.Fingerprint, last.Fingerprint)], SoftmaxMigration.ReadChain(file).Select(step => (step.From, step.To)));
        var before = File.ReadAllBytes(_folder["last"]);
        Assert.Contains("vocabulary", Assert.Throws<CheckpointMismatchException>(() => SoftmaxMigration.Migrate(_folder["new"], _from, last, _folder["last"], cancellationToken: TestContext.Current.CancellationToken)).Message, StringComparison.Ordinal);
        Assert.Equal(before, File.ReadAllBytes(_folder["last"]));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void ADenseHead_BecomesAdaptive_AndTheRestOfTheModelStays(bool isTied)
    {
        var random = new Random(2);
        var upper = Enumerable.Range(0, 14 * ToyVocabulary.Hidden).Select(_ => (ushort)(BitConverter.SingleToUInt32Bits((random.NextSingle() - 0.5f) * 2) >> 16)).ToArray();
        WriteModel(isTied ? "model.embed_tokens.weight" : "lm_head.weight", upper);
        var to = ToyVocabulary.Create(ToyVocabulary.Tokens(3, 1, 2, 0, 4, 5, 6, 7, 8, 9, 10, 11), [4, 8], [8, 8]);
        WriteStates(to);
        var report = SoftmaxMigration.Adopt(_folder["model"], to, _folder["new"], options: new MigrationOptions { StatesPath = _folder["states"], Prefix = "softmax." }, cancellationToken: TestContext.Current.CancellationToken);
        Assert.Equal(2, report.Removed);
        using var file = WeightsFile.Open(_folder["new"]);
        Assert.Equal(isTied, file.TryGetTensor("model.embed_tokens.weight", out var embedding));
        Assert.False(file.TryGetTensor("lm_head.weight", out _));
        if (isTied) Assert.Equal("BF16", embedding!.Type);
        Assert.True(file.TryGetTensor("counter", out var counter));
        Assert.Equal("I64", counter.Type);
        Assert.True(File.ReadAllBytes(_folder["new"]).AsSpan().IndexOf(MemoryMarshal.AsBytes<long>([0x0123456789ABCDEF])) > 0);

        // Rows of the shortlist are the head's, and full widths hold all scores within a tail.
        using var migrated = DynamicAdaptiveSoftmax.Load(_folder["new"], to.Layout, prefix: "softmax.");
        Assert.Equal(Dense(3), migrated.Parameters[0].Row(0).ToArray());
        var state = ToyVocabulary.CreateState(random, ToyVocabulary.Hidden);
        var after = ToyVocabulary.LogProbs(migrated, state);
        foreach (var tail in to.Layout.Tails)
        {
            var expected = ToyVocabulary.LogSoftmax([.. Enumerable.Range(tail.Start, tail.Size).Select(slot => Dense(to.Table.GetId(slot)).Zip(state, (a, b) => (double)a * b).Sum())]);
            var actual = ToyVocabulary.LogSoftmax(after[tail.Start..(tail.Start + tail.Size)]);
            for (var j = 0; j < expected.Length; j++) Assert.Equal(expected[j], actual[j], 1e-5);
        }

        float[] Dense(int id) => [.. upper.AsSpan(id * ToyVocabulary.Hidden, ToyVocabulary.Hidden).ToArray().Select(bits => BitConverter.UInt32BitsToSingle((uint)bits << 16))];
    }

    // Rows of the shortlist show the scale as it is; it is a power of two, so that no bit is lost.
    [Fact]
    public void WhatAModelMultipliesLogitsBy_GoesIntoTheRows()
    {
        Directory.CreateDirectory(_folder["scaled"]);
        var random = new Random(6);
        CheckpointTensor weight = new("lm_head.weight", "F32", [12, 8], Draw(96)), bias = new("lm_head.bias", "F32", [12], Draw(12));
        HuggingFaceFiles.WriteFile(Path.Combine(_folder["scaled"], "model.safetensors"), weight, bias);
        File.WriteAllText(Path.Combine(_folder["scaled"], "config.json"), """{ "logits_scaling": 4 }""");
        var to = ToyVocabulary.Create(s_tokens, [4, 8], [8, 8], headBias: true);
        WriteStates(to);
        SoftmaxMigration.Adopt(_folder["scaled"], to, _folder["new"], options: new MigrationOptions { StatesPath = _folder["states"] }, cancellationToken: TestContext.Current.CancellationToken);
        using var migrated = DynamicAdaptiveSoftmax.Load(_folder["new"], to.Layout);
        for (var row = 0; row < 4; row++)
        {
            Assert.Equal(weight.Values[(8 * row)..(8 * (row + 1))].Select(value => value / 4), migrated.Parameters[0].Row(row).ToArray());
            Assert.Equal(bias.Values[row] / 4, migrated.Parameters[1].Values[row]);
        }

        var state = ToyVocabulary.CreateState(random, ToyVocabulary.Hidden);
        var after = ToyVocabulary.LogProbs(migrated, state);
        foreach (var tail in to.Layout.Tails)
        {
            var expected = ToyVocabulary.LogSoftmax([.. Enumerable.Range(tail.Start, tail.Size).Select(slot => (bias.Values[slot] + Enumerable.Range(0, 8).Sum(k => (double)weight.Values[(8 * slot) + k] * state[k])) / 4)]);
            var actual = ToyVocabulary.LogSoftmax(after[tail.Start..(tail.Start + tail.Size)]);
            // A tail has no bias: it is a row over the states, nearly.
            for (var j = 0; j < expected.Length; j++) Assert.Equal(expected[j], actual[j], 0.05);
        }

        float[] Draw(int count) => [.. Enumerable.Range(0, count).Select(_ => (4 * random.NextSingle()) - 2)];
    }

    [Theory]
    [InlineData("lm_head.weight", """{ "final_logit_softcapping": 30.0 }""", "caps logits at 30", "\"logitSoftCap\"")]
    [InlineData("model.embed_tokens.weight", """{ "tie_word_embeddings": false }""", "are not tied to one", "with its output layer")]
    public void AConfigurationThatSaysOtherwise_IsRefused(string name, string config, string difference, string remedy)
    {
        Directory.CreateDirectory(_folder["other"]);
        HuggingFaceFiles.WriteFile(Path.Combine(_folder["other"], "model.safetensors"), new CheckpointTensor(name, "F32", [12, 8], new float[96]));
        File.WriteAllText(Path.Combine(_folder["other"], "config.json"), config);
        var mismatch = Assert.Throws<CheckpointMismatchException>(() => SoftmaxMigration.Adopt(_folder["other"], _to, _folder["new"], cancellationToken: TestContext.Current.CancellationToken));
        Assert.Contains(difference, Assert.Single(mismatch.Differences), StringComparison.Ordinal);
        Assert.Contains(remedy, mismatch.Remedy, StringComparison.Ordinal);
        Assert.DoesNotContain("new", _folder.Files);
    }

    [Theory]
    [InlineData(true, true)]
    [InlineData(true, false)]
    [InlineData(false, true)]
    public void Biases_GoAlong(bool before, bool after)
    {
        var (from, to) = (ToyVocabulary.Create(s_tokens, [4, 8], [3, 2], before), ToyVocabulary.Create(ToyVocabulary.Tokens(0, 1, 4, 2, 3, 5, 6, 7, 8, 9, 10, 11), [5, 8], [3, 2], after));
        using var model = ToyVocabulary.CreateModel(from);
        ToyVocabulary.Save(_folder["old"], model, from);
        ToyVocabulary.WriteStates(_folder["states"], model, from, 800);
        var report = SoftmaxMigration.Migrate(_folder["old"], from, to, _folder["new"], new MigrationOptions { StatesPath = _folder["states"] }, TestContext.Current.CancellationToken);
        Assert.InRange(report.After!.Perplexity / report.Before!.Perplexity, 0.97, 1.04);
        using var migrated = DynamicAdaptiveSoftmax.Load(_folder["new"], to.Layout);
        if (before && after) Assert.Equal(model.Parameters[1].Values[3], migrated.Parameters[1].Values[4]);
    }

    [Fact]
    public void WhatDoesNotFit_IsSaid_AndNothingIsWritten()
    {
        using (var model = ToyVocabulary.CreateModel(_from)) ToyVocabulary.Save(_folder["old"], model, _from);
        var other = ToyVocabulary.Create(["a0", "a1", "a2", "a3"], [2], [2]);
        AssertFault<ArgumentException>("no token in common", other);
        AssertFault<ArgumentException>("hidden size", ToyVocabulary.Create(s_tokens, [4], [2], hidden: 6));
        AssertFault<ArgumentException>("states file", _to, new MigrationOptions { PolishSteps = 3 });
        AssertFault<ArgumentException>("AddedShare", _to, new MigrationOptions { AddedShare = 1 });
        StatesWriter.Write(_folder["wide"], 9, writer => writer.Add(new float[9], [0]), cancellationToken: TestContext.Current.CancellationToken);
        AssertFault<SafetensorsFormatException>("hidden size 8", _to, new MigrationOptions { StatesPath = _folder["wide"] });
        StatesWriter.Write(_folder["strange"], 8, writer => writer.Add(new float[8], [99]), cancellationToken: TestContext.Current.CancellationToken);
        AssertFault<SafetensorsFormatException>("target 99", _to, new MigrationOptions { StatesPath = _folder["strange"], FitStates = 1 });
        using (var broken = ToyVocabulary.CreateModel(_from))
        {
            broken.Parameters[0].EditRow(2, row => row[1] = float.NaN);
            ToyVocabulary.Save(_folder["old"], broken, _from);
        }

        AssertFault<SafetensorsFormatException>("Row 2", _to);
        Assert.Contains("no output layer", Assert.Throws<SafetensorsFormatException>(() => SoftmaxMigration.Adopt(_folder["old"], _to, _folder["new"], cancellationToken: TestContext.Current.CancellationToken)).Message, StringComparison.Ordinal);
        Assert.DoesNotContain("new", _folder.Files);

        void AssertFault<T>(string message, SoftmaxDefinition to, MigrationOptions? options = null)
            where T : Exception =>
            Assert.Contains(message, Assert.Throws<T>(() => SoftmaxMigration.Migrate(_folder["old"], _from, to, _folder["new"], options, TestContext.Current.CancellationToken)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Cancelled_ItLeavesNothing()
    {
        using (var model = ToyVocabulary.CreateModel(_from)) ToyVocabulary.Save(_folder["old"], model, _from);
        using var cancellation = new CancellationTokenSource();
        cancellation.Cancel();
        Assert.Throws<OperationCanceledException>(() => SoftmaxMigration.Migrate(_folder["old"], _from, _to, _folder["new"], cancellationToken: cancellation.Token));
        Assert.Equal(["old"], _folder.Files);
    }

    private void WriteModel(string name, ushort[] rows)
    {
        var data = MemoryMarshal.AsBytes(rows.AsSpan()).ToArray();
        var header = $$$"""{"{{{name}}}":{"dtype":"BF16","shape":[14,8],"data_offsets":[0,{{{data.Length}}}]},"counter":{"dtype":"I64","shape":[1],"data_offsets":[{{{data.Length}}},{{{data.Length + 8}}}]}}""";
        File.WriteAllBytes(_folder["model"], SafetensorsBytes.Create(Encoding.UTF8.GetBytes(header), [.. data, .. MemoryMarshal.AsBytes<long>([0x0123456789ABCDEF])]));
    }

    private void WriteStates(SoftmaxDefinition definition)
    {
        var random = new Random(8);
        StatesWriter.Write(_folder["states"], ToyVocabulary.Hidden, writer =>
        {
            for (var i = 0; i < 400; i++) writer.Add(ToyVocabulary.CreateState(random, ToyVocabulary.Hidden), [definition.Table.GetId(i % definition.Table.Count)]);
        }, cancellationToken: TestContext.Current.CancellationToken);
    }

    private static float[] Read(WeightsFile file, string name)
    {
        Assert.True(file.TryGetTensor(name, out var tensor), name);
        var values = new float[tensor.Count];
        file.Read(tensor, values);
        return values;
    }
}
