using AdaptiveSoftmax.Gpu.Kernels;
using AdaptiveSoftmax.Vocabulary;
using ILGPU;
using ILGPU.Runtime;

namespace AdaptiveSoftmax.Gpu;

/// <summary>
/// The launches of one training step. Logits of whole rows are stored a chunk of tokens at a time, and are used up before the
/// next chunk. How many tokens a tail has is known on the device alone: launches are for the most, and those without work
/// return at once, unless the plan is read back to leave them out.
/// </summary>
internal readonly ref struct TrainingStep(
    AcceleratorStream stream, Accelerator accelerator, SoftmaxLayout layout, CommonKernels kernels, LayerProducts products, IDeviceProducts multiplier, TrainingScratch scratch,
    TensorTraining? tensors, DeviceTables tables, TargetTables targetTables, LossOptions options, ArrayView<float> weights, int tokens, GradientWish wish, bool readsPlan)
{
    private bool WantsGradient => wish != GradientWish.None;

    private bool WantsHiddenGradient => wish == GradientWish.HiddenToo;

    private bool IsSmoothed => options.LabelSmoothing > 0;

    // Label smoothing needs every token in every tail, for which there is no room at once, and generated kernels for tensor
    // cores have one tail's sizes.
    private TailProducts[] Tails => IsSmoothed || tensors is not null ? products.Tails : products.Groups;

    private long LogitCapacity => tensors?.LogitCapacity(tokens) ?? scratch.LogitCapacity(tokens);

    /// <summary>Takes the step.</summary>
    public void Run(ArrayView<float> hidden, ArrayView<int> targets, ArrayView<float> hiddenGradient, ArrayView<float> losses)
    {
        Group(hidden, targets);
        var place = layout.TailCount + 1;
        Head(ref place);
        foreach (var tails in Tails) Tail(tails, ref place);
        Finish(hiddenGradient, losses);
    }

    // Finds the slots of the targets, sorts them by cluster and gathers the hidden vectors in that order.
    private void Group(ArrayView<float> hidden, ArrayView<int> targets)
    {
        kernels.FindSlots(stream, Launches.Threads(accelerator, tokens), targets, targetTables.SortedIds, targetTables.SlotsOfIds, scratch.Slots, tokens, options.IgnoreIndex);
        var arguments = new GroupArguments
        {
            Tokens = tokens,
            Clusters = layout.TailCount + 1,
            ShortlistSize = layout.ShortlistSize,
            AllTokensInTails = IsSmoothed ? 1 : 0,
            ClustersAtOnce = Tails == products.Tails ? 1 : ViewGroup<int>.Capacity,
            LogitCapacity = LogitCapacity,
            SplitCapacity = scratch.SplitCapacity(tokens),
        };
        kernels.GroupByCluster(
            stream, Launches.OneGroup, scratch.Slots, tables.Outputs, scratch.Order, scratch.HeadRows, scratch.TailRows, scratch.Places, targetTables.FirstUnknown, scratch.Plan, arguments);
        var weighing = new WeightArguments
        {
            HasWeights = HasWeights,
            IsMean = options.Reduction == Reduction.Mean ? 1 : 0,
            GradientScale = (float)options.GradientScale,
        };
        kernels.WeighTokens(stream, Launches.OneGroup, scratch.Plan, scratch.Order, TokenWeights, scratch.TokenWeights, scratch.Scales, weighing);
        kernels.Gather(stream, Launches.Threads(accelerator, (long)tokens * layout.HiddenSize), hidden, scratch.Order, scratch.Plan, scratch.Gathered, layout.HiddenSize, 0);
        if (!readsPlan) return;
        var length = layout.TailCount + 1 + MostChunks(products.Head);
        foreach (var tails in Tails) length += tails.Outputs.Count * MostChunks(tails.Outputs);
        scratch.Plan.SubView(0, length).CopyToCPU(stream, scratch.HostPlan.AsSpan(0, length));
    }

    // The head over all tokens with a target.
    private void Head(ref int place)
    {
        var head = products.Head;
        var wantsGradient = WantsGradient && (head.Learns || WantsHiddenGradient);
        Chunks(head, ref place, scratch.Gathered, wantsGradient, WantsHiddenGradient ? scratch.GatheredGradient : default, WantsHiddenGradient);
        if (wantsGradient) MarkGradients(head.States, head.WeightsLearning, head.BiasStates, head.BiasLearns ? 1 : 0, head);
    }

    // Tails over the tokens whose target lies in them, as many in a launch as it takes or one alone.
    private void Tail(TailProducts tails, ref int place)
    {
        if (readsPlan && !HasTokens(tails.Outputs, tails.Outputs.First))
        {
            place += tails.Outputs.Count * MostChunks(tails.Outputs);
            return;
        }

        var arguments = tails.Projections.Arguments(tokens);
        multiplier.Store(stream, tails.Projections, scratch.Gathered, scratch, scratch.Projected, arguments);
        var wantsProjectedGradient = tails.Projections.Learns || WantsHiddenGradient;
        var wantsGradient = WantsGradient && (tails.Outputs.Learns || wantsProjectedGradient);
        Chunks(tails.Outputs, ref place, scratch.Projected, wantsGradient, wantsGradient ? scratch.ProjectedGradient : default, wantsProjectedGradient);
        if (!wantsGradient) return;

        // dP = dyᵀ · X and dX += dy · P, with dy the gradient of the projected vectors.
        arguments.Accumulate = 1;
        multiplier.WeightGradient(stream, tails.Projections, scratch.ProjectedGradient, scratch.Gathered, scratch, arguments);
        if (WantsHiddenGradient) multiplier.InputGradient(stream, tails.Projections, scratch.ProjectedGradient, scratch, scratch.GatheredGradient, arguments);
        MarkGradients(tails.Outputs.States, tails.Outputs.WeightsLearning, tails.Projections.States, tails.Projections.WeightsLearning, tails.Outputs);
    }

    // Outputs of head or tails over their chunks of tokens: logits once, softmax and loss in one kernel, and the products of the
    // logits' gradient with inputs and weights.
    private void Chunks(ClusterProducts outputs, ref int place, ArrayView<float> inputs, bool wantsGradient, ArrayView<float> inputGradient, bool wantsInputGradient)
    {
        tensors?.Begin(stream, outputs.Single);
        var arguments = outputs.Arguments(tokens);
        var most = MostChunks(outputs);
        for (var chunk = 0; chunk < most; chunk++)
        {
            arguments.Plan = place + (chunk * outputs.Count);
            if (readsPlan && !HasTokens(outputs, arguments.Plan)) break;
            if (tensors is null) Chunk(outputs, arguments, inputs, wantsGradient, inputGradient, wantsInputGradient);
            else tensors.Chunk(stream, outputs, arguments, isFirst: chunk == 0, inputs, scratch, wantsGradient, inputGradient, wantsInputGradient);
        }

        place += most * outputs.Count;
    }

    private void Chunk(ClusterProducts outputs, ClusterArguments arguments, ArrayView<float> inputs, bool wantsGradient, ArrayView<float> inputGradient, bool wantsInputGradient)
    {
        multiplier.Store(stream, outputs, inputs, scratch, scratch.Logits, arguments);
        var loss = new LogitArguments
        {
            Weights = Weights,
            VocabularySize = layout.VocabularySize,
            ShortlistSize = layout.ShortlistSize,
            WantsGradient = wantsGradient ? 1 : 0,
        };
        outputs.Softmax(stream, tables.GroupSizes, scratch, arguments, loss);
        if (!wantsGradient) return;
        multiplier.WeightGradient(stream, outputs, scratch.Logits, inputs, scratch, arguments);
        if (!wantsInputGradient) return;
        multiplier.InputGradient(stream, outputs, scratch.Logits, scratch, inputGradient, arguments);
        if (IsSplit(outputs, arguments.Plan)) outputs.AddSplits(stream, scratch.Plan, scratch.SplitSums, inputGradient, arguments);
    }

    // The loss, those of tokens where they are wanted, and the gradient of hidden vectors at their tokens.
    private void Finish(ArrayView<float> hiddenGradient, ArrayView<float> losses)
    {
        kernels.Loss(
            stream, Launches.OneGroup, scratch.Plan, scratch.Order, scratch.TargetLogProbs, scratch.Smoothing, TokenWeights, scratch.Scales, targetTables.Loss, Weights, HasWeights);
        if (losses.Length > 0)
            kernels.ScatterLosses(stream, Launches.Threads(accelerator, tokens), scratch.Places, scratch.TargetLogProbs, scratch.Smoothing, losses, Weights);
        if (WantsHiddenGradient)
            kernels.Scatter(stream, Launches.Threads(accelerator, (long)tokens * layout.HiddenSize), scratch.GatheredGradient, scratch.Places, hiddenGradient, layout.HiddenSize);
    }

    private int MostChunks(ClusterProducts outputs) => BatchKernels.MostChunks(LogitCapacity, outputs.ColumnTiles, tokens);

    private bool HasTokens(ClusterProducts outputs, int place)
    {
        foreach (var plan in scratch.HostPlan.AsSpan(place, outputs.Count))
        {
            if (plan.Count > 0) return true;
        }

        return false;
    }

    private bool IsSplit(ClusterProducts outputs, int place)
    {
        if (!readsPlan) return outputs.MaySplit;
        foreach (var plan in scratch.HostPlan.AsSpan(place, outputs.Count))
        {
            if (plan.Count > 0 && plan.Splits > 1) return true;
        }

        return false;
    }

    // A kernel takes no missing view, and reads none that it is told not to.
    private ArrayView<float> TokenWeights => weights.Length > 0 ? weights : scratch.TargetLogProbs;

    private int HasWeights => weights.Length > 0 ? 1 : 0;

    private LossWeights Weights => new() { Target = 1 - options.LabelSmoothing, Uniform = options.LabelSmoothing / layout.VocabularySize };

    // Once all that adds to them is done, which asks whether there is something to add to.
    private void MarkGradients(ViewGroup<int> states, int learning, ViewGroup<int> others, int othersLearning, ClusterProducts clusters) =>
        kernels.MarkGradients(stream, (1, 1), states, others, scratch.Plan, clusters.First, clusters.Count, learning, othersLearning);
}
