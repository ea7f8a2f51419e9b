using System.CommandLine;
using AdaptiveSoftmax;
using Spectre.Console;

namespace ServerSample;

/// <summary>The options that decide the model.</summary>
internal sealed class ModelArguments
{
    public Option<string?> Checkpoint { get; } = new("--checkpoint") { Description = $"The model, as samples/LanguageModel saves it. If omitted: {ModelLoader.DefaultCheckpoint}, which is trained first where it does not exist.", HelpName = "PATH" };

    public Option<string?> Spec { get; } = new("--spec") { Description = "The spec of the checkpoint's softmax, with its token table beside it, where `adaptive-softmax migrate` gave it another than the one this program was built with.", HelpName = "PATH" };

    public Option<string> Head { get; } = CreateHead();

    public Option<bool> Quick { get; } = new("--quick") { Description = "Where a model must be trained first, train for 10 seconds instead of 40." };

    public Option<int> Threads { get; } = ThreadsOption.Create();

    public ModelArguments()
    {
        Checkpoint.Validators.Add(result =>
        {
            // A mistyped path must not start a training.
            if (result.GetValueOrDefault<string?>() is { Length: > 0 } path && !File.Exists(path))
                result.AddError($"There is no model at {path}. Make it with `dotnet run -c Release --project samples/LanguageModel -- --checkpoint {path}`, or leave --checkpoint out to have a small one trained first.");
        });
        Spec.Validators.Add(result =>
        {
            if (result.GetValueOrDefault<string?>() is { Length: > 0 } path && !File.Exists(path)) result.AddError($"There is no spec at {path}.");
            if (result.GetValue(Checkpoint) is null) result.AddError("--spec is of a checkpoint; give --checkpoint as well.");
        });
    }

    private static Option<string> CreateHead()
    {
        string[] names = [.. Enum.GetNames<ServedHead>().Select(name => name.ToLowerInvariant())];
        var head = new Option<string>("--head") { Description = "What decodes: the softmax as it is stored, an int8 or int4 copy of it, or a certified one, whose greedy tokens are those of the stored weights.", HelpName = string.Join('|', names), DefaultValueFactory = _ => names[0] };
        head.AcceptOnlyFromAmong(names);
        return head;
    }

    /// <summary>Where the model is. It is trained first where it must be.</summary>
    public CheckpointSource Find(ParseResult parsed, IAnsiConsole console, CancellationToken cancellation)
    {
        var loader = new ModelLoader(console, parsed.GetValue(Threads), Enum.Parse<ServedHead>(parsed.GetRequiredValue(Head), ignoreCase: true));
        var path = parsed.GetValue(Checkpoint) ?? ModelLoader.DefaultCheckpoint;
        if (!File.Exists(path)) loader.Train(path, parsed.GetValue(Quick) ? 10 : 40, cancellation);
        return new CheckpointSource(loader, path, parsed.GetValue(Spec));
    }
}

/// <summary>The options that bound what the server takes.</summary>
internal sealed class LimitArguments
{
    private static readonly ServerOptions s_standard = new();

    public Option<int> MaxBatch { get; } = Create("--max-batch", "The continuations that share a step at most.", s_standard.MaxBatch, least: 1);

    public Option<int> MaxQueue { get; } = Create("--max-queue", "The continuations that wait at most; more are refused with status 429.", s_standard.MaxQueue, least: 0);

    public Option<int> MaxTokens { get; } = Create("--max-tokens", "The most that max_tokens may ask for.", s_standard.MaxTokens, least: 1);

    public Option<int> MaxPromptTokens { get; } = Create("--max-prompt", "The tokens of a prompt at most.", s_standard.MaxPromptTokens, least: 0);

    public Option<int> MaxBodyBytes { get; } = Create("--max-body", "The bytes of a request's body at most; more are refused with status 413.", s_standard.MaxBodyBytes, least: 1);

    public Option<int> MaxConnections { get; } = Create("--max-connections", "The connections at most; more are closed at once.", s_standard.MaxConnections, least: 1);

    public Option<int> MaxUnsent { get; } = Create("--max-unsent", "The pieces of a stream that its client has not taken from which on no more are made.", s_standard.MaxUnsent, least: 1);

    public Option<int> ReadSeconds { get; } = Create("--read-seconds", "How long an answer may wait for its client to read, in all, before it ends with an error.", (int)s_standard.ReadTime.TotalSeconds, least: 1);

    public Option<int> ShutdownSeconds { get; } = Create("--shutdown-seconds", "How long running requests may take to end after Ctrl-C.", (int)s_standard.ShutdownTime.TotalSeconds, least: 0);

    /// <summary>All of them.</summary>
    public IEnumerable<Option> All => [MaxBatch, MaxQueue, MaxTokens, MaxPromptTokens, MaxBodyBytes, MaxConnections, MaxUnsent, ReadSeconds, ShutdownSeconds];

    public ServerOptions Read(ParseResult parsed) => new()
    {
        MaxBatch = parsed.GetValue(MaxBatch),
        MaxQueue = parsed.GetValue(MaxQueue),
        MaxTokens = parsed.GetValue(MaxTokens),
        MaxPromptTokens = parsed.GetValue(MaxPromptTokens),
        MaxBodyBytes = parsed.GetValue(MaxBodyBytes),
        MaxConnections = parsed.GetValue(MaxConnections),
        MaxUnsent = parsed.GetValue(MaxUnsent),
        ReadTime = TimeSpan.FromSeconds(parsed.GetValue(ReadSeconds)),
        ShutdownTime = TimeSpan.FromSeconds(parsed.GetValue(ShutdownSeconds)),
    };

    private static Option<int> Create(string name, string description, int standard, int least)
    {
        const int Most = 1 << 20;
        var option = new Option<int>(name) { Description = description, HelpName = "N", DefaultValueFactory = _ => standard };
        option.Validators.Add(result =>
        {
            if (result.GetValueOrDefault<int>() is var value && (value < least || value > Most)) result.AddError($"{name} is {value}; it must be from {least} to {Most}.");
        });
        return option;
    }
}
