using AdaptiveSoftmax;
using AdaptiveSoftmax.Corpus;

namespace ServerSample;

/// <summary>One continuation on its way: what the next step must know of it, and its text so far.</summary>
internal sealed class GenerationSequence
{
    private readonly EncodedVocabulary _vocabulary;
    private readonly DecodeOptions _asked;
    private DecodeOptions? _inBurst;
    private readonly TextAssembler _text;
    private readonly List<TokenReport> _unreported = [];
    private readonly int[] _window;
    private readonly int[] _tokens;
    private int _count;

    public GenerationSequence(Generation generation, ServedModel model, int choice, ReadOnlySpan<int> prompt)
    {
        (Generation, Choice) = (generation, choice);
        _vocabulary = model.Tokenizer.Vocabulary;
        var options = generation.Options;
        _asked = options.Decode;
        Decode = new DecodeSequence(model.Head, _asked) { Random = new SampleRandom(options.Seed, (ulong)choice) };
        _text = new TextAssembler(options.Stops, options.StartStops);
        _tokens = new int[options.MaxTokens];
        if (options.Echo)
        {
            Echo = new PromptEcho(model, prompt.ToArray(), options.WantsLogProbs);
            // The first tokens may make whole what the prompt cuts off.
            _text.Add(Echo.CutCharacter());
        }

        // The window before the prompt is filled as at the start of a text, with ends of documents.
        _window = new int[model.Model.Window];
        _window.AsSpan().Fill(model.Model.EndOfText);
        var seen = prompt[Math.Max(0, prompt.Length - _window.Length)..];
        seen.CopyTo(_window.AsSpan(_window.Length - seen.Length));
    }

    public Generation Generation { get; }

    /// <summary>Its number among the request's.</summary>
    public int Choice { get; }

    /// <summary>The prompt, where the answer begins with it.</summary>
    public PromptEcho? Echo { get; }

    /// <summary>Whether it has no next token to make: the prompt is not yet given out, or no token is asked for.</summary>
    public bool IsEchoing => Echo is { IsDone: false } || _tokens.Length == 0;

    /// <summary>Options, random numbers and penalised tokens.</summary>
    public DecodeSequence Decode { get; }

    /// <summary>When it came into the queue. The engine's to set, under its lock.</summary>
    public long WaitingSince { get; set; }

    /// <summary>The last tokens, oldest first, [window].</summary>
    public ReadOnlySpan<int> Window => _window;

    /// <summary>The tokens so far, one that ended the text included. Safe to read while another thread adds more.</summary>
    public ReadOnlySpan<int> Tokens => _tokens.AsSpan(0, Volatile.Read(ref _count));

    /// <summary>Where it stands. The engine's to set, under its lock.</summary>
    public SequenceState State { get; set; }

    /// <summary>Its place in the queue while it waits.</summary>
    public LinkedListNode<GenerationSequence>? Node { get; set; }

    /// <summary>Chooses how the next token is decoded. Called by the thread that steps.</summary>
    /// <param name="policy">A burst's policy, which holds until the next call; null for what the request asks for.</param>
    public void Follow(DecodePolicy? policy)
    {
        if (policy is { } burst && _inBurst?.Policy != burst) _inBurst = _asked with { Policy = burst };
        var options = policy is null ? _asked : _inBurst!;
        if (!ReferenceEquals(Decode.Options, options)) Decode.Options = options;
    }

    /// <summary>Takes the next token.</summary>
    /// <param name="token">The token.</param>
    /// <param name="top">The most probable tokens in its place, where log-probs are wanted.</param>
    /// <returns>Why the continuation ends with it; null where it goes on.</returns>
    public FinishReason? Accept(DecodedToken token, ReadOnlySpan<TokenLogProb> top)
    {
        _tokens[_count] = token.Token;
        Volatile.Write(ref _count, _count + 1);
        _window.AsSpan(1).CopyTo(_window);
        _window[^1] = token.Token;

        var isEnd = token.Token == _vocabulary.EndOfTextId;
        var text = "";
        if (!isEnd)
        {
            if (Generation.Options.WantsLogProbs) _unreported.Add(new TokenReport(token.Token, token.LogProb, [.. top], Start + _text.Decoded));

            // The other special tokens have names, but no text.
            if (_vocabulary.GetKind(token.Token) == TokenKind.Ordinary) text = _text.Add(_vocabulary.GetToken(token.Token));
        }

        FinishReason? finish = isEnd || _text.IsStopped ? FinishReason.Stop
            : _count == _tokens.Length ? FinishReason.Length
            : null;
        if (finish is not null) text += _text.Finish();
        if (text.Length > 0 || finish is not null) Generation.Write(new TextPiece(Choice, text, TakeReports(finish is not null), finish));
        return finish;
    }

    /// <summary>Takes the next part of the prompt. Called by the thread that steps.</summary>
    /// <param name="text">Its text.</param>
    /// <param name="reports">What is reported of its tokens.</param>
    /// <returns>Why the continuation ends with it; null where it goes on.</returns>
    public FinishReason? Repeat(string text, List<TokenReport> reports)
    {
        _unreported.AddRange(reports);
        FinishReason? finish = Echo!.IsDone && _tokens.Length == 0 ? FinishReason.Length : null;
        if (text.Length == 0 && finish is null) return null;
        TokenReport[] taken = [.. _unreported];
        _unreported.Clear();
        Generation.Write(new TextPiece(Choice, text, taken, finish));
        return finish;
    }

    // Where in the choice's text the model's own begins.
    private int Start => Echo?.Characters ?? 0;

    // A token is reported with the text in which it begins. Behind a stop string there is no text, and so no token.
    private List<TokenReport> TakeReports(bool isLast)
    {
        var count = isLast && !_text.IsStopped ? _unreported.Count : _unreported.FindIndex(report => report.Offset >= Start + _text.Released);
        if (count < 0) count = _unreported.Count;
        var reports = _unreported.GetRange(0, count);
        _unreported.RemoveRange(0, count);
        return reports;
    }
}

/// <summary>Where a continuation stands. It has a place with the engine in all states but the first.</summary>
internal enum SequenceState
{
    /// <summary>Not yet taken, or done with.</summary>
    Outside,

    /// <summary>In the queue.</summary>
    Waiting,

    /// <summary>In the batch.</summary>
    Active,

    /// <summary>Its client does not keep up with reading.</summary>
    Paused,

    /// <summary>All of it is made, and not all is sent.</summary>
    Ended,
}
