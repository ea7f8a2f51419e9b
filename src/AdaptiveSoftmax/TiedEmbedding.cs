namespace AdaptiveSoftmax;

/// <summary>
/// An embedding of tokens with the weights of an adaptive softmax, fairseq's <c>tie_adaptive_weights</c> with
/// <c>tie_adaptive_proj</c>: a token of the shortlist has its row of <c>head.weight</c>, one of a tail its row of the tail's
/// output, widened by the tail's projection.
/// </summary>
/// <remarks>
/// It has no parameters of its own. What it adds to the gradients of the softmax's parameters adds up with what the loss adds,
/// in whatever order, and one step and one checkpoint of these parameters are those of both. It belongs to one thread.
/// </remarks>
/// <param name="softmax">The softmax, which owns the weights.</param>
public sealed unsafe class TiedEmbedding(AdaptiveSoftmaxLayer softmax)
{
    private readonly AdaptiveSoftmaxLayer _softmax = softmax ?? throw new ArgumentNullException(nameof(softmax));

    /// <summary>The embeddings of some tokens.</summary>
    /// <param name="tokens">Token ids, [tokens].</param>
    /// <param name="output">Receives their embeddings, [tokens, hidden].</param>
    /// <exception cref="ArgumentException">The sizes do not agree, or a token is not in the vocabulary.</exception>
    /// <exception cref="ObjectDisposedException">The softmax is disposed.</exception>
    public void Forward(ReadOnlySpan<int> tokens, Span<float> output)
    {
        using var use = _softmax.Leases.Take();
        var size = Check(tokens, output.Length, nameof(output));
        fixed (float* embeddings = output)
        {
            for (var i = 0; i < tokens.Length; i++)
            {
                var embedding = embeddings + ((nint)i * size);
                var slot = _softmax.SlotOf(tokens[i]);
                if (_softmax.Layout.ClusterOf(slot) is var cluster && cluster == 0)
                {
                    _softmax.OwnHead.Weight.Row(slot).CopyTo(new Span<float>(embedding, size));
                    continue;
                }

                var tail = _softmax.OwnTails[cluster - 1];
                var row = tail.Output.ValuesPointer + ((nint)(slot - _softmax.Layout.Tails[cluster - 1].Start) * tail.Output.Columns);
                Gemm.MultiplyOnThisThread(row, 0, 1, tail.Projection.ValuesPointer, size, embedding, size, 1, size, tail.Output.Columns, accumulate: false);
            }
        }
    }

    /// <summary>Adds to the gradients of the softmax's weights.</summary>
    /// <param name="tokens">The token ids that <see cref="Forward"/> was given, [tokens].</param>
    /// <param name="outputGradient">The gradient of their embeddings, [tokens, hidden].</param>
    /// <exception cref="ArgumentException">The sizes do not agree, or a token is not in the vocabulary.</exception>
    /// <exception cref="ObjectDisposedException">The softmax is disposed.</exception>
    public void Backward(ReadOnlySpan<int> tokens, ReadOnlySpan<float> outputGradient)
    {
        using var use = _softmax.Leases.Take();
        var size = Check(tokens, outputGradient.Length, nameof(outputGradient));
        fixed (float* gradients = outputGradient)
        {
            for (var i = 0; i < tokens.Length; i++)
            {
                var gradient = gradients + ((nint)i * size);
                var slot = _softmax.SlotOf(tokens[i]);
                if (_softmax.Layout.ClusterOf(slot) is var cluster && cluster == 0)
                {
                    if (_softmax.OwnHead.Weight.TouchGradientPointer() is var head && head is not null) Vectors.Add(head + ((nint)slot * size), gradient, size);
                    continue;
                }

                // With o the token's row and P the projection: dP += o ⊗ g, and do += P · g.
                var tail = _softmax.OwnTails[cluster - 1];
                var width = tail.Output.Columns;
                var at = (nint)(slot - _softmax.Layout.Tails[cluster - 1].Start) * width;
                if (tail.Projection.TouchGradientPointer() is var projection && projection is not null)
                    Gemm.MultiplyOnThisThread(tail.Output.ValuesPointer + at, 1, 1, gradient, size, projection, size, width, size, 1, accumulate: true);
                if (tail.Output.TouchGradientPointer() is var output && output is not null)
                {
                    for (var k = 0; k < width; k++) output[at + k] += Dot(tail.Projection.Row(k), new ReadOnlySpan<float>(gradient, size));
                }
            }
        }
    }

    // In double precision and one order, so that the bits do not depend on the width of the machine's vectors.
    private static float Dot(ReadOnlySpan<float> a, ReadOnlySpan<float> b)
    {
        var sum = 0.0;
        for (var i = 0; i < a.Length; i++) sum += (double)a[i] * b[i];
        return (float)sum;
    }

    private int Check(ReadOnlySpan<int> tokens, int length, string name)
    {
        var size = _softmax.Layout.HiddenSize;
        if (length != (long)tokens.Length * size)
            throw new ArgumentException(FormattableString.Invariant($"There are {length} values for {tokens.Length} tokens; [{tokens.Length}, {size}] holds {(long)tokens.Length * size}."), name);
        for (var i = 0; i < tokens.Length; i++)
        {
            if (_softmax.SlotOf(tokens[i]) < 0)
                throw new ArgumentException(FormattableString.Invariant($"Token {i} is {tokens[i]}, which is not in the vocabulary of {_softmax.Layout.VocabularySize} tokens."), nameof(tokens));
        }

        return size;
    }
}
