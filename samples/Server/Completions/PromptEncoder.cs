using AdaptiveSoftmax.Corpus;

namespace ServerSample;

/// <summary>
/// Makes tokens of prompts. Long texts take milliseconds of a core, so only a few are at it at a time, and the others wait
/// without holding up shorter ones; nobody works for a client that has left.
/// </summary>
internal sealed class PromptEncoder(ServerOptions options) : IDisposable
{
    private const int ShortText = 2048;

    private readonly SemaphoreSlim _places = new(options.PromptThreads);
    private int _waiting;

    /// <summary>The requests whose long prompts wait or are worked on.</summary>
    public int Waiting => Volatile.Read(ref _waiting);

    /// <summary>The prompts as token ids.</summary>
    /// <exception cref="ApiException">One has too many tokens, or too many others wait.</exception>
    /// <exception cref="OperationCanceledException">The client has left.</exception>
    public async Task<IReadOnlyList<int[]>> EncodeAsync(IReadOnlyList<Prompt> prompts, CorpusTokenizer tokenizer, CancellationToken cancellation)
    {
        if (prompts.Sum(prompt => prompt.Text?.Length ?? 0) <= ShortText) return Encode(prompts, tokenizer, cancellation);
        try
        {
            if (Interlocked.Increment(ref _waiting) > options.MaxBatch + options.MaxQueue) throw ApiException.Full(options.MaxBatch + options.MaxQueue);
            await _places.WaitAsync(cancellation);
            try
            {
                return await Task.Run(() => Encode(prompts, tokenizer, cancellation), cancellation);
            }
            finally
            {
                _places.Release();
            }
        }
        finally
        {
            Interlocked.Decrement(ref _waiting);
        }
    }

    public void Dispose() => _places.Dispose();

    private int[][] Encode(IReadOnlyList<Prompt> prompts, CorpusTokenizer tokenizer, CancellationToken cancellation) =>
        [.. prompts.Select(prompt => prompt.Text is not null ? EncodeText(prompt, tokenizer, cancellation) : prompt.Tokens)];

    private int[] EncodeText(Prompt prompt, CorpusTokenizer tokenizer, CancellationToken cancellation)
    {
        var ids = new List<int>();
        foreach (var word in tokenizer.EncodeWords(prompt.Text!, cancellation))
        {
            cancellation.ThrowIfCancellationRequested();
            ids.AddRange(word.Span);
            if (ids.Count > options.MaxPromptTokens)
                throw ApiException.Invalid($"The prompt has more than {options.MaxPromptTokens} tokens, which is the most.", prompt.Parameter, "context_length_exceeded");
        }

        return [.. ids];
    }
}
