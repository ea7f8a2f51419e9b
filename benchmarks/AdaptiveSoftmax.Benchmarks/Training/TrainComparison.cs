using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax.Benchmarks;

/// <summary>A training step of the adaptive softmax against one of the full softmax on the same kernels.</summary>
internal sealed class TrainComparison : IComparison
{
    private const int HiddenSize = 512;
    private const int BatchSize = 256;

    public string Name => "train";

    public string Description => "A training step (256 targets from real text, hidden 512, o200k_base; forward, backward, Adagrad) against the full softmax on the same kernels.";

    public double Run(ComparisonSession session)
    {
        var (slots, plan) = TrainingText.Load(HiddenSize, session);
        using var ours = new Step(plan.Layout, slots);
        using var peer = new Step(SoftmaxLayout.CreateFull(HiddenSize, plan.Layout.VocabularySize), slots);
        return session.Compare("step", 1, new Contender("adaptive softmax", ours.Run), [new Contender("full softmax, same kernels", peer.Run)]);
    }

    /// <summary>One side: a layer, its optimizer, and the place in the text. Hidden vectors are random: time does not depend on them.</summary>
    private sealed class Step : IDisposable
    {
        private readonly DynamicAdaptiveSoftmax _layer;
        private readonly Adagrad _optimizer = new(learningRate: 0.05);
        private readonly float[] _hidden = new float[BatchSize * HiddenSize];
        private readonly float[] _hiddenGradient = new float[BatchSize * HiddenSize];
        private readonly int[] _slots;
        private int _position;

        public Step(SoftmaxLayout layout, int[] slots)
        {
            _layer = new DynamicAdaptiveSoftmax(layout);
            _slots = slots;
            var random = new Random(1);
            for (var i = 0; i < _hidden.Length; i++) _hidden[i] = (float)((2 * random.NextDouble()) - 1);
        }

        public long Run()
        {
            // Both sides see the same stretches of text: each starts where its own last step ended.
            if (_position + BatchSize > _slots.Length) _position = 0;
            var loss = _layer.Backward(_hidden, _slots.AsSpan(_position, BatchSize), _hiddenGradient);
            _optimizer.Step(_layer.Parameters);
            _position += BatchSize;
            return BitConverter.SingleToInt32Bits(loss);
        }

        public void Dispose()
        {
            _optimizer.Dispose();
            _layer.Dispose();
        }
    }
}
