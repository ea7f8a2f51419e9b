using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax.Tests.Checkpoints;

/// <summary>Weights in streams, and without holding on to the caller's thread.</summary>
public sealed class StreamTests : IDisposable
{
    private static readonly SoftmaxLayout s_layout = SoftmaxLayout.Create(4, 6, [3], hasHeadBias: true);

    private readonly TemporaryFolder _folder = new();
    private readonly DynamicAdaptiveSoftmax _saved = new(s_layout, seed: 1);
    private readonly DynamicAdaptiveSoftmax _other = new(s_layout, seed: 2);

    public void Dispose()
    {
        _folder.Dispose();
        _saved.Dispose();
        _other.Dispose();
    }

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(WeightsFormat.Safetensors)]
    [InlineData(WeightsFormat.PyTorch)]
    public void Stream_HoldsTheBytesOfTheFile_FromWhereItStands(WeightsFormat format)
    {
        _saved.Save(_folder["file"], "a.", format);
        var stream = new MemoryStream();
        stream.Write("before"u8);
        _saved.Save(stream, "a.", format);
        Assert.Equal(File.ReadAllBytes(_folder["file"]), stream.ToArray()[6..]);
        stream.Position = 6;
        _other.Restore(stream, prefix: "a.");
        AssertEqual();
        Assert.True(stream.CanRead);
    }

    [Theory]
    [InlineData(WeightsFormat.Safetensors)]
    [InlineData(WeightsFormat.PyTorch)]
    public void StreamThatCannotSeek_IsWrittenAndRead(WeightsFormat format)
    {
        var inner = new MemoryStream();
        _saved.Save(new PlainStream(inner), format: format);
        _other.Restore(new PlainStream(new MemoryStream(inner.ToArray())));
        AssertEqual();
    }

    [Theory]
    [InlineData(WeightsFormat.Safetensors)]
    [InlineData(WeightsFormat.PyTorch)]
    public async Task StreamThatIsAsynchronousAlone_IsWrittenAndRead(WeightsFormat format)
    {
        var inner = new MemoryStream();
        await _saved.SaveAsync(new PlainStream(inner) { IsAsynchronousAlone = true }, format: format, cancellationToken: Token);
        await _other.RestoreAsync(new PlainStream(new MemoryStream(inner.ToArray())) { IsAsynchronousAlone = true }, cancellationToken: Token);
        AssertEqual();

        _saved.Save(_folder["file"], format: format);
        Assert.Equal(File.ReadAllBytes(_folder["file"]), inner.ToArray());
    }

    [Fact]
    public async Task FileThatIsSavedAsynchronously_IsTheSame_AndIsLoaded()
    {
        _saved.Save(_folder["file"]);
        await _saved.SaveAsync(_folder["other"], cancellationToken: Token);
        Assert.Equal(File.ReadAllBytes(_folder["file"]), File.ReadAllBytes(_folder["other"]));
        await _other.RestoreAsync(_folder["other"], cancellationToken: Token);
        AssertEqual();
        using (var loaded = DynamicAdaptiveSoftmax.Load(_folder["file"], s_layout)) AssertEqual(loaded);
        using (var loaded = await DynamicAdaptiveSoftmax.LoadAsync(_folder["file"], s_layout, cancellationToken: Token)) AssertEqual(loaded);
        using (var stream = File.OpenRead(_folder["file"])) AssertEqual(DynamicAdaptiveSoftmax.Load(stream, s_layout));
        using (var stream = File.OpenRead(_folder["file"])) AssertEqual(await DynamicAdaptiveSoftmax.LoadAsync(stream, s_layout, cancellationToken: Token));
    }

    [Fact]
    public async Task Run_GoesOnFromAStream()
    {
        using var run = new ToyRun("adamw");
        run.Train(3);
        var (stream, later) = (new MemoryStream(), new MemoryStream());
        run.Checkpoint.Save(stream);
        await run.Checkpoint.SaveAsync(later, WeightsFormat.PyTorch, Token);
        run.Train(3);
        foreach (var saved in new[] { stream, later })
        {
            using var resumed = new ToyRun("adamw", seed: 5);
            saved.Position = 0;
            if (saved == stream) resumed.Checkpoint.Restore(saved);
            else await resumed.Checkpoint.RestoreAsync(new PlainStream(saved) { IsAsynchronousAlone = true }, cancellationToken: Token);
            Assert.Equal(3, resumed.Checkpoint.Step);
            resumed.Train(3);
            Assert.Equal(run.Values, resumed.Values);
        }
    }

    [Fact]
    public async Task Cancellation_LeavesFileAndWeightsAsTheyWere()
    {
        _saved.Save(_folder["file"]);
        var bytes = File.ReadAllBytes(_folder["file"]);
        var before = Values(_other);
        var cancelled = new CancellationToken(canceled: true);
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => _other.SaveAsync(_folder["file"], cancellationToken: cancelled));
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => _other.RestoreAsync(_folder["file"], cancellationToken: cancelled));
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => _other.RestoreAsync(new MemoryStream(bytes), cancellationToken: cancelled));
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => _other.SaveAsync(new MemoryStream(), cancellationToken: cancelled));

        // In the middle: the first tensor's data are asked for, and nothing is read of the next ones.
        using var source = new CancellationTokenSource();
        var header = 8 + BitConverter.ToInt32(bytes);
        var (middle, last) = (new MemoryStream(bytes), 0L);
        var stream = new PlainStream(middle) { CanSeekToo = true, OnRead = Cancel };
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => _other.RestoreAsync(stream, cancellationToken: source.Token));
        Assert.InRange(last, header, bytes.Length - 1);
        Assert.True(middle.Position < bytes.Length);

        void Cancel()
        {
            last = middle.Position;
            if (middle.Position >= header) source.Cancel();
        }

        Assert.Equal(bytes, File.ReadAllBytes(_folder["file"]));
        Assert.Equal(["file"], _folder.Files);
        Assert.Equal(before, Values(_other));
    }

    [Fact]
    public async Task FaultOfTheStream_IsTheOneThatIsReported()
    {
        Assert.Equal("full", Assert.Throws<IOException>(() => _saved.Save(new PlainStream(new MemoryStream()) { FailsToWrite = true })).Message);
        Assert.Equal("full", (await Assert.ThrowsAsync<IOException>(() => _saved.SaveAsync(new PlainStream(new MemoryStream()) { FailsToWrite = true }, cancellationToken: Token))).Message);
        using var large = new Parameter("large", 4_000, 1_000);
        Assert.Equal("full", (await Assert.ThrowsAsync<IOException>(() => new Checkpoint([large]).SaveAsync(new PlainStream(new MemoryStream()) { FailsToWrite = true }, cancellationToken: Token))).Message);
        Assert.Throws<ArgumentException>(() => _saved.Save(new MemoryStream([], writable: false)));
        var damaged = new MemoryStream();
        _saved.Save(damaged);
        var before = Values(_other);
        Assert.Throws<SafetensorsFormatException>(() => _other.Restore(new MemoryStream(damaged.ToArray()[..^1])));
        Assert.Equal(before, Values(_other));
    }

    [Fact]
    public async Task LoadThatFails_DisposesOfTheNewLayer()
    {
        _saved.Save(_folder["file"]);
        var other = SoftmaxLayout.Create(4, 7, [3], hasHeadBias: true);
        Assert.Contains("vocabulary size", Assert.Throws<CheckpointMismatchException>(() => DynamicAdaptiveSoftmax.Load(_folder["file"], other)).Message, StringComparison.Ordinal);
        await Assert.ThrowsAsync<CheckpointMismatchException>(() => DynamicAdaptiveSoftmax.LoadAsync(_folder["file"], other, cancellationToken: Token));
    }

    [Fact]
    public void WhatIsDisposedBeforeItsEnd_TakesNothing_AndNothingElseDoes()
    {
        _saved.Save(_folder["file"]);
        var before = _other.Parameters[0].Values.ToArray();
        using var file = WeightsFile.Open(_folder["file"]);
        using var restore = new CheckpointRestore(file, _other.Parameters, _other.Identity);
        restore.Check(allowOthers: true, optimizers: []);
        restore.ReadStaged(Token);
        _other.Parameters[^1].Dispose();
        Assert.Throws<ObjectDisposedException>(() => restore.Commit(optimizers: []));
        Assert.Equal(before, _other.Parameters[0].Values.ToArray());

        using var optimizer = new AdamW();
        new Checkpoint(_saved, [], optimizer).Save(_folder["run"]);
        using var third = new DynamicAdaptiveSoftmax(s_layout, seed: 3);
        using var run = WeightsFile.Open(_folder["run"]);
        using var all = new CheckpointRestore(run, third.Parameters, third.Identity);
        all.Check(allowOthers: false, [optimizer]);
        all.ReadStaged(Token);
        optimizer.Dispose();
        before = third.Parameters[0].Values.ToArray();
        Assert.Throws<ObjectDisposedException>(() => all.Commit([optimizer]));
        Assert.Equal(before, third.Parameters[0].Values.ToArray());
    }

    private static float[][] Values(DynamicAdaptiveSoftmax layer) => [.. layer.Parameters.Select(parameter => parameter.Values.ToArray())];

    private void AssertEqual() => AssertEqual(_other);

    private void AssertEqual(DynamicAdaptiveSoftmax other) => Assert.Equal(Values(_saved), Values(other));
}
