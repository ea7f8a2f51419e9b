using System.Diagnostics;

namespace AdaptiveSoftmax.Tests.PyTorch;

/// <summary>A Python that has PyTorch, for tests of what it loads.</summary>
internal static class Python
{
    // The caller's choice, then the distribution's own, for which eng/pytorch.sh installs PyTorch, then what is on the PATH.
    private static readonly string[] s_candidates = Environment.GetEnvironmentVariable("ADAPTIVE_SOFTMAX_PYTHON") is { Length: > 0 } chosen ? [chosen] : ["/usr/bin/python3", "python3"];

    private static readonly Lazy<string?> s_program = new(() => s_candidates.FirstOrDefault(program =>
    {
        try
        {
            return Start(program, "-c", "import torch, numpy").ExitCode == 0;
        }
        catch (System.ComponentModel.Win32Exception)
        {
            return false;
        }
    }));

    /// <summary>Runs one of the fixtures' scripts; a test on a machine without PyTorch is skipped, in CI it fails.</summary>
    public static string Run(string script, params string[] arguments)
    {
        if (s_program.Value is null)
        {
            const string Missing = "There is no Python with PyTorch; eng/pytorch.sh installs one.";
            Assert.SkipWhen(Environment.GetEnvironmentVariable("CI") != "true", Missing);
            Assert.Fail(Missing);
        }

        var (exitCode, output) = Start(s_program.Value, [Fixture.GetPath(script), .. arguments]);
        Assert.True(exitCode == 0, output);
        return output;
    }

    private static (int ExitCode, string Output) Start(string program, params string[] arguments)
    {
        var start = new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true, RedirectStandardError = true };
        start.Environment["PYTHONDONTWRITEBYTECODE"] = "1";
        using var process = Process.Start(start)!;
        var error = process.StandardError.ReadToEndAsync();
        var output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return (process.ExitCode, output + error.Result);
    }
}
