using System.Runtime.CompilerServices;
using Microsoft.Extensions.AI;

namespace AdaptiveSoftmax.Extensions.AI;

/// <summary>Answers by a language model, a token a step, off the caller's thread. A step is made when the one before is taken.</summary>
internal sealed class AdaptiveSoftmaxChatClient : IChatClient
{
    private const string Provider = "adaptive-softmax";

    private readonly ILanguageModel _model;
    private readonly ChatTokenizer _tokenizer;
    private readonly AdaptiveSoftmaxChatClientOptions _options;
    private readonly HashSet<int> _ends;
    private readonly IReadOnlyList<string> _stops;
    private readonly IReadOnlyList<string> _startStops;
    private readonly ChatClientMetadata _metadata;

    public AdaptiveSoftmaxChatClient(ILanguageModel model, ChatTokenizer tokenizer, AdaptiveSoftmaxChatClientOptions options)
    {
        if (options.MaxOutputTokens < 1) throw new ArgumentException(FormattableString.Invariant($"{nameof(options.MaxOutputTokens)} is {options.MaxOutputTokens}; it must be 1 or more."), nameof(options));
        if (options.EndTokens is null) throw new ArgumentException($"{nameof(options.EndTokens)} is null; leave it out where no token ends an answer.", nameof(options));
        if (options.Decode is null) throw new ArgumentException($"{nameof(options.Decode)} is null; leave it out for the model's own distribution.", nameof(options));
        (_model, _tokenizer, _options) = (model, tokenizer, options);
        _ends = [.. options.EndTokens];
        _stops = options.StopSequences ?? (options.EncodePrompt is null ? PlainChatTemplate.StopSequences : []);
        _ = new StopMatcher(_stops);
        // Stop strings of the client's own say all that ends an answer.
        _startStops = options.EncodePrompt is null && PlainChatTemplate.StopSequences.All(_stops.Contains) ? PlainChatTemplate.StartStopSequences : [];
        _metadata = new ChatClientMetadata(Provider, providerUri: null, options.ModelId);
    }

    public Task<ChatResponse> GetResponseAsync(IEnumerable<ChatMessage> messages, ChatOptions? options = null, CancellationToken cancellationToken = default) =>
        GetStreamingResponseAsync(messages, options, cancellationToken).ToChatResponseAsync(cancellationToken);

    public async IAsyncEnumerable<ChatResponseUpdate> GetStreamingResponseAsync(IEnumerable<ChatMessage> messages, ChatOptions? options = null, [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        var request = ChatRequest.Read(messages, options, _options, _stops, this);
        var (id, created) = ($"chatcmpl-{Guid.NewGuid():N}", DateTimeOffset.UtcNow);
        using var answer = await Task.Run(() => Start(request), cancellationToken).ConfigureAwait(false);
        while (answer.Finish is null)
        {
            var text = await Task.Run(() => answer.Step(cancellationToken), cancellationToken).ConfigureAwait(false);
            if (text.Length > 0) yield return Update(new TextContent(text));
        }

        var last = Update(new UsageContent(answer.Usage));
        last.FinishReason = answer.Finish;
        yield return last;

        ChatResponseUpdate Update(AIContent content) => new(ChatRole.Assistant, [content]) { ResponseId = id, MessageId = id, CreatedAt = created, ModelId = _options.ModelId };
    }

    public object? GetService(Type serviceType, object? serviceKey = null)
    {
        ArgumentNullException.ThrowIfNull(serviceType);
        return serviceKey is not null ? null
            : serviceType == typeof(ChatClientMetadata) ? _metadata
            : serviceType == typeof(ChatTokenizer) ? _tokenizer
            : serviceType.IsInstanceOfType(this) ? this
            : serviceType.IsInstanceOfType(_model) ? _model
            : null;
    }

    /// <summary>The model is the caller's.</summary>
    public void Dispose()
    {
    }

    private ChatAnswer Start(ChatRequest request)
    {
        var prompt = _options.EncodePrompt is { } encode
            ? encode(request.Messages) ?? throw new InvalidOperationException($"{nameof(_options.EncodePrompt)} gave null; it must give the prompt's token ids.")
            : _tokenizer.Encode(PlainChatTemplate.Format(request.Messages));
        if (prompt.Count == 0) throw new ArgumentException("The prompt has no tokens, so the model has nothing to go on from; send a message.");
        var text = _tokenizer.StartText(request.Stops, _startStops);
        return new ChatAnswer(_model.StartSequence(), request, [.. prompt], _ends, text);
    }
}
