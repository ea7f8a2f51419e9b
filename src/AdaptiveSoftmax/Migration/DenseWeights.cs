using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax;

/// <summary>The weights of a dense head, whose slots are token ids.</summary>
internal static class DenseWeights
{
    /// <summary>Reads it, and its bias where it has one.</summary>
    public static SoftmaxWeights Read(WeightsFile file, DenseHead head, CancellationToken cancellationToken)
    {
        var weights = new SoftmaxWeights(SoftmaxLayout.CreateFull(head.HiddenSize, head.Rows, head.Bias is not null));
        try
        {
            file.Read(head.Weight, weights.Head.Weight);
            SoftmaxWeights.CheckFinite(file, head.Weight, weights.Head.Weight);
            cancellationToken.ThrowIfCancellationRequested();
            if (head.Bias is null) return weights;
            file.Read(head.Bias, weights.Head.Bias!);
            SoftmaxWeights.CheckFinite(file, head.Bias, weights.Head.Bias!);
            return weights;
        }
        catch
        {
            weights.Dispose();
            throw;
        }
    }
}
