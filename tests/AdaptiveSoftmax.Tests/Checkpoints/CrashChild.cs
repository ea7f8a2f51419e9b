using System.Diagnostics;
using System.Globalization;
using System.Runtime.CompilerServices;

namespace AdaptiveSoftmax.Tests.Checkpoints;

/// <summary>
/// What this executable does instead of testing when <see cref="CrashTests"/> starts it: resume a run, then train and
/// save without a pause until it is killed.
/// </summary>
internal static class CrashChild
{
    public const string PathVariable = "ADAPTIVE_SOFTMAX_CRASH_TEST_PATH";
    public const string ParentVariable = "ADAPTIVE_SOFTMAX_CRASH_TEST_PARENT";

    [ModuleInitializer]
    internal static void RunIfAsked()
    {
        if (Environment.GetEnvironmentVariable(PathVariable) is not { } path) return;
        using var parent = Process.GetProcessById(int.Parse(Environment.GetEnvironmentVariable(ParentVariable)!, CultureInfo.InvariantCulture));
        using var run = new ToyRun("adamw");
        if (File.Exists(path)) run.Checkpoint.Restore(path);
        while (!parent.HasExited)
        {
            run.Train(1);
            run.Checkpoint.Save(path);
        }

        Environment.Exit(0);
    }
}
