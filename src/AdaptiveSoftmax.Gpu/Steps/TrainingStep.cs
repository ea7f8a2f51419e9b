using AdaptiveSoftmax.Gpu.Kernels;
using AdaptiveSoftmax.Vocabulary;
using ILGPU;
using ILGPU.Runtime;

namespace AdaptiveSoftmax.Gpu;

/// <summary>
/// The launches of one training step. How many tokens a tail has is known on the device alone: launches are sized for the
/// most, and those without work return at once, unless the plan is read back to leave them out.
/// </summary>
internal readonly ref struct TrainingStep(
    AcceleratorStream stream, Accelerator accelerator, SoftmaxLayout layout, CommonKernels kernels, LayerProducts products, TrainingScratch scratch,
    TensorTraining? tensors, DeviceTables tables, LossOptions options, ArrayView<float> weights, int tokens, GradientWish wish, bool keepsLogits, BatchPlan[]? known)
{
    private bool WantsGradient => wish != GradientWish.None;

    private bool WantsHiddenGradient => wish == GradientWish.HiddenToo;

    private bool IsSmoothed => options.LabelSmoothing > 0;

    // Label smoothing needs every token in every tail, for which there is no room at once, and generated kernels for tensor
    // cores have one tail's sizes.
    private bool TakesTailsAlone => IsSmoothed || tensors is not null;

    /// <summary>Finds the slots of the targets, sorts them by cluster and gathers the hidden vectors in that order.</summary>
    public void Group(ArrayView<float> hidden, ArrayView<int> targets)
    {
        kernels.ForgetUnknown(stream, (1, 1), tables.FirstUnknown);
        kernels.FindSlots(stream, Launches.Threads(accelerator, tokens), targets, tables.SortedIds, tables.SlotsOfIds, scratch.Slots, tables.FirstUnknown, tokens, options.IgnoreIndex);
        var arguments = new GroupArguments
        {
            Tokens = tokens,
            Clusters = layout.TailCount + 1,
            ShortlistSize = layout.ShortlistSize,
            AllTokensInTails = IsSmoothed ? 1 : 0,
            ClustersAtOnce = TakesTailsAlone ? 1 : ViewGroup<int>.Capacity,
            GradientCapacity = tensors?.LogitCapacity(tokens) ?? scratch.LogitCapacity(tokens),
            HasEqualChunks = tensors is null ? 0 : 1,
            ShareCapacity = scratch.ShareCapacity(tokens),
        };
        kernels.GroupByCluster(stream, Launches.OneGroup, scratch.Slots, tables.Outputs, scratch.Order, scratch.HeadRows, scratch.TailRows, scratch.Plan, arguments);
        var weighing = new WeightArguments
        {
            HasWeights = HasWeights,
            IsMean = options.Reduction == Reduction.Mean ? 1 : 0,
            GradientScale = (float)options.GradientScale,
        };
        kernels.WeighTokens(stream, Launches.OneGroup, scratch.Plan, scratch.Order, TokenWeights, scratch.TokenWeights, scratch.Scales, weighing);
        kernels.Gather(stream, Launches.Threads(accelerator, (long)tokens * layout.HiddenSize), hidden, scratch.Order, scratch.Plan, scratch.Gathered, layout.HiddenSize, 0);
        if (known is not null) scratch.Plan.SubView(0, known.Length).CopyToCPU(stream, known.AsSpan());
    }

    /// <summary>The head over all tokens with a target.</summary>
    public void Head()
    {
        var head = products.Head;
        Reduce(head, scratch.Gathered, scratch.HeadRows, layout.VocabularySize);
        if (!WantsGradient || !(head.Learns || WantsHiddenGradient)) return;
        BackwardOutput(head, scratch.Gathered, scratch.HeadRows, layout.VocabularySize, WantsHiddenGradient ? scratch.GatheredGradient : default, WantsHiddenGradient);
        MarkGradients(head.States, head.WeightsLearning, head.BiasStates, head.BiasLearns ? 1 : 0, head);
    }

    /// <summary>The tails over the tokens whose target lies in them, as many in a launch as it takes or one after the other.</summary>
    public void Tails()
    {
        if (!IsSmoothed)
        {
            foreach (var group in TakesTailsAlone ? products.Tails : products.Groups) Tails(group, scratch.TailRows, allRows: 0);
            return;
        }

        for (var tail = 0; tail < layout.TailCount; tail++)
        {
            kernels.MaskTargets(stream, Launches.Threads(accelerator, tokens), scratch.Plan, scratch.HeadRows, scratch.TailRows, scratch.MaskedRows, layout.ShortlistSize + tail);
            Tails(products.Tails[tail], scratch.MaskedRows, layout.Tails[tail].Size);
        }
    }

    /// <summary>The loss, those of tokens where they are wanted, and the gradient of hidden vectors at their tokens.</summary>
    public void Finish(ArrayView<float> hiddenGradient, ArrayView<float> losses)
    {
        kernels.Loss(
            stream, Launches.OneGroup, scratch.Plan, scratch.Order, scratch.TargetLogProbs, scratch.Smoothing, TokenWeights, scratch.Scales, tables.Loss, Weights(0), HasWeights);
        if (losses.Length > 0)
        {
            kernels.Clear(stream, Launches.Threads(accelerator, tokens), losses);
            kernels.ScatterLosses(stream, Launches.Threads(accelerator, tokens), scratch.Plan, scratch.Order, scratch.TargetLogProbs, scratch.Smoothing, losses, Weights(0));
        }

        if (!WantsHiddenGradient) return;
        var launch = Launches.Threads(accelerator, (long)tokens * layout.HiddenSize);
        kernels.Clear(stream, launch, hiddenGradient);
        kernels.Scatter(stream, launch, scratch.GatheredGradient, scratch.Order, scratch.Plan, hiddenGradient, layout.HiddenSize);
    }

    // A kernel takes no missing view, and reads none that it is told not to.
    private ArrayView<float> TokenWeights => weights.Length > 0 ? weights : scratch.TargetLogProbs;

    private int HasWeights => weights.Length > 0 ? 1 : 0;

    private void Tails(TailProducts tails, ArrayView<int> targetRows, int allRows)
    {
        if (known is not null && tails.Outputs.Passes(known) == 0) return;
        var arguments = tails.Projections.Arguments(tokens);
        tails.Projections.Store(stream, scratch.Gathered, scratch.Plan, scratch.Projected, arguments);
        Reduce(tails.Outputs, scratch.Projected, targetRows, allRows);
        var wantsProjectedGradient = tails.Projections.Learns || WantsHiddenGradient;
        if (!WantsGradient || !(tails.Outputs.Learns || wantsProjectedGradient)) return;
        BackwardOutput(tails.Outputs, scratch.Projected, targetRows, allRows, scratch.ProjectedGradient, wantsProjectedGradient);

        // dP = dyᵀ · X and dX += dy · P, with dy the gradient of the projected vectors.
        arguments.Accumulate = 1;
        tails.Projections.WeightGradient(stream, scratch.ProjectedGradient, scratch.Gathered, scratch, arguments);
        if (WantsHiddenGradient) tails.Projections.InputGradient(stream, scratch.ProjectedGradient, scratch, scratch.GatheredGradient, arguments);
        MarkGradients(tails.Outputs.States, tails.Outputs.WeightsLearning, tails.Projections.States, tails.Projections.WeightsLearning, tails.Outputs);
    }

    private void Reduce(ClusterProducts outputs, ArrayView<float> inputs, ArrayView<int> targetRows, int allRows)
    {
        if (tensors is not null)
        {
            tensors.Reduce(stream, outputs.Single, outputs.First, tokens, inputs, targetRows, scratch);
            return;
        }

        var arguments = outputs.Arguments(tokens);
        arguments.KeepsLogits = WantsGradient && keepsLogits ? 1 : 0;
        outputs.Reduce(stream, inputs, targetRows, scratch, arguments);
        if (!IsSmoothed) return;
        outputs.Sum(stream, inputs, tables.GroupSizes, scratch, arguments);
        kernels.FinishSum(
            stream, Launches.Threads(accelerator, tokens), scratch.Plan, scratch.Sum, scratch.LogSumExp, scratch.Smoothing, outputs.First, outputs.Single.Strips, tokens, allRows);
    }

    private void BackwardOutput(ClusterProducts outputs, ArrayView<float> inputs, ArrayView<int> targetRows, int allRows, ArrayView<float> inputGradient, bool wantsInputGradient)
    {
        if (tensors is not null)
        {
            tensors.Backward(stream, outputs, tokens, scratch, inputGradient, wantsInputGradient, known);
            return;
        }

        // The forward pass left the logits of the first chunk in their gradient's place; further chunks are computed again.
        var arguments = outputs.Arguments(tokens);
        var passes = known is null ? scratch.MostPasses(outputs.MostRows, tokens) : outputs.Passes(known);
        for (arguments.Pass = 0; arguments.Pass < passes; arguments.Pass++)
        {
            outputs.LogitGradient(
                stream, inputs, targetRows, tables.GroupSizes, scratch, isKept: keepsLogits && arguments.Pass == 0, arguments, Weights(allRows));
            outputs.WeightGradient(stream, scratch.LogitGradient, inputs, scratch, arguments);
            if (wantsInputGradient) outputs.InputGradient(stream, scratch.LogitGradient, scratch, inputGradient, arguments);
        }

        if (wantsInputGradient) outputs.AddShares(stream, scratch.Plan, scratch.Shares, inputGradient, arguments);
    }

    // Once all that adds to them is done, which asks whether there is something to add to.
    private void MarkGradients(ViewGroup<int> states, int learning, ViewGroup<int> others, int othersLearning, ClusterProducts clusters) =>
        kernels.MarkGradients(stream, (1, 1), states, others, scratch.Plan, clusters.First, clusters.Arguments(tokens).Count, learning, othersLearning);

    private LossWeights Weights(int allRows) => new()
    {
        Target = 1 - options.LabelSmoothing,
        Uniform = options.LabelSmoothing / layout.VocabularySize,
        AllRows = allRows,
    };
}
