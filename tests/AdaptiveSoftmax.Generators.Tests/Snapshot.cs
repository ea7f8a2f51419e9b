using System.Runtime.CompilerServices;
using DiffPlex.Renderer;

namespace AdaptiveSoftmax.Generators.Tests;

/// <summary>
/// Compares generated sources with <c>Snapshots/Class.Method#Hint.verified.cs</c>. A mismatch leaves the new text beside
/// it as <c>.received.cs</c>; with ACCEPT_SNAPSHOTS=1 in the environment it becomes the snapshot.
/// </summary>
internal static class Snapshot
{
    private static readonly string s_version = $"\"{typeof(AdaptiveSoftmaxGenerator).Assembly.GetName().Version}\"";

    public static void Check(GeneratorRun run, [CallerFilePath] string file = "", [CallerMemberName] string method = "")
    {
        var folder = Path.Combine(Path.GetDirectoryName(file)!, "Snapshots");
        var prefix = $"{Path.GetFileNameWithoutExtension(file)}.{method}#";
        var accept = Environment.GetEnvironmentVariable("ACCEPT_SNAPSHOTS") == "1";
        var problems = new List<string>();
        var expected = Directory.Exists(folder) ? Directory.GetFiles(folder, $"{prefix}*.verified.cs").ToHashSet() : [];
        foreach (var (hint, text) in run.Sources)
        {
            var received = text.Replace(s_version, "\"{version}\"", StringComparison.Ordinal);
            var path = Path.Combine(folder, prefix + hint[..^".cs".Length]);
            expected.Remove(path + ".verified.cs");
            var verified = File.Exists(path + ".verified.cs") ? File.ReadAllText(path + ".verified.cs") : "";
            File.Delete(path + ".received.cs");
            if (received == verified) continue;
            Directory.CreateDirectory(folder);
            File.WriteAllText(path + (accept ? ".verified.cs" : ".received.cs"), received);
            if (!accept) problems.Add($"{hint} differs from its snapshot:\n{UnidiffRenderer.GenerateUnidiff(verified, received, "verified", "received")}");
        }

        foreach (var path in expected)
        {
            if (accept) File.Delete(path);
            else problems.Add($"{Path.GetFileName(path)} was not generated.");
        }

        Assert.True(problems.Count == 0, string.Join('\n', problems));
    }
}
