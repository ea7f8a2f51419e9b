using System.Runtime.InteropServices;
using System.Text.Json;
using AdaptiveSoftmax.Tests.Checkpoints;
using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax.Tests.PyTorch;

/// <summary>Files of ours in PyTorch's own module, and what it saves in ours again.</summary>
public sealed class InterchangeTests : IDisposable
{
    private const int Tokens = 5;

    private readonly TemporaryFolder _folder = new();
    private readonly List<DynamicAdaptiveSoftmax> _layers = [];
    private readonly List<Job> _jobs = [];

    public void Dispose()
    {
        foreach (var layer in _layers) layer.Dispose();
        _folder.Dispose();
    }

    [Fact]
    public void SavedFiles_LoadInPyTorchAndComeBackBitByBit()
    {
        // Both formats, with and without a parent's name; a shape of each kind; the fields of files beyond 4 GB.
        Add("plain.pt", 24, 60, [10, 30], 2, headBias: true, (layer, path, _) => layer.Save(path, format: WeightsFormat.PyTorch));
        Add("plain.safetensors", 24, 60, [10, 30], 2, headBias: true, (layer, path, _) => layer.Save(path));
        Add("prefixed.pt", 13, 40, [1, 2, 39], 1.6, headBias: false, (layer, path, prefix) => layer.Save(path, prefix, WeightsFormat.PyTorch), "decoder.softmax.");
        Add("prefixed.safetensors", 13, 40, [1, 2, 39], 1.6, headBias: false, (layer, path, prefix) => layer.Save(path, prefix), "decoder.softmax.");
        Add("real.pt", 64, 200_019, [2_000, 20_000], 4, headBias: false, (layer, path, _) => layer.Save(path, format: WeightsFormat.PyTorch));
        Add("parameters.pt", 8, 12, [4], 0.5, headBias: true, (layer, path, _) => PyTorchWriter.Write(path, layer.Parameters));
        Add("zip64.pt", 24, 60, [10, 30], 2, headBias: true, (layer, path, _) =>
        {
            using var stream = File.Create(path);
            PyTorchWriter.WriteTo(stream, WeightsContent.From(layer.Parameters, metadata: null), zip64From: 1);
        });
        File.WriteAllText(_folder["jobs.json"], JsonSerializer.Serialize(_jobs.Select(job => job.Arguments)));

        Assert.Contains("torch", Python.Run("check.py", _folder["jobs.json"]), StringComparison.Ordinal);

        foreach (var job in _jobs) Check(job);
    }

    private void Add(string name, int hidden, int classes, int[] cutoffs, double divValue, bool headBias, Action<DynamicAdaptiveSoftmax, string, string> save, string prefix = "")
    {
        var layer = new DynamicAdaptiveSoftmax(SoftmaxLayout.Create(hidden, classes, cutoffs, divValue, headBias), seed: (ulong)_jobs.Count);
        _layers.Add(layer);
        // Bits that a conversion on the way would change.
        layer.Parameters[0].WritableValues[0] = BitConverter.Int32BitsToSingle(1);
        layer.Parameters[0].WritableValues[1] = -0f;
        save(layer, _folder[name], prefix);
        using var input = new Parameter("input", Tokens, hidden);
        UniformInitializer.Fill(WorkerPool.Get(2), input, bound: 3, seed: 5, stream: 0);
        SafetensorsWriter.Write(_folder[name + ".input"], [input]);
        _jobs.Add(new Job(layer, input.Values.ToArray(), prefix, new
        {
            file = _folder[name],
            prefix,
            hidden,
            classes,
            cutoffs,
            div_value = divValue,
            head_bias = headBias,
            input = _folder[name + ".input"],
            log_prob = _folder[name + ".log_prob"],
            saved = _folder[name + ".saved"],
        }, _folder[name]));
    }

    private static void Check(Job job)
    {
        var logProbs = new float[Tokens * job.Layer.Layout.VocabularySize];
        job.Layer.LogProb(job.Input, logProbs);
        var expected = Fixture.ReadArrays(job.Path + ".log_prob")["log_prob"].Values;
        for (var i = 0; i < expected.Length; i++) Assert.Equal(expected[i], logProbs[i], 1e-4);

        using var back = new DynamicAdaptiveSoftmax(job.Layer.Layout, seed: 99);
        back.Restore(job.Path + ".saved", acceptUnmarked: true, job.Prefix);
        foreach (var (saved, read) in job.Layer.Parameters.Zip(back.Parameters))
            Assert.True(MemoryMarshal.AsBytes(saved.Values).SequenceEqual(MemoryMarshal.AsBytes(read.Values)), $"{job.Path}: {saved.Name}");
    }

    private sealed record Job(DynamicAdaptiveSoftmax Layer, float[] Input, string Prefix, object Arguments, string Path);
}
