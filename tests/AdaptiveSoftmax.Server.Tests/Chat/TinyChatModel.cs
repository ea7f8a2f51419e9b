using AdaptiveSoftmax.Corpus;
using AdaptiveSoftmax.Extensions.AI;
using ServerSample;

namespace AdaptiveSoftmax.Server.Tests;

/// <summary>The server's model as a language model of one's own, with a sequence for each answer.</summary>
internal sealed class TinyChatModel : ILanguageModel, IDisposable
{
    // The server steps no fewer rows, and a row has the same bits from there on.
    private const int Rows = 16;

    private readonly ServedModel _served = TinyModel.Create();
    private readonly Lock _gate = new();
    private int _open;

    /// <summary>The sequences that were not disposed of.</summary>
    public int Open => Volatile.Read(ref _open);

    /// <summary>What each sequence read first.</summary>
    public List<int[]> Prompts { get; } = [];

    /// <summary>All readings, of all sequences.</summary>
    public int Readings { get; private set; }

    /// <summary>Called before each reading.</summary>
    public Action? OnReading { get; set; }

    /// <summary>The bytes of a token's text.</summary>
    public static ReadOnlySpan<byte> Bytes(int token) => TinyModel.Tokenizer.Vocabulary.GetKind(token) == TokenKind.Ordinary ? TinyModel.Tokenizer.Vocabulary.GetToken(token) : default;

    public ILanguageModelSequence StartSequence()
    {
        Interlocked.Increment(ref _open);
        return new Sequence(this);
    }

    public void Dispose() => _served.Dispose();

    private sealed class Sequence(TinyChatModel owner) : ILanguageModelSequence
    {
        private readonly List<int> _tokens = [];
        private bool _isDisposed;

        public SoftmaxDecoder Softmax => owner._served.Head;

        public void Read(ReadOnlySpan<int> tokens, Span<float> hidden, CancellationToken cancellationToken)
        {
            ObjectDisposedException.ThrowIf(_isDisposed, this);
            var model = owner._served.Model;
            lock (owner._gate)
            {
                owner.OnReading?.Invoke();
                owner.Readings++;
                if (_tokens.Count == 0) owner.Prompts.Add(tokens.ToArray());
                _tokens.AddRange(tokens);
                int[] window = [.. Enumerable.Repeat(model.EndOfText, model.Window).Concat(_tokens).TakeLast(model.Window)];
                model.Forward([.. Enumerable.Repeat(window, Rows).SelectMany(each => each)])[..hidden.Length].CopyTo(hidden);
            }
        }

        public void Dispose()
        {
            if (!_isDisposed) Interlocked.Decrement(ref owner._open);
            _isDisposed = true;
        }
    }
}
