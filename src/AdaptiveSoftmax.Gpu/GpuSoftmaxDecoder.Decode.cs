using AdaptiveSoftmax.Gpu.Kernels;
using ILGPU;
using ILGPU.Runtime;

namespace AdaptiveSoftmax.Gpu;

public abstract partial class GpuSoftmaxDecoder
{
    /// <summary>All log-probs: PyTorch's <c>log_prob</c>.</summary>
    /// <param name="hidden">Hidden vectors on the host, [tokens, hidden].</param>
    /// <param name="output">Receives log p(token), [tokens, vocabulary], columns in slot order.</param>
    /// <exception cref="ArgumentException">The sizes do not agree.</exception>
    /// <exception cref="DecodeException">For some hidden vectors a value is not finite: their log-probs are NaN, all others are computed.</exception>
    /// <exception cref="GpuMemoryException">The device has too little memory.</exception>
    public void LogProb(ReadOnlySpan<float> hidden, Span<float> output)
    {
        var tokens = CountTokens(hidden.Length, nameof(hidden));
        if (output.Length != (long)tokens * Layout.VocabularySize)
            throw new ArgumentException(FormattableString.Invariant($"The output has room for {output.Length} log-probs of {tokens} × {Layout.VocabularySize}; give [tokens, vocabulary], in several calls where a span cannot hold it."), nameof(output));
        if (tokens == 0) return;
        using var logProbs = DeviceMemory.Allocate<float>(Accelerator, output.Length, FormattableString.Invariant($"the log-probs [{tokens}, {Layout.VocabularySize}]"));
        LogProb(UploadHidden(hidden, tokens), logProbs.View);
        logProbs.View.AsContiguous().CopyToCPU(Stream, output);
        ThrowFaults(hidden, _decoding.Slot.SubView(0, tokens));
    }

    /// <summary>All log-probs on the device: PyTorch's <c>log_prob</c>.</summary>
    /// <param name="hidden">Hidden vectors, [tokens, hidden].</param>
    /// <param name="output">
    /// Receives log p(token), [tokens, vocabulary], columns in slot order; NaN for a hidden vector for which a value is not finite.
    /// </param>
    /// <exception cref="ArgumentException">The sizes do not agree, views share memory, or one belongs to another accelerator.</exception>
    /// <exception cref="GpuMemoryException">The device has too little memory.</exception>
    public void LogProb(ArrayView<float> hidden, ArrayView<float> output)
    {
        var tokens = CountTokens(hidden.Length, nameof(hidden));
        CheckView(hidden, hidden.Length, "The memory of hidden vectors", nameof(hidden));
        CheckView(output, (long)tokens * Layout.VocabularySize, "The memory for log-probs", nameof(output));
        ViewOverlap.Refuse(hidden, output, "the hidden vectors", "the log-probs", nameof(output));
        if (tokens == 0) return;
        Begin(hidden, tokens);
        var head = Arguments(_linears.Head, 0, tokens);
        Reduce(_linears.Head, _decoding.Hidden, 0, tokens, head);
        _linears.Head.LogProbs(Stream, tokens, _decoding.Hidden, _decoding, output, head, start: 0, Layout.VocabularySize);
        for (var i = 0; i < _linears.Tails.Length; i++)
        {
            var tail = Layout.Tails[i];
            var layer = _linears.Tails[tail.Index];
            var arguments = Arguments(layer.Output, tail.Cluster, tokens);
            CopyPlan(tail.Cluster);
            Project(tail.Index, _decoding.Hidden, tokens);
            Reduce(layer.Output, _decoding.Projected, tail.Cluster, tokens, arguments);
            layer.Output.LogProbs(Stream, tokens, _decoding.Projected, _decoding, output, arguments, tail.Start, Layout.VocabularySize);
        }

        Kernels.EraseFaults(Stream, Launches.Threads(Accelerator, output.Length), _decoding.Slot, output, Layout.VocabularySize);
    }

    /// <summary>The most probable token of one hidden vector: PyTorch's <c>predict</c>.</summary>
    /// <param name="hidden">A hidden vector on the host, [hidden].</param>
    /// <returns>A token id; of equally probable ones that of the lower slot.</returns>
    /// <exception cref="ArgumentException">It is not one hidden vector.</exception>
    /// <exception cref="DecodeException">A value that was read is not finite.</exception>
    public int Predict(ReadOnlySpan<float> hidden)
    {
        if (hidden.Length != Layout.HiddenSize)
            throw new ArgumentException(FormattableString.Invariant($"The hidden vector has {hidden.Length} values; the hidden size is {Layout.HiddenSize}."), nameof(hidden));
        Span<int> token = [0];
        Predict(hidden, token);
        return token[0];
    }

    /// <summary>The most probable token of each hidden vector.</summary>
    /// <param name="hidden">Hidden vectors on the host, [tokens, hidden].</param>
    /// <param name="tokens">Receives token ids, [tokens]; of equally probable ones that of the lower slot.</param>
    /// <exception cref="ArgumentException">The sizes do not agree.</exception>
    /// <exception cref="DecodeException">For some hidden vectors a value that was read is not finite: their tokens are −1, all others are predicted.</exception>
    /// <exception cref="GpuMemoryException">The device has too little memory.</exception>
    public void Predict(ReadOnlySpan<float> hidden, Span<int> tokens)
    {
        var count = CountTokens(hidden.Length, nameof(hidden));
        if (tokens.Length != count)
            throw new ArgumentException(FormattableString.Invariant($"There is room for {tokens.Length} predictions of {count} hidden vectors; give one place each."), nameof(tokens));
        if (count == 0) return;
        var vectors = UploadHidden(hidden, count);
        var result = _decoding.Tokens.SubView(0, count);
        Predict(vectors, result);
        result.CopyToCPU(Stream, tokens);
        if (tokens.Contains(-1)) ThrowFaults(hidden, IsOneVector(count) ? _one.State.SubView(0, 1) : _decoding.Slot.SubView(0, count));
    }

    /// <summary>
    /// The most probable token of each hidden vector, on the device. Exact, yet only the tails that can win are computed;
    /// which these are is decided on the device. It waits for nothing.
    /// </summary>
    /// <param name="hidden">Hidden vectors, [tokens, hidden].</param>
    /// <param name="tokens">
    /// Receives token ids, [tokens]; of equally probable ones that of the lower slot, and −1 for a hidden vector for which a value
    /// that was read is not finite.
    /// </param>
    /// <exception cref="ArgumentException">The sizes do not agree, views share memory, or one belongs to another accelerator.</exception>
    /// <exception cref="GpuMemoryException">The device has too little memory.</exception>
    public void Predict(ArrayView<float> hidden, ArrayView<int> tokens)
    {
        var count = CountTokens(hidden.Length, nameof(hidden));
        CheckView(hidden, hidden.Length, "The memory of hidden vectors", nameof(hidden));
        CheckView(tokens, count, "The memory for predictions", nameof(tokens));
        ViewOverlap.Refuse(hidden, tokens, "the hidden vectors", "the predictions", nameof(tokens));
        if (count == 0) return;
        if (IsOneVector(count)) PredictOne(hidden, tokens);
        else PredictBatch(hidden, tokens, count);
    }

    private bool IsOneVector(long tokens) => tokens == 1 && Layout.HiddenSize <= VectorKernels.MaximumColumns;

    // Two launches a tail, which return at once where the tail cannot win.
    private void PredictOne(ArrayView<float> hidden, ArrayView<int> token)
    {
        var arguments = new VectorArguments { HasBias = _linears.Head.HasBias ? 1 : 0, TokenRows = Layout.ShortlistSize, IsLast = Layout.TailCount == 0 ? 1 : 0 };
        _linears.Head.BestOfOne(Stream, hidden, _one, Tables.Ids, token, arguments);
        for (var i = 0; i < _linears.Tails.Length; i++)
        {
            var tail = Layout.Tails[i];
            var cluster = tail.Cluster;
            _linears.Tails[tail.Index].Projection.ProjectOne(Stream, hidden, _one, cluster);
            arguments = new VectorArguments { Cluster = cluster, Start = tail.Start, TokenRows = tail.Size, IsLast = cluster == Layout.TailCount ? 1 : 0 };
            _linears.Tails[tail.Index].Output.BestOfOne(Stream, _one.Projected, _one, Tables.Ids, token, arguments);
        }
    }

    private void PredictBatch(ArrayView<float> hidden, ArrayView<int> tokens, int count)
    {
        Begin(hidden, count);
        var threads = Launches.Threads(Accelerator, count);
        _linears.Head.Best(Stream, count, _decoding.Hidden, _decoding, Arguments(_linears.Head, 0, count));
        Kernels.FinishHead(
            Stream, threads, _decoding.Plan, _decoding.Maximum, _decoding.Sum, _decoding.Best, _decoding.BestRow, _decoding.Clusters,
            _decoding.Score, _decoding.Slot, _linears.Head.Strips, Layout.TailCount, count);
        for (var i = 0; i < _linears.Tails.Length; i++)
        {
            var tail = Layout.Tails[i];
            var cluster = tail.Cluster;
            var layer = _linears.Tails[tail.Index];
            Kernels.Select(Stream, Launches.OneGroup, _decoding.Plan, _decoding.Clusters, _decoding.Score, _decoding.Members, cluster, count);
            Kernels.Gather(Stream, Launches.Threads(Accelerator, hidden.Length), hidden, _decoding.Members, _decoding.Plan, _decoding.MemberHidden, Layout.HiddenSize, cluster);
            Project(tail.Index, _decoding.MemberHidden, count);
            layer.Output.Best(Stream, count, _decoding.Projected, _decoding, Arguments(layer.Output, cluster, count));
            Kernels.FinishTail(
                Stream, threads, _decoding.Plan, _decoding.Members, _decoding.Maximum, _decoding.Sum, _decoding.Best, _decoding.BestRow,
                _decoding.Clusters, _decoding.Score, _decoding.Slot, layer.Output.Strips, tail.Start, cluster, count);
        }

        Kernels.Identify(Stream, threads, _decoding.Slot, Tables.Ids, tokens, count);
    }

    private void ThrowFaults(ReadOnlySpan<float> hidden, ArrayView<int> slots)
    {
        var found = new int[slots.Length];
        slots.CopyToCPU(Stream, found);
        var faults = default(DecodeFaults);
        for (var row = 0; row < found.Length; row++)
        {
            // The head is cluster 0, and tail −1 to the faults.
            if (found[row] < 0) faults.AddNotFinite(row, DecodeKernels.Fault(found[row]) - 1, hidden.Slice(row * Layout.HiddenSize, Layout.HiddenSize));
        }

        faults.ThrowIfAny();
    }

    private ArrayView<float> UploadHidden(ReadOnlySpan<float> hidden, int tokens)
    {
        _decoding.Reserve(tokens);
        var vectors = _decoding.HostHidden.SubView(0, hidden.Length);
        vectors.CopyFromCPU(Stream, hidden);
        return vectors;
    }

    private void Begin(ArrayView<float> hidden, int tokens)
    {
        _decoding.Reserve(tokens);
        Kernels.Pad(Stream, Launches.Threads(Accelerator, hidden.Length), hidden, _decoding.Hidden, _decoding.Plan, tokens, Layout.HiddenSize);
    }

    // All log-probs need each tail for every token.
    private void CopyPlan(int cluster) => _decoding.Plan.SubView(0, 1).CopyTo(Stream, _decoding.Plan.SubView(cluster, 1));

    private void Project(int tail, ArrayView<float> hidden, int tokens) =>
        _linears.Tails[tail].Projection.Store(Stream, tokens, hidden, _decoding.Plan, Tables.Projections, _decoding.Projected, tail + 1);

    private void Reduce(DecodeLinear linear, ArrayView<float> inputs, int cluster, int tokens, ProductArguments arguments)
    {
        // A maximum and sum: what Best gives, and no more kernels to compile.
        linear.Best(Stream, tokens, inputs, _decoding, arguments);
        Kernels.SumStrips(
            Stream, Launches.Threads(Accelerator, tokens), _decoding.Maximum, _decoding.Sum, _decoding.LogSumExp, _decoding.Slot, cluster, linear.Strips, tokens);
    }

    private static ProductArguments Arguments(DecodeLinear linear, int cluster, int tokens) => new()
    {
        Cluster = cluster,
        Capacity = tokens,
        TilesPerStrip = linear.TilesPerStrip,
        HasBias = linear.HasBias ? 1 : 0,
        TokenRows = linear.TokenRows,
    };
}
