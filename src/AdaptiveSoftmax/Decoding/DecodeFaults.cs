using static System.FormattableString;

namespace AdaptiveSoftmax;

/// <summary>
/// The rows of a call that have no result. Kernels make a log-sum-exp that is not finite of any logit that is not; that one
/// comparison a row finds everything, and only then is the cause looked for.
/// </summary>
internal struct DecodeFaults
{
    private List<DecodeFault>? _faults;

    /// <summary>Records a row whose log-sum-exp is not finite.</summary>
    /// <param name="softmax">The softmax.</param>
    /// <param name="row">The hidden vector's number in the call.</param>
    /// <param name="tail">The tail; −1 for the head.</param>
    /// <param name="hidden">The hidden vector, [hidden].</param>
    /// <param name="logits">The first logit.</param>
    /// <param name="step">The floats from a logit to the next.</param>
    public unsafe void AddNotFinite(SoftmaxDecoder softmax, int row, int tail, float* hidden, float* logits, int step) =>
        (_faults ??= []).Add(FindCause(softmax, row, tail, hidden, logits, step));

    /// <summary>Records a row whose log-sum-exp is not finite, where the logits are gone.</summary>
    /// <param name="row">The hidden vector's number in the call.</param>
    /// <param name="tail">The tail; −1 for the head.</param>
    /// <param name="hidden">The hidden vector, [hidden].</param>
    public void AddNotFinite(int row, int tail, ReadOnlySpan<float> hidden) =>
        (_faults ??= []).Add(FindInHidden(row, hidden) ?? InWeights(row, tail, "that is not finite"));

    /// <summary>Records a row whose options leave no token.</summary>
    public void AddNoTokenLeft(int row) => (_faults ??= []).Add(new DecodeFault(
        row, DecodeFaultKind.NoTokenLeft, -1, Invariant($"Mask, biases and policy of row {row} together leave no token that may be chosen.")));

    /// <summary>Whether a row has failed already.</summary>
    public readonly bool Contains(int row) => _faults is not null && _faults.Exists(fault => fault.Row == row);

    /// <summary>What was recorded, in ascending order of rows.</summary>
    public readonly DecodeFault[] ToArray() => [.. (_faults ?? []).OrderBy(fault => fault.Row)];

    /// <summary>Ends the call with what was recorded.</summary>
    /// <exception cref="DecodeException">Something was.</exception>
    public readonly void ThrowIfAny()
    {
        if (_faults is null) return;
        throw new DecodeException(ToArray());
    }

    /// <summary>Refuses weights that are not finite before they are copied.</summary>
    /// <param name="parameter">The weights.</param>
    /// <param name="tail">The tail; −1 for the head.</param>
    /// <exception cref="DecodeException">A value is NaN or an infinity.</exception>
    public static void CheckWeights(Parameter parameter, int tail)
    {
        for (var row = 0; row < parameter.Rows; row++)
        {
            var column = FiniteValues.IndexOfOther(parameter.Row(row));
            if (column < 0) continue;
            var kind = tail < 0 ? DecodeFaultKind.HeadNotFinite : DecodeFaultKind.TailNotFinite;
            throw new DecodeException([new DecodeFault(
                -1, kind, tail + 1, Invariant($"'{parameter.Name}' holds {parameter.Row(row)[column]} at [{row}, {column}]; only finite weights can be copied. Restore them from a sound file."))]);
        }
    }

    private static unsafe DecodeFault FindCause(SoftmaxDecoder softmax, int row, int tail, float* hidden, float* logits, int step)
    {
        if (FindInHidden(row, new ReadOnlySpan<float>(hidden, softmax.Layout.HiddenSize)) is { } found) return found;
        var rows = tail < 0 ? softmax.Layout.HeadRows : softmax.Layout.Tails[tail].Size;
        var first = 0;
        while (first < rows - 1 && float.IsFinite(logits[(nint)first * step])) first++;
        return InWeights(row, tail, Invariant($"of {logits[(nint)first * step]} in its row {first}"));
    }

    private static DecodeFault? FindInHidden(int row, ReadOnlySpan<float> vector) => FiniteValues.IndexOfOther(vector) is >= 0 and var at
        ? new DecodeFault(row, DecodeFaultKind.HiddenNotFinite, -1, Invariant($"Hidden vector {row} holds {vector[at]} at index {at}; every value must be finite."))
        : null;

    private static DecodeFault InWeights(int row, int tail, string logit)
    {
        var name = tail < 0 ? "The head" : Invariant($"Tail {tail}");
        var weights = tail < 0 ? "head.weight or head.bias" : Invariant($"tail.{tail}.0.weight or tail.{tail}.1.weight");
        return new DecodeFault(
            row, tail < 0 ? DecodeFaultKind.HeadNotFinite : DecodeFaultKind.TailNotFinite, tail + 1,
            Invariant($"{name} gives hidden vector {row} a logit {logit}: {weights} holds values that are not finite or far too large."));
    }
}
