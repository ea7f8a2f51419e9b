using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Text.Json.Nodes;

namespace AdaptiveSoftmax.TorchSharp.Tests;

/// <summary>The package without libtorch: this test, in a process that is told of no native libraries.</summary>
public sealed class MissingLibTorchTests
{
    private const string Variable = "ADAPTIVE_SOFTMAX_TESTS_WITHOUT_LIBTORCH";

    [Fact]
    public async Task EveryEntry_SaysInASentenceWhatIsMissing()
    {
        if (Environment.GetEnvironmentVariable(Variable) is not null)
        {
            CallEverything();
            return;
        }

        var assembly = typeof(MissingLibTorchTests).Assembly.Location;
        // The host takes the paths in it from where it stands.
        var dependencies = Path.ChangeExtension(assembly, $".{Environment.ProcessId}.deps.json");
        try
        {
            await File.WriteAllTextAsync(dependencies, WithoutNativeLibraries(Path.ChangeExtension(assembly, ".deps.json")), TestContext.Current.CancellationToken);
            var host = Path.Combine(RuntimeEnvironment.GetRuntimeDirectory(), "..", "..", "..", OperatingSystem.IsWindows() ? "dotnet.exe" : "dotnet");
            string[] arguments =
            [
                "exec", "--depsfile", dependencies, "--runtimeconfig", Path.ChangeExtension(assembly, ".runtimeconfig.json"), assembly,
                "-noLogo", "-noColor", "-method", $"*.{nameof(MissingLibTorchTests)}.{nameof(EveryEntry_SaysInASentenceWhatIsMissing)}",
            ];
            using var process = Process.Start(new ProcessStartInfo(host, arguments)
            {
                RedirectStandardOutput = true,
                // Where TorchSharp looks for libtorch on its own.
                Environment = { [Variable] = "1", ["NUGET_PACKAGES"] = Path.Combine(Path.GetTempPath(), Variable) },
            })!;
            var output = await process.StandardOutput.ReadToEndAsync(TestContext.Current.CancellationToken);
            await process.WaitForExitAsync(TestContext.Current.CancellationToken);
            Assert.True(process.ExitCode == 0 && output.Contains("Total: 1,", StringComparison.Ordinal), output);
        }
        finally
        {
            File.Delete(dependencies);
        }
    }

    private static void CallEverything()
    {
        using var layer = News.Create(seed: 1);
        foreach (var call in new Action[]
        {
            () => layer.ToTorch(),
            () => layer.CreateSlotTable(),
            () => new AdaptiveLogSoftmaxWithLoss(16, 100, [20]).Dispose(),
            () => new AdaptiveLogSoftmaxWithLoss(layer.Layout).Dispose(),
            () => new AdaptiveInput(16, 100, [20]).Dispose(),
            () => new AdaptiveInput(layer.Layout).Dispose(),
            () => layer.ToTorch(ignore_index: 3),
        })
        {
            var message = Assert.Throws<DllNotFoundException>(call).Message;
            Assert.StartsWith("TorchSharp finds no libtorch: reference the package TorchSharp-cpu, ", message, StringComparison.Ordinal);
            Assert.DoesNotContain('\n', message);
        }
    }

    private static string WithoutNativeLibraries(string path)
    {
        var root = JsonNode.Parse(File.ReadAllText(path))!;
        foreach (var (_, target) in root["targets"]!.AsObject())
        {
            foreach (var (_, library) in target!.AsObject())
            {
                library!.AsObject().Remove("native");
                if (library["runtimeTargets"] is not JsonObject assets) continue;
                foreach (var asset in assets.Where(asset => (string?)asset.Value!["assetType"] == "native").ToArray()) assets.Remove(asset.Key);
            }
        }

        return root.ToJsonString();
    }
}
