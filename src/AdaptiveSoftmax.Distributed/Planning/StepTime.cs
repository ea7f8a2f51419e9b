using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax.Distributed;

/// <summary>
/// How long a training step of a softmax takes over many ranks: a model, not a measurement. Computing, bytes and messages each take
/// what <see cref="RankSpeeds"/> says, one after the other; targets are as frequent as one over their rank, as words are. The model's
/// body is not in it.
/// </summary>
/// <param name="ComputeSeconds">The products, exponentials and the optimizer's step of the slowest rank.</param>
/// <param name="TransferSeconds">The bytes that it receives, at the network's bandwidth.</param>
/// <param name="WaitSeconds">The latency of its messages.</param>
/// <param name="Bytes">The bytes that it receives.</param>
public readonly record struct StepTime(double ComputeSeconds, double TransferSeconds, double WaitSeconds, double Bytes)
{
    // What a rank says of each call before it begins, and what the optimizers' comparison comes to.
    private const int HeaderBytes = 32;
    private const int AgreementBytes = 100;

    /// <summary>The whole step.</summary>
    public double Seconds => ComputeSeconds + TransferSeconds + WaitSeconds;

    /// <summary>A step of <see cref="DataParallel"/>, of one shard a rank.</summary>
    /// <param name="layout">The sizes.</param>
    /// <param name="tokens">The tokens of each rank.</param>
    /// <param name="ranks">The number of ranks.</param>
    /// <param name="speeds">What a rank does in a second.</param>
    /// <exception cref="ArgumentOutOfRangeException">There are no ranks.</exception>
    public static StepTime OfData(SoftmaxLayout layout, int tokens, int ranks, RankSpeeds speeds)
    {
        Check(layout, ranks, speeds);
        var cost = StepCost.OfHead(layout, tokens) + StepCost.OfTails(layout, tokens);
        if (ranks > 1)
        {
            // Losses, what is frozen, which gradients there are, and for each tensor a call, its parts and their sums.
            var tensors = 1 + (layout.HasHeadBias ? 1 : 0) + (2 * layout.TailCount);
            cost += StepCost.OfMessages((2 * 3) + (3 * tensors), ((double)ranks - 1) * (HeaderBytes * (3 + tensors)));
            cost += new StepCost { SummedBytes = 2.0 * (ranks - 1) / ranks * layout.ParameterBytes };
        }

        return Of(cost + OptimizerAgreement(ranks), ranks, speeds);
    }

    /// <summary>A step of <see cref="VocabularyParallel"/>.</summary>
    /// <param name="layout">The sizes.</param>
    /// <param name="plan">What is cut.</param>
    /// <param name="tokens">The tokens of the batch, of all ranks together.</param>
    /// <param name="ranks">The number of ranks.</param>
    /// <param name="speeds">What a rank does in a second.</param>
    /// <exception cref="ArgumentOutOfRangeException">There are no ranks.</exception>
    /// <exception cref="ArgumentException">The plan does not fit the layout, or there are more ranks than rows or blocks of what it cuts.</exception>
    public static StepTime OfVocabulary(SoftmaxLayout layout, VocabularyPlan plan, int tokens, int ranks, RankSpeeds speeds)
    {
        Check(layout, ranks, speeds);
        ArgumentNullException.ThrowIfNull(plan);
        plan.Check(layout, ranks);
        var cost = StepCost.OfRows(layout.HeadRows, layout.HiddenSize, tokens, plan.CutsHead ? plan.Blocks : 0, ranks);
        foreach (var tail in layout.Tails) cost += StepCost.OfTail(layout, tail, tokens, plan.CutsTails[tail.Index] ? plan.Blocks : 0, ranks);
        if (ranks > 1) cost += StepCost.OfMessages(2, (ranks - 1) * (HeaderBytes + 1.0));
        return Of(cost + OptimizerAgreement(ranks), ranks, speeds);
    }

    private static StepCost OptimizerAgreement(int ranks) => ranks == 1 ? default : StepCost.OfMessages(2, (ranks - 1.0) * (HeaderBytes + AgreementBytes));

    private static void Check(SoftmaxLayout layout, int ranks, RankSpeeds speeds)
    {
        ArgumentNullException.ThrowIfNull(layout);
        ArgumentOutOfRangeException.ThrowIfLessThan(ranks, 1);
        ArgumentNullException.ThrowIfNull(speeds);
    }

    private static StepTime Of(in StepCost cost, int ranks, RankSpeeds speeds) => new(
        cost.ComputeSeconds(speeds), cost.TransferSeconds(speeds), ranks == 1 ? 0 : cost.WaitSeconds(ranks, speeds), cost.SummedBytes + cost.GatheredBytes);
}
