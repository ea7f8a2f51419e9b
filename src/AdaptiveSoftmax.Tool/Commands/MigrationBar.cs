using Spectre.Console;

namespace AdaptiveSoftmax.Tool.Commands;

/// <summary>Shows how far a migration has come, where there is a terminal to show it on.</summary>
internal static class MigrationBar
{
    public static T Run<T>(IAnsiConsole console, Func<Action<MigrationProgress>?, T> work)
    {
        if (!console.Profile.Capabilities.Interactive) return work(null);
        return console.Progress()
            .AutoClear(true)
            .Columns(new TaskDescriptionColumn(), new ProgressBarColumn(), new PercentageColumn(), new RemainingTimeColumn())
            .Start(context =>
            {
                var task = context.AddTask("states");
                return work(progress =>
                {
                    task.Description = progress.Stage;
                    task.Value = 100 * progress.Share;
                });
            });
    }
}
