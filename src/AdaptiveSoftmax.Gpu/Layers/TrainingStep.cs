using AdaptiveSoftmax.Gpu.Kernels;
using AdaptiveSoftmax.Vocabulary;
using ILGPU;
using ILGPU.Runtime;

namespace AdaptiveSoftmax.Gpu;

/// <summary>
/// The launches of one training step. How many tokens a tail has is known on the device alone, so launches are sized for
/// the most, and those without work return at once.
/// </summary>
internal readonly ref struct TrainingStep(
    AcceleratorStream stream, Accelerator accelerator, SoftmaxLayout layout, CommonKernels kernels, TrainingScratch scratch,
    TensorTraining? tensors, DeviceTables tables, LossOptions options, int tokens, bool keepsLogits)
{
    private bool IsSmoothed => options.LabelSmoothing > 0;

    /// <summary>Finds the slots of the targets, sorts them by cluster and gathers the hidden vectors in that order.</summary>
    public void Group(ArrayView<float> hidden, ArrayView<int> targets)
    {
        kernels.ForgetUnknown(stream, (1, 1), tables.FirstUnknown);
        kernels.FindSlots(stream, Launches.Threads(accelerator, tokens), targets, tables.SortedIds, tables.SlotsOfIds, scratch.Slots, tables.FirstUnknown, tokens, options.IgnoreIndex);
        var arguments = new GroupArguments
        {
            Tokens = tokens,
            Parts = layout.ClusterCount + 1,
            ShortlistSize = layout.ShortlistSize,
            IsMean = options.Reduction == Reduction.Mean ? 1 : 0,
            AllTokensInTails = IsSmoothed ? 1 : 0,
            GradientCapacity = tensors?.LogitCapacity(tokens) ?? scratch.LogitCapacity(tokens),
            HasEqualChunks = tensors is null ? 0 : 1,
            ShareCapacity = scratch.ShareCapacity(tokens),
        };
        kernels.GroupByCluster(stream, Launches.OneGroup, scratch.Slots, tables.Parts, scratch.Order, scratch.HeadRows, scratch.TailRows, scratch.Plan, scratch.TokenWeight, arguments);
        kernels.Gather(stream, Launches.Threads(accelerator, (long)tokens * layout.HiddenSize), hidden, scratch.Order, scratch.Plan, scratch.Gathered, layout.HiddenSize, 0);
    }

    /// <summary>The head over all tokens with a target.</summary>
    public void Head(GpuLinear head, bool wantsGradient)
    {
        Reduce(head, 0, scratch.Gathered, scratch.HeadRows, layout.VocabularySize, wantsGradient);
        if (wantsGradient) BackwardOutput(head, 0, scratch.Gathered, scratch.HeadRows, layout.VocabularySize, scratch.GatheredGradient);
    }

    /// <summary>A tail over the tokens whose target lies in it.</summary>
    public void Tail(int cluster, GpuTail tail, bool wantsGradient)
    {
        var part = cluster + 1;
        var size = layout.Tails[cluster].Size;
        var targetRows = scratch.TailRows;
        if (IsSmoothed)
        {
            kernels.MaskTargets(stream, Launches.Threads(accelerator, tokens), scratch.Plan, scratch.HeadRows, scratch.TailRows, scratch.MaskedRows, layout.ShortlistSize + cluster);
            targetRows = scratch.MaskedRows;
        }

        var arguments = Arguments(tail.ProjectionLinear, part);
        tail.ProjectionLinear.Store(stream, tokens, scratch.Gathered, scratch.Plan, scratch.Projected, arguments);
        Reduce(tail.OutputLinear, part, scratch.Projected, targetRows, size, wantsGradient);
        if (!wantsGradient) return;
        BackwardOutput(tail.OutputLinear, part, scratch.Projected, targetRows, size, scratch.ProjectedGradient);

        // dP = dyᵀ · X and dX += dy · P, with dy the gradient of the projected vectors.
        arguments.GradientStride = tail.OutputLinear.Weight.Stride;
        arguments.Accumulate = 1;
        tail.ProjectionLinear.WeightGradient(stream, scratch.ProjectedGradient, scratch.Gathered, scratch.Plan, arguments);
        tail.ProjectionLinear.MarkGradient(stream, kernels, scratch.Plan, part);
        tail.ProjectionLinear.InputGradient(stream, scratch.ProjectedGradient, scratch.Plan, scratch.GatheredGradient, scratch.Shares, arguments);
    }

    /// <summary>The loss, and the gradient of hidden vectors at their tokens.</summary>
    public void Finish(ArrayView<float> hiddenGradient, bool wantsGradient)
    {
        kernels.Loss(stream, Launches.OneGroup, scratch.Plan, scratch.TargetLogProbs, scratch.Smoothing, scratch.TokenWeight, tables.Loss, Weights(0));
        if (!wantsGradient) return;
        var launch = Launches.Threads(accelerator, (long)tokens * layout.HiddenSize);
        kernels.Clear(stream, launch, hiddenGradient);
        kernels.Scatter(stream, launch, scratch.GatheredGradient, scratch.Order, scratch.Plan, hiddenGradient, layout.HiddenSize);
    }

    private void Reduce(GpuLinear linear, int part, ArrayView<float> inputs, ArrayView<int> targetRows, int allRows, bool wantsGradient)
    {
        if (tensors is not null)
        {
            tensors.Reduce(stream, linear, part, tokens, inputs, targetRows, scratch);
            return;
        }

        var arguments = Arguments(linear, part);
        arguments.KeepsLogits = wantsGradient && keepsLogits ? 1 : 0;
        linear.Reduce(stream, tokens, inputs, scratch.Plan, targetRows, scratch, arguments);
        kernels.FinishReduce(
            stream, Launches.Groups(accelerator, (tokens + 15) / 16), scratch.Plan, scratch.Maximum, scratch.Sum, targetRows, scratch.TargetLogits,
            scratch.LogSumExp, scratch.TargetLogProbs, part, linear.Strips, tokens);
        if (!IsSmoothed) return;
        linear.Sum(stream, tokens, inputs, scratch.Plan, tables.GroupSizes, scratch, arguments);
        kernels.FinishSum(stream, Launches.Threads(accelerator, tokens), scratch.Plan, scratch.Sum, scratch.LogSumExp, scratch.Smoothing, part, linear.Strips, tokens, allRows);
    }

    private void BackwardOutput(GpuLinear linear, int part, ArrayView<float> inputs, ArrayView<int> targetRows, int allRows, ArrayView<float> inputGradient)
    {
        if (tensors is not null)
        {
            tensors.Backward(stream, linear, part, tokens, scratch, inputGradient);
            linear.MarkGradient(stream, kernels, scratch.Plan, part);
            return;
        }

        var arguments = Arguments(linear, part);
        var passes = scratch.MostPasses(linear.Rows, tokens);
        for (arguments.Pass = 0; arguments.Pass < passes; arguments.Pass++)
        {
            LogitGradient(linear, inputs, targetRows, arguments, Weights(allRows));
            linear.WeightGradient(stream, scratch.LogitGradient, inputs, scratch.Plan, arguments);
            linear.InputGradient(stream, scratch.LogitGradient, scratch.Plan, inputGradient, scratch.Shares, arguments);
        }

        linear.AddShares(stream, tokens, scratch.Plan, inputGradient, scratch.Shares, arguments);
        linear.MarkGradient(stream, kernels, scratch.Plan, part);
    }

    // The forward pass left the logits of the first chunk in their gradient's place; further chunks are computed again.
    private void LogitGradient(GpuLinear linear, ArrayView<float> inputs, ArrayView<int> targetRows, ProductArguments arguments, LossWeights weights)
    {
        if (keepsLogits && arguments.Pass == 0)
        {
            kernels.KeptGradient(
                stream, Launches.Groups(accelerator, long.MaxValue), scratch.LogitGradient.Cast<Float4>(), scratch.Plan, targetRows, scratch.LogSumExp,
                scratch.TokenWeight, tables.GroupSizes, linear.Rows, arguments, weights);
        }
        else
        {
            linear.LogitGradient(stream, tokens, inputs, targetRows, tables.GroupSizes, scratch, arguments, weights);
        }
    }

    private ProductArguments Arguments(GpuLinear linear, int part) => new()
    {
        Part = part,
        Capacity = tokens,
        TilesPerStrip = linear.TilesPerStrip,
        HasBias = linear.Bias is null ? 0 : 1,
        TokenRows = linear.TokenRows,
    };

    private LossWeights Weights(int allRows) => new()
    {
        Target = 1 - options.LabelSmoothing,
        Uniform = options.LabelSmoothing / layout.VocabularySize,
        AllRows = allRows,
    };
}
