using System.Diagnostics;
using System.Globalization;
using Spectre.Console;

namespace LanguageModelSample;

/// <summary>Shows training: a live table on a terminal, a line every few seconds anywhere else. The perplexity is that of held-out text.</summary>
internal static class TrainingDisplay
{
    private const double SecondsBetweenFrames = 0.25;
    private const double SecondsBetweenLines = 5;

    /// <summary>Runs work that reports its state after every step.</summary>
    /// <param name="console">Where to show it.</param>
    /// <param name="budget">The seconds that training may take.</param>
    /// <param name="work">The work.</param>
    public static void Show(IAnsiConsole console, double budget, Action<Action<TrainingState>> work)
    {
        if (!console.Profile.Capabilities.Interactive)
        {
            work(Sometimes(SecondsBetweenLines, state => console.WriteLine(Line(state))));
            return;
        }

        console.Live(new Text("")).Start(live => work(Sometimes(SecondsBetweenFrames, state => live.UpdateTarget(Frame(state, budget)))));
    }

    private static Action<TrainingState> Sometimes(double seconds, Action<TrainingState> show)
    {
        var clock = Stopwatch.StartNew();
        var next = 0.0;
        return state =>
        {
            var isLast = state.Step == state.LastStep;
            if (clock.Elapsed.TotalSeconds < next && !isLast) return;
            next = clock.Elapsed.TotalSeconds + seconds;
            show(state);
        };
    }

    private static string Line(TrainingState state) => string.Create(
        CultureInfo.InvariantCulture,
        $"{state.Seconds,5:F0} s  step {state.Step,5:N0}  {state.TokensPerSecond,6:N0} tokens/s  loss {state.Loss:F3}  perplexity {state.Perplexity,7:N1}  {Shares(state)}");

    private static Table Frame(TrainingState state, double budget)
    {
        var done = state.LastStep is { } last ? (double)state.Step / last : state.Seconds / budget;
        var table = new Table().Border(TableBorder.Rounded).HideHeaders().AddColumn("").AddColumn(new TableColumn("").Width(60));
        table.AddRow(new Text("progress"), new BreakdownChart().Width(58).HideTags().AddItem("", done, Color.Green).AddItem("", Math.Max(1 - done, 1e-6), Color.Grey23));
        AddRow("time", $"{state.Seconds:F0} of about {budget:F0} s");
        AddRow("step", $"{state.Step:N0}");
        AddRow("speed", $"{state.TokensPerSecond:N0} tokens/s");
        AddRow("loss", $"{state.Loss:F3}");
        AddRow("held-out perplexity", $"{state.Perplexity:N1}");
        AddRow("targets", $"{Shares(state)}");
        return table;

        void AddRow(string name, FormattableString value) => table.AddRow(new Text(name), new Text(value.ToString(CultureInfo.InvariantCulture)));
    }

    private static string Shares(TrainingState state) =>
        string.Join(", ", state.TargetsByCluster.Select((_, i) => string.Create(CultureInfo.InvariantCulture, $"{(i == 0 ? "head" : $"tail {i - 1}")} {state.ShareOf(i):P1}")));
}
