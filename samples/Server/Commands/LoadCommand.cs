using System.CommandLine;
using System.Globalization;
using Spectre.Console;

namespace ServerSample;

/// <summary><c>load</c>: throughput and latency at several numbers of clients, every answer checked.</summary>
internal static class LoadCommand
{
    private static readonly string[] s_ofBursts = ["in a burst", "unseen mass"];

    private const int DistinctRequests = 64;

    public static Command Create(IAnsiConsole console)
    {
        var model = new ModelArguments();
        var burst = new BurstArguments();
        var maxBatch = new Option<int>("--max-batch") { Description = "The continuations that share a step at most.", HelpName = "N", DefaultValueFactory = _ => new ServerOptions().MaxBatch };
        var clients = new Option<int[]>("--clients") { Description = "The numbers of clients to try.", HelpName = "N", AllowMultipleArgumentsPerToken = true, DefaultValueFactory = _ => [1, 8, 64] };
        var requests = new Option<int>("--requests") { Description = "The requests for each number of clients.", HelpName = "N", DefaultValueFactory = _ => 512 };
        var maxTokens = new Option<int>("--max-tokens") { Description = "The tokens of an answer at most.", HelpName = "N", DefaultValueFactory = _ => 64 };
        clients.Validators.Add(result =>
        {
            if ((result.GetValueOrDefault<int[]>() ?? []).Any(value => value is < 1 or > 1024)) result.AddError("--clients must be from 1 to 1024.");
        });
        requests.Validators.Add(result =>
        {
            if (result.GetValueOrDefault<int>() is < 1 or > 100_000) result.AddError("--requests must be from 1 to 100000.");
        });
        maxTokens.Validators.Add(result =>
        {
            if (result.GetValueOrDefault<int>() is < 1 or > 1024) result.AddError("--max-tokens must be from 1 to 1024.");
        });
        maxBatch.Validators.Add(result =>
        {
            if (result.GetValueOrDefault<int>() is < 1 or > 1024) result.AddError("--max-batch must be from 1 to 1024.");
        });
        var command = new Command("load", "Starts a server of its own on a free port of the loopback address, asks it with 1, 8 and 64 clients, and compares every answer with what the same request has alone. With --burst-policy, does so without and with it.")
        {
            model.Checkpoint, model.Spec, model.Head, model.Quick, model.Threads, clients, requests, maxTokens, maxBatch,
        };
        foreach (var option in burst.All) command.Add(option);
        command.SetAction(async (parsed, cancellation) =>
        {
            var source = model.Find(parsed, console, cancellation);
            var asked = LoadRequests.Create(DistinctRequests, parsed.GetValue(maxTokens));
            var levels = new List<(string Policy, LoadLevel Level)>();
            foreach (var policy in burst.Read(parsed) is { } given ? [null, given] : new BurstOptions?[] { null })
            {
                var options = new ServerOptions { Urls = ["http://127.0.0.1:0"], MaxBatch = parsed.GetValue(maxBatch), MaxQueue = 1024, MaxConnections = 2048, Burst = policy };
                await using var app = CompletionServer.Create(source.Load(), options, _ => { });
                await app.StartAsync(cancellation);
                using var client = new HttpClient { BaseAddress = CompletionServer.AddressesOf(app).Single(), Timeout = Timeout.InfiniteTimeSpan };
                var test = new LoadTest(client, asked);
                console.WriteLine($"Asking {DistinctRequests} requests alone, for the right answers...");
                await test.PrepareAsync(cancellation);
                foreach (var number in parsed.GetRequiredValue(clients)) levels.Add((policy?.Name ?? "exact", await test.RunAsync(number, parsed.GetValue(requests), cancellation)));
                await app.StopAsync(CancellationToken.None);
            }

            Write(console, levels);
            return levels.Any(each => each.Level.Wrong > 0) ? 1 : 0;
        });
        return command;
    }

    private static void Write(IAnsiConsole console, List<(string Policy, LoadLevel Level)> levels)
    {
        var table = new Table().Border(TableBorder.Markdown);
        var hasPolicy = levels.Any(each => each.Policy != levels[0].Policy);
        if (hasPolicy) table.AddColumn("policy in a burst");
        string[] columns =
        [
            "clients", "tokens/s", "requests/s", "request p50", "request p99", "first text p50", "first text p99",
            .. hasPolicy ? s_ofBursts : [],
            "requests", "wrong answers",
        ];
        foreach (var name in columns) table.AddColumn(new TableColumn(name).RightAligned());
        foreach (var (policy, level) in levels)
        {
            string[] cells =
            [
                Format($"{level.Clients}"), Format($"{level.TokensPerSecond:N0}"), Format($"{level.RequestsPerSecond:N1}"),
                Format($"{level.Request.P50:N1} ms"), Format($"{level.Request.P99:N1} ms"), Format($"{level.FirstText.P50:N1} ms"), Format($"{level.FirstText.P99:N1} ms"),
                .. hasPolicy ? new[] { Format($"{level.InBurst}"), Format($"{level.UnseenMass:F4}") } : [],
                Format($"{level.Requests}"), Format($"{level.Wrong}"),
            ];
            table.AddRow(hasPolicy ? [policy, .. cells] : cells);
        }

        console.Write(table);
    }

    private static string Format(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
