using Microsoft.Extensions.AI;

namespace AdaptiveSoftmax.Extensions.AI;

/// <summary>An answer on its way.</summary>
internal sealed class ChatAnswer : IDisposable
{
    private readonly ILanguageModelSequence _sequence;
    private readonly DecodeSession _session;
    private readonly DecodeSequence _tokens;
    private readonly AnswerText _text;
    private readonly IReadOnlySet<int> _ends;
    private readonly int[] _prompt;
    private readonly float[] _hidden;
    private readonly int _maxTokens;

    /// <param name="sequence">The model's sequence, this answer's from now on.</param>
    /// <param name="request">What is asked for.</param>
    /// <param name="prompt">The prompt's tokens.</param>
    /// <param name="ends">The tokens that end an answer.</param>
    /// <param name="text">Its text.</param>
    public ChatAnswer(ILanguageModelSequence sequence, ChatRequest request, int[] prompt, IReadOnlySet<int> ends, AnswerText text)
    {
        (_sequence, _prompt, _ends, _text, _maxTokens) = (sequence, prompt, ends, text, request.MaxTokens);
        try
        {
            _tokens = new DecodeSequence(sequence.Softmax, request.Decode, request.Seed);
            _hidden = new float[sequence.Softmax.Layout.HiddenSize];
            _session = sequence.Softmax.CreateSession();
        }
        catch
        {
            sequence.Dispose();
            throw;
        }
    }

    /// <summary>Why the answer ended; null while it goes on.</summary>
    public ChatFinishReason? Finish { get; private set; }

    public UsageDetails Usage => new() { InputTokenCount = _prompt.Length, OutputTokenCount = _tokens.History.Length, TotalTokenCount = _prompt.Length + _tokens.History.Length };

    /// <summary>Makes the next token.</summary>
    /// <returns>The text that it makes whole.</returns>
    public string Step(CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        var made = _tokens.History.Tokens;
        _sequence.Read(made.Length == 0 ? _prompt : made[^1..], _hidden, cancellationToken);
        var token = _session.Sample(_hidden, _tokens).Token;
        var isEnd = _ends.Contains(token);
        var text = isEnd ? "" : _text.Add(token);
        if (isEnd || _text.IsStopped) Finish = ChatFinishReason.Stop;
        else if (_tokens.History.Length == _maxTokens) Finish = ChatFinishReason.Length;
        return Finish is null ? text : text + _text.Finish();
    }

    public void Dispose()
    {
        _session.Dispose();
        _sequence.Dispose();
    }
}
