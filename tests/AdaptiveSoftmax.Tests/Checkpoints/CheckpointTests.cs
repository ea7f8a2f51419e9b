namespace AdaptiveSoftmax.Tests.Checkpoints;

public sealed class CheckpointTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    public static TheoryData<string> Optimizers => ["sgd", "momentum", "nesterov", "adagrad", "adamw"];

    [Theory]
    [MemberData(nameof(Optimizers))]
    public void RunResumedAtAnyStep_EndsWithTheBitsOfAnUninterruptedOne(string optimizer)
    {
        const int Steps = 7;
        using var whole = new ToyRun(optimizer);
        whole.Train(Steps);
        for (var stop = 0; stop <= Steps; stop++)
        {
            var path = _folder[$"{stop}.safetensors"];
            using (var interrupted = new ToyRun(optimizer))
            {
                interrupted.Train(stop);
                interrupted.Checkpoint.Save(path);
            }

            // The resumed run begins with other hyperparameters and values, and has trained: all of it must go.
            using var resumed = new ToyRun(optimizer, seed: 99, otherSettings: true);
            resumed.Train(2);
            resumed.Checkpoint.Restore(path);
            Assert.Equal(stop, resumed.Checkpoint.Step);
            resumed.Train(Steps - stop);
            Assert.Equal(whole.Values, resumed.Values);
            Assert.Equal(whole.Optimizer.StepCount, resumed.Optimizer.StepCount);
            Assert.Equal(whole.Optimizer.Settings.ToArray(), resumed.Optimizer.Settings.ToArray());
        }
    }

    [Theory]
    [MemberData(nameof(Optimizers))]
    public void SavedTwice_IsTheSameFileByteForByte(string optimizer)
    {
        using var run = new ToyRun(optimizer);
        run.Train(3);
        run.Checkpoint.Save(_folder["a"]);
        using var copy = new ToyRun(optimizer, seed: 5);
        copy.Checkpoint.Restore(_folder["a"]);
        copy.Checkpoint.Save(_folder["b"]);
        Assert.Equal(File.ReadAllBytes(_folder["a"]), File.ReadAllBytes(_folder["b"]));
    }

    [Fact]
    public void File_NamesWhatPyTorchNames()
    {
        using var run = new ToyRun("adamw");
        run.Train(1);
        run.Checkpoint.Save(_folder["a"]);
        using var reader = SafetensorsReader.Open(_folder["a"]);
        Assert.Equivalent(
            (string[])["embedding.weight", "head.weight", "head.bias", "late.weight", "optimizer.embedding.weight.exp_avg", "optimizer.embedding.weight.exp_avg_sq",
             "optimizer.head.weight.exp_avg", "optimizer.head.weight.exp_avg_sq", "optimizer.head.bias.exp_avg", "optimizer.head.bias.exp_avg_sq"],
            reader.Tensors.Select(tensor => tensor.Name), strict: true);
        Assert.Equal("pt", reader.Metadata["format"]);
    }

    [Fact]
    public void Strings_ComeBackAsTheyWere()
    {
        using var run = new ToyRun("sgd");
        run.Checkpoint.Step = long.MaxValue;
        run.Checkpoint.Strings["random"] = "a\0b\"\\\n\u2028\U0001F600";
        run.Checkpoint.Strings[""] = "";
        run.Checkpoint.Save(_folder["a"]);
        using var other = new ToyRun("sgd");
        other.Checkpoint.Strings["gone"] = "afterwards";
        other.Checkpoint.Restore(_folder["a"]);
        Assert.Equal(run.Checkpoint.Strings, other.Checkpoint.Strings);
        Assert.Equal(long.MaxValue, other.Checkpoint.Step);
    }

    [Fact]
    public void Restore_LeavesNoGradient()
    {
        using var run = new ToyRun("sgd");
        run.Checkpoint.Save(_folder["a"]);
        run.Parameters[1].TouchGradient().Fill(4);
        run.Checkpoint.Restore(_folder["a"]);
        Assert.False(run.Parameters[1].HasGradient);
        Assert.Equal(-1, run.Parameters[1].Gradient.IndexOfAnyExcept(0f));
    }

    [Fact]
    public void DamagedOrCutFile_ChangesNothing()
    {
        using var saved = new ToyRun("adamw");
        saved.Train(2);
        saved.Checkpoint.Save(_folder["a"]);
        var bytes = File.ReadAllBytes(_folder["a"]);
        using var run = new ToyRun("adamw", seed: 8);
        run.Train(3);
        run.Checkpoint.Strings["mine"] = "kept";
        for (var length = 0; length < bytes.Length; length += 7)
        {
            File.WriteAllBytes(_folder["cut"], bytes[..length]);
            AssertRefusedWithoutChange<SafetensorsFormatException>(run, _folder["cut"]);
        }
    }

    [Fact]
    public void FaultInTheMiddleOfReading_ChangesNothing()
    {
        // The last tensor is sound by its header, and cannot be read as weights: everything before it was read by then.
        using var run = new ToyRun("sgd");
        run.Train(1);
        run.Checkpoint.Save(_folder["a"]);
        var bytes = File.ReadAllBytes(_folder["a"]);
        var position = bytes.AsSpan().LastIndexOf("F32"u8);
        "I32"u8.CopyTo(bytes.AsSpan(position));
        File.WriteAllBytes(_folder["a"], bytes);
        run.Train(1);
        run.Checkpoint.Strings["mine"] = "kept";
        AssertRefusedWithoutChange<SafetensorsFormatException>(run, _folder["a"]);
    }

    [Fact]
    public void OtherParameters_AreAllNamed()
    {
        using var weight = new Parameter("head.weight", 2, 3);
        using var gone = new Parameter("gone", 2, 3);
        new Checkpoint([weight, gone]).Save(_folder["a"]);
        using var turned = new Parameter("head.weight", 3, 2);
        using var added = new Parameter("added", 1, 1);
        var error = Assert.Throws<CheckpointMismatchException>(() => new Checkpoint([turned, added]).Restore(_folder["a"]));
        Assert.Equal(
            ["'head.weight' is [2, 3] in the file, and [3, 2] is needed", "the file has no tensor 'added'", "the file's tensor 'gone' belongs to no parameter"],
            error.Differences);
    }

    [Fact]
    public void OtherOptimizer_IsRefused()
    {
        using var run = new ToyRun("adamw");
        run.Train(1);
        run.Checkpoint.Save(_folder["a"]);
        using var other = new ToyRun("adagrad");
        AssertRefusedWithoutChange<CheckpointMismatchException>(other, _folder["a"]);
        new Checkpoint(run.Parameters).Save(_folder["b"]);
        AssertRefusedWithoutChange<CheckpointMismatchException>(other, _folder["b"]);
    }

    [Fact]
    public void OptimizerState_MayBeLeftBehind()
    {
        using var run = new ToyRun("adamw");
        run.Train(2);
        run.Checkpoint.Save(_folder["a"]);
        using var other = new ToyRun("sgd", seed: 4);
        new Checkpoint(other.Parameters).Restore(_folder["a"]);
        Assert.Equal(run.Values, other.Values);
        Assert.Equal(0, other.Optimizer.StepCount);
    }

    [Theory]
    [InlineData("\"kind\\\":\\\"sgd", "\"kind\\\":\\\"SGD", typeof(CheckpointMismatchException))]
    [InlineData("momentum\\\":0.9", "momentum\\\":-.9", typeof(SafetensorsFormatException))]
    [InlineData("momentum\\\":0.9", "momentum\\\":-99", typeof(SafetensorsFormatException))]
    [InlineData("dampening", "dampenin_", typeof(SafetensorsFormatException))]
    [InlineData("step_count\\\":2", "step_count\\\":x", typeof(SafetensorsFormatException))]
    [InlineData("step_count\\\":2", "step_coun_\\\":2", typeof(SafetensorsFormatException))]
    [InlineData("{\\\"embedding.weight\\\":2", "{\\\"embedding_weight\\\":2", typeof(CheckpointMismatchException))]
    public void EditedMetadata_IsRefusedWithoutChange(string text, string replacement, Type exception)
    {
        using var run = new ToyRun("momentum");
        run.Train(2);
        run.Checkpoint.Save(_folder["a"]);
        var bytes = File.ReadAllBytes(_folder["a"]);
        var position = bytes.AsSpan().IndexOf(System.Text.Encoding.UTF8.GetBytes(text.TrimStart('"')));
        Assert.True(position > 0);
        System.Text.Encoding.UTF8.GetBytes(replacement.TrimStart('"')).CopyTo(bytes.AsSpan(position));
        File.WriteAllBytes(_folder["a"], bytes);
        run.Train(1);
        var before = run.Values;
        Assert.IsType(exception, Record.Exception(() => run.Checkpoint.Restore(_folder["a"])));
        Assert.Equal(before, run.Values);
    }

    [Fact]
    public void ParametersWithEqualOrReservedNames_AreRefused()
    {
        using var first = new Parameter("a", 1, 1);
        using var second = new Parameter("a", 1, 1);
        using var reserved = new Parameter("optimizer.a", 1, 1);
        Assert.Throws<ArgumentException>(() => new Checkpoint([first, second]));
        Assert.Throws<ArgumentException>(() => new Checkpoint([reserved]));
    }

    [Fact]
    public void OptimizerOfMoreThanTheCheckpoint_IsRefused()
    {
        using var run = new ToyRun("adagrad");
        run.Train(1);
        var error = Assert.Throws<InvalidOperationException>(() => new Checkpoint(run.Parameters.Skip(1), run.Optimizer).Save(_folder["a"]));
        Assert.Contains("embedding.weight", error.Message, StringComparison.Ordinal);
        Assert.Empty(_folder.Files);
    }

    [Fact]
    public void DisposedTarget_IsRefusedBeforeAnythingChanges()
    {
        using var run = new ToyRun("sgd");
        run.Checkpoint.Save(_folder["a"]);
        using var other = new ToyRun("sgd", seed: 3);
        var before = other.Parameters[0].Values.ToArray();
        other.Parameters[^1].Dispose();
        Assert.Throws<ObjectDisposedException>(() => other.Checkpoint.Restore(_folder["a"]));
        Assert.Equal(before, other.Parameters[0].Values.ToArray());
    }

    [Fact]
    public void DisposedSource_IsRefusedBeforeAnythingIsWritten()
    {
        using var run = new ToyRun("adamw");
        run.Train(1);
        run.Optimizer.Dispose();
        Assert.Throws<ObjectDisposedException>(() => run.Checkpoint.Save(_folder["a"]));
        using var other = new ToyRun("adamw");
        other.Parameters[^1].Dispose();
        Assert.Throws<ObjectDisposedException>(() => other.Checkpoint.Save(_folder["a"]));
        Assert.Empty(_folder.Files);
    }

    private static void AssertRefusedWithoutChange<TException>(ToyRun run, string path)
        where TException : Exception
    {
        var values = run.Values;
        var strings = run.Checkpoint.Strings.ToArray();
        var settings = run.Optimizer.Settings.ToArray();
        var step = (run.Checkpoint.Step, run.Optimizer.StepCount);
        Assert.Throws<TException>(() => run.Checkpoint.Restore(path));
        Assert.Equal(values, run.Values);
        Assert.Equal(strings, run.Checkpoint.Strings.ToArray());
        Assert.Equal(settings, run.Optimizer.Settings.ToArray());
        Assert.Equal(step, (run.Checkpoint.Step, run.Optimizer.StepCount));
    }
}
