namespace AdaptiveSoftmax;

// What was predicted against what came.
public abstract partial class SoftmaxDecoder
{
    /// <summary>
    /// Reports predictions whose true tokens became known, such as a user's own continuation or a held-out text: the meter
    /// counts targets and correct predictions by the cluster that holds the target, which gives the accuracy of each tail.
    /// </summary>
    /// <param name="predicted">The predicted token ids, [tokens].</param>
    /// <param name="targets">The tokens that came, [tokens].</param>
    /// <exception cref="ArgumentException">The lengths differ, or a target is not in the vocabulary; nothing is reported then.</exception>
    /// <exception cref="ObjectDisposedException">The softmax is disposed.</exception>
    public void RecordTargets(ReadOnlySpan<int> predicted, ReadOnlySpan<int> targets)
    {
        ThrowIfDisposed();
        if (predicted.Length != targets.Length)
            throw new ArgumentException($"There are {predicted.Length} predictions of {targets.Length} targets; give one each.", nameof(predicted));
        Span<long> counts = stackalloc long[Layout.TailCount + 1], correct = stackalloc long[Layout.TailCount + 1];
        counts.Clear();
        correct.Clear();
        for (var i = 0; i < targets.Length; i++)
        {
            var slot = SlotOf(targets[i]);
            if (slot < 0) throw new ArgumentException(FormattableString.Invariant($"Target {i} is {targets[i]}, which is not in the vocabulary of {Layout.VocabularySize} tokens."), nameof(targets));
            var cluster = Layout.ClusterOf(slot);
            counts[cluster]++;
            if (predicted[i] == targets[i]) correct[cluster]++;
        }

        for (var cluster = 0; cluster < counts.Length; cluster++)
        {
            if (counts[cluster] > 0) DecodeMetrics.RecordTargets(Tags, cluster, counts[cluster], correct[cluster]);
        }
    }
}
