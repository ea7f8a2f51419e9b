using System.CommandLine;
using System.CommandLine.Help;
using System.CommandLine.Invocation;
using System.Text;
using AdaptiveSoftmax;
using AdaptiveSoftmax.Corpus;
using Spectre.Console;

namespace ServerSample;

/// <summary>The options, and what they ask for.</summary>
internal static class CommandLine
{
    private static readonly TimeSpan s_watchPeriod = TimeSpan.FromSeconds(1);

    private const int Failure = 1;

    /// <summary>What a shell reports of a process that Ctrl-C ended.</summary>
    private const int Cancelled = 130;

    /// <summary>Runs the sample and returns the exit code.</summary>
    /// <param name="arguments">The arguments.</param>
    /// <param name="console">Where to write.</param>
    /// <param name="cancellation">Stops as Ctrl-C does.</param>
    public static async Task<int> RunAsync(string[] arguments, IAnsiConsole console, CancellationToken cancellation = default)
    {
        try
        {
            var configuration = new InvocationConfiguration
            {
                EnableDefaultExceptionHandler = false,
                // Running requests have a time limit of their own, and the server says when it is over.
                ProcessTerminationTimeout = Timeout.InfiniteTimeSpan,
            };
            return await InvariantCommandLine.RunAsync(CreateRoot(console), arguments, configuration, cancellation);
        }
        catch (OperationCanceledException)
        {
            return Cancelled;
        }
        catch (Exception exception) when (exception is CorpusException or CheckpointMismatchException or WeightsFormatException or InvalidDataException or IOException or UnauthorizedAccessException)
        {
            await Console.Error.WriteLineAsync($"error: {exception.Message}");
            return Failure;
        }
    }

    /// <summary>The command with its options.</summary>
    /// <param name="console">Where to write.</param>
    public static RootCommand CreateRoot(IAnsiConsole console)
    {
        var model = new ModelArguments();
        var limits = new LimitArguments();
        var burst = new BurstArguments();
        var urls = new Option<string[]>("--urls") { Description = "Where to listen; port 0 takes a free one.", HelpName = "URL", AllowMultipleArgumentsPerToken = true, DefaultValueFactory = _ => ["http://127.0.0.1:5080"] };
        var remote = new Option<bool>("--allow-remote") { Description = "Allow addresses that other machines can reach. The server asks nobody who they are." };
        var cors = new Option<string[]>("--cors") { Description = "Origins whose pages may ask the interface under /v1, such as https://app.example; * for all. None if omitted.", HelpName = "ORIGIN", AllowMultipleArgumentsPerToken = true };
        cors.Validators.Add(result =>
        {
            foreach (var origin in result.GetValueOrDefault<string[]>() ?? [])
            {
                if (!IsOrigin(origin)) result.AddError($"'{origin}' is no origin; give one as browsers send it, such as https://app.example or http://localhost:3000, or * for all. A name with letters beyond ASCII is sent in its punycode form, which begins with xn--.");
            }
        });
        var watch = new Option<bool>("--watch") { Description = "Take up the model's files when they are replaced. Requests that run end with the model they began with." };
        urls.Validators.Add(result =>
        {
            foreach (var url in result.GetValueOrDefault<string[]>() ?? [])
            {
                if (ListenAddress.TryParse(url, result.GetValue(remote), out var error) is null) result.AddError(error!);
            }
        });
        var root = new RootCommand("Serves the language model of samples/LanguageModel in the form of OpenAI's completions, with continuous batching, metrics and a page that shows what goes on.")
        {
            model.Checkpoint, model.Spec, model.Head, watch, model.Quick, model.Threads, urls, remote, cors, LoadCommand.Create(console),
        };
        foreach (var option in limits.All.Concat(burst.All)) root.Add(option);
        root.SetAction(async (parsed, cancellation) =>
        {
            var source = model.Find(parsed, console, cancellation);
            var seen = ModelWatch.Look(source);
            await using var app = CompletionServer.Create(source.Load(), limits.Read(parsed) with { Burst = burst.Read(parsed), Urls = parsed.GetRequiredValue(urls), AllowRemote = parsed.GetValue(remote), Origins = parsed.GetValue(cors) ?? [] }, LogToConsole, services =>
            {
                if (parsed.GetValue(watch)) CompletionServer.AddWatch(services, source, seen, s_watchPeriod);
            });
            await app.StartAsync(cancellation);
            foreach (var address in CompletionServer.AddressesOf(app)) console.WriteLine($"Listening on {address}; the page is there, completions at {new Uri(address, "v1/completions")}. Ctrl-C ends.");
            try
            {
                await Task.Delay(Timeout.Infinite, cancellation);
            }
            catch (OperationCanceledException)
            {
                await app.StopAsync(CancellationToken.None);
            }

            return 0;
        });
        AddExamples(root);
        return root;
    }

    // Browsers send neither a path nor who the user is, and names of hosts in ASCII.
    private static bool IsOrigin(string origin) => origin == "*"
        || (Uri.TryCreate(origin, UriKind.Absolute, out var uri) && uri.Scheme is "http" or "https" && uri.UserInfo.Length == 0 && Ascii.IsValid(origin) && uri.GetLeftPart(UriPartial.Authority) == origin);

    private static void LogToConsole(ILoggingBuilder logging) => logging
        .AddSimpleConsole()
        .AddFilter("Microsoft", LogLevel.Warning);

    private static void AddExamples(RootCommand root)
    {
        var help = root.Options.OfType<HelpOption>().Single();
        help.Action = new HelpWithExamples((HelpAction)help.Action!);
    }

    /// <summary>The usual help, then examples.</summary>
    private sealed class HelpWithExamples(HelpAction standard) : SynchronousCommandLineAction
    {
        public override int Invoke(ParseResult parseResult)
        {
            var result = standard.Invoke(parseResult);
            if (parseResult.CommandResult.Command is not RootCommand) return result;
            parseResult.InvocationConfiguration.Output.WriteLine("""
                Examples, each behind "dotnet run -c Release --project samples/Server --":
                  Serve, after ten seconds of training if need be:   --quick
                  A model that was trained for longer:               --checkpoint artifacts/language-model.safetensors
                  Throughput and latency at 1, 8 and 64 clients:     load
                Then, in another shell:
                  curl -N http://127.0.0.1:5080/v1/completions -H "Content-Type: application/json" \
                       -d '{"prompt": "Initializes a new instance of the", "max_tokens": 40, "stream": true}'
                """);
            return result;
        }
    }
}
