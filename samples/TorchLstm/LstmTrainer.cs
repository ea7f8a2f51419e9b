using static TorchSharp.torch;

namespace TorchLstmSample;

/// <summary>
/// Trains a model by truncated back-propagation through time: each step reads on where the last one stopped, with the state
/// that it left, and sends gradients back to its own first token.
/// </summary>
internal sealed class LstmTrainer : IDisposable
{
    /// <summary>The streams that are read side by side, and the tokens of each in a step.</summary>
    public const int Streams = 16, Steps = 16;

    private const double PeakRate = 0.05;
    private const double LargestNorm = 1;

    private readonly TextStreams _streams;
    private readonly TorchSharp.Modules.Adagrad _optimizer;

    public LstmTrainer(LstmModel model, int[] text, int streams = Streams, int steps = Steps)
    {
        Model = model;
        _streams = new TextStreams(text, streams, steps);
        Batch = new TokenBatch(steps, streams);
        _optimizer = optim.Adagrad([.. model.Body.Parameters, .. model.Head.Parameters]);
        State = LstmState.Zero(streams, model.Body.Shape.HiddenSize);
    }

    public LstmModel Model { get; }

    /// <summary>The batch of the last step.</summary>
    public TokenBatch Batch { get; }

    /// <summary>What the model remembers behind the last step.</summary>
    public LstmState State { get; }

    /// <summary>Adagrad's sums of squared gradients, in the order of the parameters of body and head.</summary>
    public IEnumerable<Tensor> SquareSums => _optimizer.state_dict().State.Cast<TorchSharp.Modules.Adagrad.State>().Select(state => state.sum);

    /// <summary>Takes a step.</summary>
    /// <param name="step">Which.</param>
    /// <param name="rate">The learning rate, as a share of its peak.</param>
    /// <param name="seed">With the step, it decides what is dropped.</param>
    /// <returns>The loss before the step; NaN where it or the gradients are not finite, and the batch was left out.</returns>
    public float Step(long step, double rate, ulong seed)
    {
        // What a step makes goes with it: parameters, the optimizer's sums and the state are older and stay.
        using var scope = NewDisposeScope();
        using var generator = random.manual_seed(unchecked((long)(seed * 0x9E37_79B9_7F4A_7C15) ^ step));
        if (_streams.StartsAt(step)) State.Clear();
        _streams.Fill(Batch, step);
        Model.Body.ZeroGradients();
        Model.Head.ZeroGradients();

        var embeddings = Model.Body.Embeddings.Take(Batch.Inputs());
        var (hidden, next) = Model.Body.Forward(embeddings.Embedded, State, isTraining: true);
        var loss = Model.Head.Loss(hidden.reshape(-1, Model.Body.Shape.HiddenSize), Batch.Targets());
        loss.backward();

        // It is through time that gradients explode, not in the softmax.
        var norm = nn.utils.clip_grad_norm_([.. Model.Body.Parameters, embeddings.Values], LargestNorm);
        var value = loss.item<float>();
        if (!float.IsFinite(value) || !double.IsFinite(norm)) return float.NaN;
        foreach (var group in _optimizer.ParamGroups) group.LearningRate = PeakRate * rate;
        _optimizer.step();
        Model.Body.Embeddings.Step(embeddings, PeakRate * rate);
        State.CopyFrom(next);
        return value;
    }

    public void Dispose()
    {
        _optimizer.Dispose();
        State.Dispose();
    }
}
