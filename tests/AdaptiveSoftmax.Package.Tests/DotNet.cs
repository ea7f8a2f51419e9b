using System.Diagnostics;

namespace AdaptiveSoftmax.Package.Tests;

/// <summary>Runs the SDK's commands, and what they make.</summary>
internal static class DotNet
{
    /// <summary>Runs a command to its end and gives its exit code and all that it printed.</summary>
    public static Task<(int ExitCode, string Output)> RunAsync(string folder, params string[] arguments) =>
        RunProgramAsync(Environment.GetEnvironmentVariable("DOTNET_HOST_PATH") ?? "dotnet", folder, arguments);

    /// <summary>Runs any program so.</summary>
    public static async Task<(int ExitCode, string Output)> RunProgramAsync(string program, string folder, params string[] arguments)
    {
        var start = new ProcessStartInfo(program, arguments)
        {
            WorkingDirectory = folder,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };

        // Nothing must live on that holds the files of a folder which is deleted afterwards.
        start.Environment["MSBUILDDISABLENODEREUSE"] = "1";
        start.Environment["UseSharedCompilation"] = "false";
        start.Environment["DOTNET_CLI_UI_LANGUAGE"] = "en";
        start.Environment["DOTNET_NOLOGO"] = "1";
        using var process = Process.Start(start)!;
        var output = process.StandardOutput.ReadToEndAsync();
        var errors = process.StandardError.ReadToEndAsync();
        await process.WaitForExitAsync();
        return (process.ExitCode, await output + await errors);
    }
}
