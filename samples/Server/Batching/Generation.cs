using System.Diagnostics;
using System.Threading.Channels;

namespace ServerSample;

/// <summary>A request on its way through the engine: its continuations, and their pieces as they come.</summary>
internal sealed class Generation
{
    // Bounded by pausing: the engine never waits for a reader, and makes no more of what is not read.
    private readonly Channel<TextPiece> _pieces = Channel.CreateUnbounded<TextPiece>(new UnboundedChannelOptions { SingleReader = true });
    private readonly long _start = Stopwatch.GetTimestamp();
    private int _unfinished;
    private int _unsent;
    private volatile bool _isHeldUp;

    /// <param name="lease">The model, which its owner holds until the engine has released this request.</param>
    /// <param name="options">What is asked for.</param>
    public Generation(ModelLease lease, GenerationOptions options)
    {
        (Lease, Options) = (lease, options);
        Reading = new ReadAllowance(options.ReadTime);
        Sequences = [.. Enumerable.Range(0, options.Choices).Select(choice => new GenerationSequence(this, lease.Model, choice, options.Prompts[choice / options.ChoicesPerPrompt]))];
        _unfinished = Sequences.Count;
    }

    /// <summary>The model that answers all of it.</summary>
    public ModelLease Lease { get; }

    public GenerationOptions Options { get; }

    /// <summary>What steps its model. The engine's to set, under its lock.</summary>
    public BatchStep? Step { get; set; }

    public IReadOnlyList<GenerationSequence> Sequences { get; }

    /// <summary>How its tokens were decoded. The engine's to write; whoever has read a piece sees its tokens counted.</summary>
    public DecodeTally Decoded { get; } = new();

    /// <summary>How long the answer may yet wait for its client.</summary>
    public ReadAllowance Reading { get; }

    /// <summary>The pieces of all continuations in the order of their making. It ends when all have ended, or with what went wrong.</summary>
    public ChannelReader<TextPiece> Pieces => _pieces.Reader;

    public int PromptTokens => Options.Prompts.Sum(prompt => prompt.Length);

    /// <summary>The tokens made so far, of all continuations.</summary>
    public int CompletionTokens => Sequences.Sum(sequence => sequence.Tokens.Length);

    /// <summary>The time since the request was accepted.</summary>
    public TimeSpan Elapsed => Stopwatch.GetElapsedTime(_start);

    /// <summary>The time to the first token of any continuation; null while there is none.</summary>
    public TimeSpan? FirstToken { get; private set; }

    /// <summary>Whether the engine waits for the reader. The engine's to set, under its lock.</summary>
    public bool IsHeldUp { get => _isHeldUp; set => _isHeldUp = value; }

    /// <summary>Called by the engine: whether so much is unsent that it must wait.</summary>
    public bool HoldUp()
    {
        if (Volatile.Read(ref _unsent) < Options.MaxUnsent) return false;
        // A reader that sends in this moment either sees that it is waited for, or is seen to have sent.
        IsHeldUp = true;
        Interlocked.MemoryBarrier();
        return Volatile.Read(ref _unsent) >= Options.MaxUnsent;
    }

    /// <summary>Called by the reader when the client has taken pieces.</summary>
    /// <returns>Whether the engine waits for that.</returns>
    public bool MarkSent(int pieces)
    {
        Interlocked.Add(ref _unsent, -pieces);
        return IsHeldUp;
    }

    /// <summary>Called by the engine when a step has made tokens of this request.</summary>
    /// <returns>Whether they are its first.</returns>
    public bool MarkFirstToken()
    {
        if (FirstToken is not null) return false;
        FirstToken = Elapsed;
        return true;
    }

    /// <summary>Hands a piece to the reader.</summary>
    public void Write(TextPiece piece)
    {
        Interlocked.Increment(ref _unsent);
        _pieces.Writer.TryWrite(piece);
        if (piece.Finish is not null && Interlocked.Decrement(ref _unfinished) == 0) _pieces.Writer.TryComplete();
    }

    /// <summary>Ends the request with what went wrong.</summary>
    public void Fail(Exception exception) => _pieces.Writer.TryComplete(exception);
}
