using System.CommandLine;
using System.Globalization;
using AdaptiveSoftmax.Corpus;
using Spectre.Console;

namespace AdaptiveSoftmax.Benchmarks;

/// <summary><c>compare NAME</c>: a table and, as the last line, <c>NAME: figure</c>.</summary>
internal static class CompareCommand
{
    public static Command Create()
    {
        var name = new Argument<string?>("NAME")
        {
            Description = "What to measure; without a name the names are listed.",
            Arity = ArgumentArity.ZeroOrOne,
        };
        name.CompletionSources.Add([.. Comparisons.All.Select(comparison => comparison.Name)]);
        name.Validators.Add(result =>
        {
            var value = result.GetValueOrDefault<string?>();
            if (value is not null && Find(value) is null)
                result.AddError($"There is no comparison named {value}; there are {string.Join(", ", Comparisons.All.Select(comparison => comparison.Name))}.");
        });
        var rounds = new Option<int>("--rounds")
        {
            Description = "How often each contender is timed; the median counts.",
            DefaultValueFactory = _ => 15,
        };
        rounds.Validators.Add(result =>
        {
            if (result.GetValueOrDefault<int>() < 1) result.AddError("--rounds must be at least 1.");
        });

        var command = new Command("compare", "Measures us and a peer alternately in this process. The last line is NAME: the peer's median over ours, or milliseconds for names that say so.") { name, rounds };
        command.SetAction((result, cancellation) => Task.FromResult(Run(result.GetValue(name), result.GetValue(rounds), cancellation)));
        return command;
    }

    private static int Run(string? name, int rounds, CancellationToken cancellation)
    {
        // A pipe has no width, and a table broken for 80 columns reads badly in a log.
        if (Console.IsOutputRedirected) AnsiConsole.Profile.Width = 160;
        if (name is null)
        {
            var grid = new Grid().AddColumn().AddColumn();
            foreach (var comparison in Comparisons.All) grid.AddRow(Markup.Escape(comparison.Name), Markup.Escape(comparison.Description));
            AnsiConsole.Write(grid);
            return 0;
        }

        var session = new ComparisonSession(AnsiConsole.Console, rounds, cancellation);
        try
        {
            var figure = Find(name)!.Run(session);
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{name}: {figure:F2}"));
            return 0;
        }
        catch (OperationCanceledException)
        {
            Console.Error.WriteLine("Stopped.");
            return 130;
        }
        catch (CorpusException problem)
        {
            Console.Error.WriteLine(problem.Message);
            return 1;
        }
    }

    private static IComparison? Find(string name) => Comparisons.All.FirstOrDefault(comparison => comparison.Name == name);
}
