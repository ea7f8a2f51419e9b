using System.Diagnostics;
using System.Threading.Channels;

namespace ServerSample;

/// <summary>A request on its way through the engine: its continuations, and their pieces as they come.</summary>
internal sealed class Generation
{
    // What nobody has read yet is bounded by the tokens that a request may ask for, so a slow client holds up nobody.
    private readonly Channel<TextPiece> _pieces = Channel.CreateUnbounded<TextPiece>(new UnboundedChannelOptions { SingleReader = true });
    private readonly long _start = Stopwatch.GetTimestamp();
    private int _unfinished;

    public Generation(ServedModel model, GenerationOptions options)
    {
        Options = options;
        Sequences = [.. Enumerable.Range(0, options.Choices).Select(choice => new GenerationSequence(this, model, choice, options.Prompts[choice / options.ChoicesPerPrompt]))];
        _unfinished = Sequences.Count;
    }

    public GenerationOptions Options { get; }

    public IReadOnlyList<GenerationSequence> Sequences { get; }

    /// <summary>The pieces of all continuations in the order of their making. It ends when all have ended, or with what went wrong.</summary>
    public ChannelReader<TextPiece> Pieces => _pieces.Reader;

    public int PromptTokens => Options.Prompts.Sum(prompt => prompt.Length);

    /// <summary>The tokens made so far, of all continuations.</summary>
    public int CompletionTokens => Sequences.Sum(sequence => sequence.Tokens.Length);

    /// <summary>The time since the request was accepted.</summary>
    public TimeSpan Elapsed => Stopwatch.GetElapsedTime(_start);

    /// <summary>The time to the first token of any continuation; null while there is none.</summary>
    public TimeSpan? FirstToken { get; private set; }

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
        _pieces.Writer.TryWrite(piece);
        if (piece.Finish is not null && Interlocked.Decrement(ref _unfinished) == 0) _pieces.Writer.TryComplete();
    }

    /// <summary>Ends the request with what went wrong.</summary>
    public void Fail(Exception exception) => _pieces.Writer.TryComplete(exception);
}
