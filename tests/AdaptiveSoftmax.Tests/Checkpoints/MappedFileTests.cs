using System.Buffers.Binary;
using System.Diagnostics;
using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax.Tests.Checkpoints;

/// <summary>Weights that are the pages of a file.</summary>
public sealed unsafe class MappedFileTests : IDisposable
{
    private static readonly SoftmaxLayout s_layout = SoftmaxLayout.Create(40, 500, [100, 250], [20, 5], hasHeadBias: true);

    private readonly TemporaryFolder _folder = new();
    private readonly DynamicAdaptiveSoftmax _layer = new(s_layout, seed: 1);

    public MappedFileTests() => _layer.Save(Path);

    private string Path => _folder["weights"];

    public void Dispose()
    {
        _layer.Dispose();
        _folder.Dispose();
    }

    [Fact]
    public void MappedLayer_DecodesAndTrainsAsOneThatWasRead_AndLeavesTheFileAlone()
    {
        var bytes = File.ReadAllBytes(Path);
        using var mapped = DynamicAdaptiveSoftmax.Load(Path, s_layout, MemoryMapping.On);
        using var read = DynamicAdaptiveSoftmax.Load(Path, s_layout, MemoryMapping.Off);
        Assert.All(mapped.Parameters, parameter => Assert.NotNull(parameter.Map));
        Assert.All(read.Parameters, parameter => Assert.Null(parameter.Map));
        Assert.Equal(LogProbs(_layer), LogProbs(mapped));
        foreach (var layer in new[] { mapped, read })
        {
            using var optimizer = new Adagrad(0.5);
            for (var step = 0; step < 3; step++)
            {
                layer.Backward(Hidden(8), [1, 2, 3, 120, 130, 300, 400, 499]);
                optimizer.Step(layer.Parameters);
            }
        }

        Assert.NotEqual(LogProbs(_layer), LogProbs(mapped));
        Assert.Equal(LogProbs(read), LogProbs(mapped));
        Assert.Equal(bytes, File.ReadAllBytes(Path));

        // Over the very file that it is mapped from.
        mapped.Save(Path);
        Assert.Equal(LogProbs(read), LogProbs(mapped));
        read.Restore(Path);
        Assert.Equal(LogProbs(read), LogProbs(mapped));
    }

    [Fact]
    public void EveryWayToWrite_WritesToMemory()
    {
        var bytes = File.ReadAllBytes(Path);
        using var other = new DynamicAdaptiveSoftmax(s_layout, seed: 2);
        other.Save(_folder["other"]);
        Check(layer => layer.Initialize(2));
        Check(layer => layer.Restore(_folder["other"]));
        Check(layer =>
        {
            foreach (var (parameter, source) in layer.Parameters.Zip(other.Parameters)) parameter.Set(source.Values);
        });
        Check(layer =>
        {
            foreach (var (parameter, source) in layer.Parameters.Zip(other.Parameters))
            {
                for (var row = 0; row < parameter.Rows; row++) parameter.EditRow(row, values => source.Row(row).CopyTo(values));
            }
        });

        void Check(Action<DynamicAdaptiveSoftmax> write)
        {
            using var mapped = DynamicAdaptiveSoftmax.Load(Path, s_layout, MemoryMapping.On);
            write(mapped);
            Assert.Equal(LogProbs(other), LogProbs(mapped));
            Assert.Equal(bytes, File.ReadAllBytes(Path));
        }
    }

    [Fact]
    public void FileThatIsReplacedOrDeleted_StaysWithThoseWhoMappedIt()
    {
        using var mapped = DynamicAdaptiveSoftmax.Load(Path, s_layout, MemoryMapping.On);
        using (var other = new DynamicAdaptiveSoftmax(s_layout, seed: 2)) other.Save(Path);
        Assert.Equal(LogProbs(_layer), LogProbs(mapped));
        using (var next = DynamicAdaptiveSoftmax.Load(Path, s_layout, MemoryMapping.On)) Assert.NotEqual(LogProbs(_layer), LogProbs(next));
        File.Delete(Path);
        Assert.Equal(LogProbs(_layer), LogProbs(mapped));
    }

    [Theory]
    [MemberData(nameof(Places))]
    public void DataOfAnyAlignment_UpToTheLastByteOfAPage_AreUsed(WeightPrecision precision, bool isOdd)
    {
        const int PageLength = 4096;
        using var small = _layer.Quantize(new QuantizationOptions { Head = precision, Tails = precision });
        small.Save(Path);
        var bytes = File.ReadAllBytes(Path);
        var header = 8 + BitConverter.ToInt32(bytes);
        var spaces = (PageLength - (bytes.Length % PageLength)) % PageLength;
        if (isOdd) spaces |= 1;
        var moved = bytes[..header].Concat(Enumerable.Repeat((byte)' ', spaces)).Concat(bytes[header..]).ToArray();
        BinaryPrimitives.WriteInt64LittleEndian(moved, header - 8 + spaces);
        File.WriteAllBytes(Path, moved);
        Assert.Equal(isOdd ? 1 : 0, isOdd ? (header + spaces) % 2 : moved.Length % PageLength);
        using var mapped = DynamicAdaptiveSoftmax.LoadQuantized(Path, s_layout, MemoryMapping.On);
        Assert.Equal(precision, mapped.Precision.Head);
        Assert.Equal(LogProbs(small), LogProbs(mapped));
    }

    public static TheoryData<WeightPrecision, bool> Places
    {
        get
        {
            var places = new TheoryData<WeightPrecision, bool>();
            foreach (var precision in Enum.GetValues<WeightPrecision>())
            {
                places.Add(precision, false);
                places.Add(precision, true);
            }

            return places;
        }
    }

    [Fact]
    public void WrittenMatrices_StandAtCacheLines()
    {
        using var layer = new DynamicAdaptiveSoftmax(SoftmaxLayout.Create(64, 301, [101], [16], hasHeadBias: true));
        using var small = layer.Quantize();
        foreach (var save in new Action<string>[] { path => layer.Save(path), path => small.Save(path), path => layer.Save(path, "a.") })
        {
            save(Path);
            using var file = SafetensorsReader.Open(Path);
            var start = 8 + BitConverter.ToInt32(File.ReadAllBytes(Path));
            foreach (var tensor in file.Tensors.Cast<SafetensorsTensor>().Where(tensor => tensor.Shape.Count == 2))
                Assert.True((start + tensor.Start) % 64 == 0, tensor.Name);
            foreach (var tensor in file.Tensors.Cast<SafetensorsTensor>()) Assert.Equal(0, (start + tensor.Start) % (SafetensorsTypes.FindBits(tensor.Type) / 8));
        }
    }

    [Fact]
    public void Disposal_ClosesTheFile_AndLaterCallsSaySo()
    {
        var layer = DynamicAdaptiveSoftmax.Load(Path, s_layout, MemoryMapping.On);
        var session = layer.CreateSession();
        Assert.True(IsMapped());
        layer.Dispose();
        Assert.False(IsMapped());
        Assert.Throws<ObjectDisposedException>(() => LogProbs(layer));
        Assert.Throws<ObjectDisposedException>(() => session.TopK(Hidden(1), new int[1], new float[1]));
        Assert.Throws<ObjectDisposedException>(() => layer.Parameters[0].Values.Length);
        layer.Dispose();

        _layer.Quantize().Save(Path);
        var small = DynamicAdaptiveSoftmax.LoadQuantized(Path, s_layout, MemoryMapping.On);
        Assert.True(IsMapped());
        small.Dispose();
        Assert.False(IsMapped());
        Assert.Throws<ObjectDisposedException>(() => LogProbs(small));

        // Nor does a load that fails keep it.
        Assert.Throws<CheckpointMismatchException>(() => DynamicAdaptiveSoftmax.Load(Path, s_layout, MemoryMapping.On));
        Assert.False(IsMapped());

        bool IsMapped() => OperatingSystem.IsLinux() ? File.ReadAllText("/proc/self/maps").Contains(Path, StringComparison.Ordinal) : !CanBeLocked();

        bool CanBeLocked()
        {
            try
            {
                using var file = new FileStream(Path, FileMode.Open, FileAccess.ReadWrite, FileShare.None);
                return true;
            }
            catch (IOException)
            {
                return false;
            }
        }
    }

    [Fact]
    public void ModelInSeveralFiles_IsMapped()
    {
        using var file = WeightsFile.Open(Path);
        var map = new List<string>();
        foreach (var (tensor, number) in file.Tensors.Select((tensor, i) => (tensor, i % 2)).ToList()) map.Add($"\"{tensor.Name}\":\"{number}.safetensors\"");
        foreach (var number in new[] { 0, 1 })
        {
            using var content = WeightsContent.Fill(content =>
            {
                foreach (var tensor in file.Tensors.Where((_, i) => i % 2 == number)) content.AddCopy(file, tensor);
                content.AddMetadata(IdentityMetadata.Key, file.Metadata[IdentityMetadata.Key]);
            });
            content.Write(_folder[$"{number}.safetensors"], WeightsFormat.Safetensors, TestContext.Current.CancellationToken);
        }

        File.WriteAllText(_folder["model.safetensors.index.json"], $"{{\"weight_map\":{{{string.Join(",", map)}}}}}");
        using var mapped = DynamicAdaptiveSoftmax.Load(_folder["model.safetensors.index.json"], s_layout, MemoryMapping.On);
        Assert.Equal(2, mapped.Parameters.Select(parameter => parameter.Map).Distinct().Count());
        Assert.Equal(LogProbs(_layer), LogProbs(mapped));
    }

    [Fact]
    public void WhatCannotBeMapped_SaysWhatToDo()
    {
        _layer.Save(Path, format: WeightsFormat.PyTorch);
        Check<WeightsFormatException>("adaptive-softmax convert");
        using (var small = _layer.Quantize(new QuantizationOptions { Head = WeightPrecision.BFloat16, Tails = WeightPrecision.BFloat16 })) small.Save(Path);
        Check<WeightsFormatException>("Its type is BF16");
        File.WriteAllBytes(Path, []);
        Check<WeightsFormatException>("It has 0 bytes");
        _layer.Save(Path);
        File.WriteAllBytes(Path, File.ReadAllBytes(Path)[..^1]);
        Check<WeightsFormatException>("cut short");
        Assert.Throws<ArgumentOutOfRangeException>(() => DynamicAdaptiveSoftmax.Load(Path, s_layout, (MemoryMapping)2));

        void Check<T>(string message)
            where T : Exception => Assert.Contains(message, Assert.ThrowsAny<T>(() => DynamicAdaptiveSoftmax.Load(Path, s_layout, MemoryMapping.On)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void FileThatAnotherProgramWrites_IsNotMapped()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "Leases are Linux's.");
        using (new FileStream(Path, FileMode.Open, FileAccess.Write, FileShare.ReadWrite))
            Assert.Contains("open for writing in another program", Assert.Throws<IOException>(() => DynamicAdaptiveSoftmax.Load(Path, s_layout, MemoryMapping.On)).Message, StringComparison.Ordinal);
        using var mapped = DynamicAdaptiveSoftmax.Load(Path, s_layout, MemoryMapping.On);
        Assert.True(mapped.Parameters[0].Map!.HasLease);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void WithoutALease_ACallThatFindsAnotherFileFails(bool isCut)
    {
        var stream = new FileStream(Path, new FileStreamOptions { Access = FileAccess.Read, Share = FileShare.ReadWrite, BufferSize = 0 });
        var map = new MappedFile(stream, Path, withLease: false);
        Assert.False(map.HasLease);
        var leases = new MemoryLeases();
        leases.Watch([map, null, map]);
        leases.Take().Dispose();
        using (var file = new FileStream(Path, FileMode.Open, FileAccess.Write, FileShare.ReadWrite))
        {
            if (isCut) file.SetLength(file.Length - 100);
            else file.WriteByte(1);
        }

        if (!isCut) File.SetLastWriteTimeUtc(Path, DateTime.UtcNow.AddSeconds(2));
        var error = Assert.Throws<IOException>(() => leases.Take());
        Assert.Contains(isCut ? $"has {map.Length - 100} bytes, and had {map.Length} when it was mapped" : "was written to since it was mapped", error.Message, StringComparison.Ordinal);
        Assert.Contains("Load it again", error.Message, StringComparison.Ordinal);

        // A call that was refused is none that is waited for.
        var isFreed = false;
        leases.WhenUnused(() => isFreed = true);
        Assert.True(isFreed);
        map.Release();
    }

    [Theory]
    [InlineData(": > \"$0\"")]
    [InlineData("dd if=/dev/null of=\"$0\" bs=1 seek=5000 2>/dev/null")]
    [InlineData("dd if=/dev/urandom of=\"$0\" bs=65536 count=300 conv=notrunc 2>/dev/null")]
    public void WhoeverCutsOrWritesTheFile_WaitsUntilItIsCopied(string command)
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "Leases are Linux's.");
        using (var large = new DynamicAdaptiveSoftmax(MappedChild.Layout, seed: 3)) large.Save(Path);
        using var child = StartChild();
        Assert.Equal("mapped", child.StandardOutput.ReadLine());
        using var writer = Process.Start("/bin/sh", ["-c", command, Path]);
        writer.WaitForExit();
        Assert.Equal(0, writer.ExitCode);
        File.WriteAllText(Path + ".stop", "");
        Assert.Equal("0 others", child.StandardOutput.ReadLine());
        child.WaitForExit();
        Assert.Equal(0, child.ExitCode);
    }

    private Process StartChild()
    {
        var host = Environment.ProcessPath!;
        var start = new ProcessStartInfo(host) { RedirectStandardOutput = true };
        if (System.IO.Path.GetFileNameWithoutExtension(host) == "dotnet") start.ArgumentList.Add(typeof(MappedFileTests).Assembly.Location);
        start.Environment[MappedChild.PathVariable] = Path;
        return Process.Start(start)!;
    }

    private static float[] Hidden(int tokens) => [.. Enumerable.Range(0, tokens * s_layout.HiddenSize).Select(i => MathF.Sin(i))];

    private static float[] LogProbs(SoftmaxDecoder softmax)
    {
        var output = new float[4 * s_layout.VocabularySize];
        softmax.LogProb(Hidden(1), output.AsSpan(0, s_layout.VocabularySize));
        softmax.LogProb(Hidden(3), output.AsSpan(s_layout.VocabularySize));
        return output;
    }
}
