using AdaptiveSoftmax.Vocabulary;
using LanguageModelSample;
using static TorchSharp.torch;

namespace AdaptiveSoftmax.Benchmarks;

/// <summary>
/// A dense head of 200,019 × 512 and hidden states of a trained model: what the sample's softmax is as one matrix. A row of a tail is
/// its output through the projection and its cluster's row, less the vector that gives the tail's log-sum-exp by least squares.
/// </summary>
internal sealed class DenseHeadPeers : IDisposable
{
    private const ulong Seed = 1;
    private const int Calibration = 2048;
    private const double Ridge = 1e-6;

    public DenseHeadPeers(ComparisonSession session, int states)
    {
        set_num_threads(Environment.ProcessorCount);
        using var model = Models.CreateAdaptive(Seed, Environment.ProcessorCount);
        var text = TrainedSample.Prepare(model, Seed, session);
        Hidden = new HiddenStates(model, text.HeldOut, states);
        Float32 = CreateFull(model.Softmax, new HiddenStates(model, text.Training, Calibration));
        var all = new float[states * Hidden.Size];
        for (var i = 0; i < states; i++) Hidden[i].CopyTo(all.AsSpan(i * Hidden.Size));
        States = all;
        var (rows, columns) = (Float32.Layout.VocabularySize, Float32.Layout.HiddenSize);
        Weight = tensor(Float32.Parameters[0].Values.ToArray(), rows, columns);
        HalfWeight = Weight.to(ScalarType.BFloat16);
        Inputs = tensor(all, states, columns);
        session.Note($"{rows:N0} x {columns}, {states} states of held-out text");
    }

    public DynamicAdaptiveSoftmax Float32 { get; }

    public HiddenStates Hidden { get; }

    /// <summary>All states, [states, hidden].</summary>
    public float[] States { get; }

    public Tensor Weight { get; }

    public Tensor HalfWeight { get; }

    /// <summary>All states, [states, hidden].</summary>
    public Tensor Inputs { get; }

    /// <summary>Adds up the best tokens of all states, so many at a time, by libtorch's float32.</summary>
    public long Torch(int batch) => Each(batch, rows => nn.functional.linear(rows, Weight).argmax(1).sum().item<long>());

    /// <summary>The same by libtorch's bfloat16.</summary>
    public long TorchHalf(int batch) => Each(batch, rows => nn.functional.linear(rows.to(ScalarType.BFloat16), HalfWeight).argmax(1).sum().item<long>());

    /// <summary>Adds up tokens drawn at a temperature by libtorch's float32.</summary>
    public long TorchSample(double temperature) => Each(1, rows => nn.functional.softmax(nn.functional.linear(rows, Weight) / temperature, 1).multinomial(1).item<long>());

    /// <summary>The same by libtorch's bfloat16, with the softmax in float32.</summary>
    public long TorchSampleHalf(double temperature) => Each(1, rows =>
        nn.functional.softmax(nn.functional.linear(rows.to(ScalarType.BFloat16), HalfWeight).to(ScalarType.Float32) / temperature, 1).multinomial(1).item<long>());

    /// <summary>Adds up the tokens that a decoder predicts, so many states at a time.</summary>
    public long Predict(SoftmaxDecoder softmax, int batch, int[] tokens)
    {
        var sum = 0L;
        for (var first = 0; first < Hidden.Count; first += batch)
        {
            softmax.Predict(States.AsSpan(first * Hidden.Size, batch * Hidden.Size), tokens.AsSpan(first, batch));
            for (var i = first; i < first + batch; i++) sum += tokens[i];
        }

        return sum;
    }

    public void Dispose()
    {
        foreach (var part in (Tensor[])[Weight, HalfWeight, Inputs]) part.Dispose();
        Float32.Dispose();
    }

    private long Each(int batch, Func<Tensor, long> choose)
    {
        var sum = 0L;
        for (var first = 0; first < Hidden.Count; first += batch)
        {
            var start = first;
            sum += TorchPeers.Run(() => choose(Inputs.narrow(0, start, batch)));
        }

        return sum;
    }

    private static DynamicAdaptiveSoftmax CreateFull(AdaptiveSoftmaxLayer softmax, HiddenStates calibration)
    {
        var (layout, size) = (softmax.Layout, softmax.Layout.HiddenSize);
        var full = new DynamicAdaptiveSoftmax(SoftmaxLayout.CreateFull(size, layout.VocabularySize));
        var head = softmax.Parameters[0];
        var first = layout.HasHeadBias ? 2 : 1;
        full.Parameters[0].Edit(weight =>
        {
            head.Values[..(layout.ShortlistSize * size)].CopyTo(weight);
            foreach (var tail in layout.Tails)
            {
                using var scope = NewDisposeScope();
                var projection = tensor(softmax.Parameters[first + (2 * tail.Index)].Values.ToArray(), tail.ProjectionWidth, size);
                var output = tensor(softmax.Parameters[first + (2 * tail.Index) + 1].Values.ToArray(), tail.Size, tail.ProjectionWidth);
                var cluster = tensor(head.Row(layout.ShortlistSize + tail.Index).ToArray()) - FitLogSumExp(softmax, tail.Index, calibration);
                (output.mm(projection) + cluster).data<float>().ToArray().CopyTo(weight[(tail.Start * size)..]);
            }
        });
        return full;
    }

    // The vector whose product with a state is the tail's log-sum-exp, by least squares.
    private static unsafe Tensor FitLogSumExp(AdaptiveSoftmaxLayer softmax, int tail, HiddenStates states)
    {
        var (values, all) = (new float[states.Count], new float[states.Count * states.Size]);
        var logits = new float[softmax.Layout.Tails[tail].Size];
        using var scratch = new Scratch();
        for (var i = 0; i < states.Count; i++)
        {
            states[i].CopyTo(all.AsSpan(i * states.Size));
            fixed (float* state = states[i], target = logits) values[i] = softmax.DecodingTails[tail].ForwardOne(softmax.Pool, scratch, state, target).LogSumExp[0];
            scratch.Reset();
        }

        var inputs = tensor(all, states.Count, states.Size).to(ScalarType.Float64);
        var square = inputs.t().mm(inputs);
        var ridge = square + (square.trace() * Ridge * eye(states.Size, dtype: ScalarType.Float64));
        return linalg.solve(ridge, inputs.t().mv(tensor(values).to(ScalarType.Float64))).to(ScalarType.Float32);
    }
}
