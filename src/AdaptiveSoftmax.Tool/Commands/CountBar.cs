using System.Globalization;
using AdaptiveSoftmax.Corpus;
using Spectre.Console;

namespace AdaptiveSoftmax.Tool.Commands;

/// <summary>Shows how far a count has come, where there is a terminal to show it on.</summary>
internal static class CountBar
{
    public static T Run<T>(IAnsiConsole console, Func<IProgress<CorpusProgress>?, T> work)
    {
        if (!console.Profile.Capabilities.Interactive) return work(null);
        return console.Progress()
            .AutoClear(true)
            .Columns(new TaskDescriptionColumn(), new ProgressBarColumn(), new PercentageColumn(), new TransferSpeedColumn(), new RemainingTimeColumn())
            .Start(context =>
            {
                var task = context.AddTask("Tokenising");
                return work(new BarUpdate(task));
            });
    }

    private sealed class BarUpdate(ProgressTask task) : IProgress<CorpusProgress>
    {
        public void Report(CorpusProgress value)
        {
            task.MaxValue = Math.Max(1, value.BytesTotal);
            task.Value = value.BytesDone;
            task.Description = string.Create(CultureInfo.InvariantCulture, $"{value.Tokens / 1e6:n1} M tokens");
        }
    }
}
