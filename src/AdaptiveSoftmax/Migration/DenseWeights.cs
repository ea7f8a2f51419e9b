using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax;

/// <summary>The weights of a dense head, whose slots are token ids.</summary>
internal static class DenseWeights
{
    /// <summary>
    /// Reads it, and its bias where it has one. What the model multiplies logits by is in the rows then: the scores are the logits.
    /// </summary>
    /// <exception cref="CheckpointMismatchException">The configuration beside the file caps logits, or says that the output layer is another.</exception>
    public static SoftmaxWeights Read(WeightsFile file, DenseHead head, CancellationToken cancellationToken)
    {
        CheckConfiguration(file, head);
        var weights = new SoftmaxWeights(SoftmaxLayout.CreateFull(head.HiddenSize, head.Rows, head.Bias is not null));
        try
        {
            file.Read(head.Weight, weights.Head.Weight);
            SoftmaxWeights.CheckFinite(file, head.Weight, weights.Head.Weight);
            cancellationToken.ThrowIfCancellationRequested();
            if (head.Bias is not null)
            {
                file.Read(head.Bias, weights.Head.Bias!);
                SoftmaxWeights.CheckFinite(file, head.Bias, weights.Head.Bias!);
            }

            if (head.LogitScale is { } scale and not 1) Scale(weights, (float)scale);
            return weights;
        }
        catch
        {
            weights.Dispose();
            throw;
        }
    }

    private static void CheckConfiguration(WeightsFile file, DenseHead head)
    {
        if (head.LogitSoftCap is { } cap)
        {
            throw new CheckpointMismatchException(
                file.FileName,
                [FormattableString.Invariant($"the config.json beside it caps logits at {cap:R}, and the scores of an adaptive softmax are not capped")],
                "Decode the dense head as it is, with \"softmax\": \"full\" and \"logitSoftCap\" in the spec, or move config.json away if it is another model's or the cap is to go.");
        }

        if (head.TieFault is { } fault) throw new CheckpointMismatchException(file.FileName, [fault], DenseHead.TieRemedy);
    }

    private static void Scale(SoftmaxWeights weights, float scale)
    {
        foreach (var parameter in weights.Parameters)
        {
            parameter.Edit(values =>
            {
                foreach (ref var value in values) value *= scale;
            });
        }
    }
}
