using AdaptiveSoftmax;

namespace ServerSample;

/// <summary>How the server runs.</summary>
internal sealed record ServerOptions
{
    /// <summary>The addresses to listen on, such as <c>http://127.0.0.1:5080</c>; port 0 takes a free one.</summary>
    public IReadOnlyList<string> Urls { get; init; } = ["http://127.0.0.1:5080"];

    /// <summary>Whether addresses may be reached from other machines.</summary>
    public bool AllowRemote { get; init; }

    /// <summary>The origins whose pages may ask, such as <c>https://app.example</c>, or <c>*</c> for all; none unless given.</summary>
    public IReadOnlyList<string> Origins { get; init; } = [];

    /// <summary>The continuations that share a step at most.</summary>
    public int MaxBatch { get; init; } = 64;

    /// <summary>The continuations that wait at most.</summary>
    public int MaxQueue { get; init; } = 256;

    /// <summary>The tokens of a prompt at most.</summary>
    public int MaxPromptTokens { get; init; } = 4096;

    /// <summary>The long prompts that are made tokens of at a time; others wait.</summary>
    public int PromptThreads { get; init; } = Math.Max(1, Environment.ProcessorCount / 2);

    /// <summary>The tokens of a continuation at most.</summary>
    public int MaxTokens { get; init; } = 1024;

    /// <summary>The bytes of a request's body at most.</summary>
    public int MaxBodyBytes { get; init; } = 1 << 18;

    /// <summary>The connections at most; more are closed at once.</summary>
    public int MaxConnections { get; init; } = 1024;

    /// <summary>The pieces of a streamed answer that its client has not taken from which on no more are made.</summary>
    public int MaxUnsent { get; init; } = 256;

    /// <summary>How long an answer may wait for its client to read, in all.</summary>
    public TimeSpan ReadTime { get; init; } = TimeSpan.FromSeconds(60);

    /// <summary>How long an answer may wait for its client to read, in all, where others find no place.</summary>
    public TimeSpan ContestedReadTime { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>How long a request's body may take to come.</summary>
    public TimeSpan BodyTime { get; init; } = TimeSpan.FromSeconds(20);

    /// <summary>How long running requests may take to end when the server shuts down.</summary>
    public TimeSpan ShutdownTime { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>How to decode during a burst; null for as always.</summary>
    public BurstOptions? Burst { get; init; }

    /// <summary>What the watch for drift looks at.</summary>
    public DriftOptions Drift { get; init; } = new() { Name = "server" };
}
