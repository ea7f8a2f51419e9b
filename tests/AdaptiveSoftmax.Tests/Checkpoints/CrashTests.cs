using System.Diagnostics;
using System.Globalization;
using AdaptiveSoftmax.Testing;

namespace AdaptiveSoftmax.Tests.Checkpoints;

public sealed class CrashTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void EveryStateThatACrashCanLeave_HoldsTheOldCheckpointOrTheNewOne()
    {
        using var run = new ToyRun("momentum");
        run.Checkpoint.Save(_folder["old"]);
        run.Train(2);
        run.Checkpoint.Save(_folder["new"]);
        var next = File.ReadAllBytes(_folder["new"]);
        var path = _folder["run"];
        using var resumed = new ToyRun("momentum", seed: 7);

        // Until the rename, the disk holds the old file and any part of the new one under the temporary name.
        for (var length = 0; length <= next.Length; length += 61)
        {
            File.Copy(_folder["old"], path, overwrite: true);
            File.WriteAllBytes($"{path}.{length}.tmp", next[..length]);
            resumed.Checkpoint.Restore(path);
            Assert.Equal(0, resumed.Checkpoint.Step);
            resumed.Train(2);
            resumed.Checkpoint.Save(path);
            Assert.Equal(next, File.ReadAllBytes(path));
        }
    }

    [Fact]
    [MoreAtNight]
    public void KilledAndResumedAgainAndAgain_EndsWithTheBitsOfAnUninterruptedRun()
    {
        var kills = Nightly.Count(6, 100);
        var path = _folder["run"];
        using var resumed = new ToyRun("adamw", seed: 9);
        for (var kill = 0; kill < kills; kill++)
        {
            var before = resumed.Checkpoint.Step;
            using var child = StartChild(path);

            // The child saves as fast as it can, so any moment is likely one in the middle of saving.
            while (ReadStep(path) < before + 3 && !child.HasExited) Thread.Sleep(1);
            Thread.Sleep(kill % 10 * 3);
            Assert.False(child.HasExited, "The child ended by itself.");
            child.Kill();
            child.WaitForExit();
            resumed.Checkpoint.Restore(path);
            Assert.True(resumed.Checkpoint.Step >= before + 3);
        }

        using var whole = new ToyRun("adamw");
        whole.Train((int)resumed.Checkpoint.Step);
        Assert.Equal(whole.Values, resumed.Values);
        whole.Train(3);
        resumed.Train(3);
        Assert.Equal(whole.Values, resumed.Values);
    }

    private static long ReadStep(string path)
    {
        if (!File.Exists(path)) return 0;
        using var reader = SafetensorsReader.Open(path);
        return TrainingMetadata.Parse(reader, reader.Metadata[TrainingMetadata.Key]).Step;
    }

    private static Process StartChild(string path)
    {
        var host = Environment.ProcessPath!;
        var start = new ProcessStartInfo(host);
        if (Path.GetFileNameWithoutExtension(host) == "dotnet") start.ArgumentList.Add(typeof(CrashTests).Assembly.Location);
        start.Environment[CrashChild.PathVariable] = path;
        start.Environment[CrashChild.ParentVariable] = Environment.ProcessId.ToString(CultureInfo.InvariantCulture);
        return Process.Start(start)!;
    }
}
