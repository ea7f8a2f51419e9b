using ILGPU;
using ILGPU.Algorithms;

namespace AdaptiveSoftmax.Gpu.Kernels;

/// <summary>How the gradient of a logit follows from the logit, whether it was kept or computed again: the same operations give the same bits.</summary>
/// <param name="loss">What the loss gives each logit.</param>
/// <param name="targetRows">The row of each token's target, −1 for none.</param>
/// <param name="logSumExp">The log-sum-exp of each token.</param>
/// <param name="groupSizes">The tokens of each cluster.</param>
/// <param name="tokenWeights">What each token's gradient is multiplied by.</param>
/// <param name="rows">The rows of the weight.</param>
/// <param name="tokenRows">Those that stand for tokens.</param>
internal readonly struct LogitRule(
    LossWeights loss, ArrayView<int> targetRows, ArrayView<float> logSumExp, ArrayView<float> groupSizes, ArrayView<float> tokenWeights, int rows, int tokenRows)
{
    /// <summary>What the gradients of one token's logits have in common.</summary>
    public LogitToken Token(int index)
    {
        var target = targetRows[index];
        var hit = target >= 0 ? loss.Target : 0f;
        var weight = tokenWeights[index];
        return new LogitToken
        {
            LogSumExp = logSumExp[index],
            Target = target,
            Hit = hit,
            Weight = weight,
            Total = (hit + (loss.Uniform * loss.AllRows)) * weight,
        };
    }

    /// <summary>The gradients of four logits of a token.</summary>
    /// <param name="token">The token.</param>
    /// <param name="logits">The logits; −∞, whose gradient is 0, behind the rows.</param>
    /// <param name="row">The weight's row of the first.</param>
    public Float4 Gradient(LogitToken token, Float4 logits, int row)
    {
        Float4 result = default;
        result.X = One(token, logits.X, row);
        result.Y = One(token, logits.Y, row + 1);
        result.Z = One(token, logits.Z, row + 2);
        result.W = One(token, logits.W, row + 3);
        return result;
    }

    private float One(LogitToken token, float logit, int row)
    {
        var weight = row == token.Target ? token.Hit : 0f;
        if (loss.Uniform > 0f && row < rows)
            weight += row < tokenRows ? loss.Uniform : loss.Uniform * groupSizes[row - tokenRows];
        return (XMath.Exp(logit - token.LogSumExp) * token.Total) - (weight * token.Weight);
    }
}

/// <summary>What the gradients of one token's logits have in common.</summary>
internal struct LogitToken
{
    public float LogSumExp;
    public int Target;
    public float Hit;
    public float Weight;
    public float Total;
}
