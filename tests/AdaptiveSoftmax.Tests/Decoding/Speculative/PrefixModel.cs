namespace AdaptiveSoftmax.Tests;

/// <summary>A model whose hidden vector hangs on all tokens so far, and on nothing else.</summary>
internal sealed class PrefixModel(int hiddenSize)
{
    public float[] Hidden(IEnumerable<int> prefix)
    {
        var hash = 17;
        foreach (var token in prefix) hash = unchecked((hash * 31) + token + 1);
        var random = new Random(hash);
        return [.. Enumerable.Range(0, hiddenSize).Select(_ => (float)((random.NextDouble() * 4) - 2))];
    }

    /// <summary>Token by token, as a batch of one.</summary>
    public List<DecodedToken> DecodePlainly(SoftmaxDecoder softmax, DecodeOptions options, ulong seed, int length)
    {
        using var session = softmax.CreateSession();
        var sequence = new DecodeSequence(softmax, options, seed);
        var tokens = new List<DecodedToken>();
        var result = new DecodedToken[1];
        while (tokens.Count < length)
        {
            session.Sample(Hidden(tokens.Select(token => token.Token)), [sequence], result);
            tokens.Add(result[0]);
        }

        return tokens;
    }
}
