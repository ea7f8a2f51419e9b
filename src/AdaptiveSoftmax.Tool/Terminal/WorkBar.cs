using Spectre.Console;

namespace AdaptiveSoftmax.Tool.Terminal;

/// <summary>Shows how far long work has come, where there is a terminal to show it on.</summary>
internal static class WorkBar
{
    /// <summary>Does the work.</summary>
    /// <param name="console">Where to show it.</param>
    /// <param name="title">What is being done.</param>
    /// <param name="total">How much there is to do.</param>
    /// <param name="work">Does it, and says how much more is done.</param>
    public static void Run(IAnsiConsole console, string title, double total, Action<Action<double>> work)
    {
        if (!console.Profile.Capabilities.Interactive)
        {
            work(_ => { });
            return;
        }

        console.Progress().AutoClear(true).Start(context =>
        {
            var task = context.AddTask(title, maxValue: Math.Max(1, total));
            work(task.Increment);
        });
    }
}
