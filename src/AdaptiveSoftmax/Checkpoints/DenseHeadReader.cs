using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax;

/// <summary>Reads the rows of a dense head, which stand by token id, to the slots of a vocabulary.</summary>
internal sealed unsafe class DenseHeadReader
{
    private readonly WeightsFile _file;
    private readonly DenseHead _head;
    private readonly int[] _slots;

    /// <summary>Checks that the head has a row for each token.</summary>
    /// <param name="file">The file.</param>
    /// <param name="head">The head in it.</param>
    /// <param name="layout">The sizes of what the head is read into, a full softmax.</param>
    /// <param name="tokenOf">The token id of each slot.</param>
    /// <exception cref="CheckpointMismatchException">The head does not fit; the message names all differences.</exception>
    public DenseHeadReader(WeightsFile file, DenseHead head, SoftmaxLayout layout, Func<int, int> tokenOf)
    {
        (_file, _head) = (file, head);
        _slots = new int[head.Rows];
        Array.Fill(_slots, -1);
        var differences = new List<string>();
        var (beyond, largest) = (0, -1);
        for (var slot = 0; slot < layout.VocabularySize; slot++)
        {
            var token = tokenOf(slot);
            if (token < head.Rows)
            {
                _slots[token] = slot;
                continue;
            }

            beyond++;
            largest = Math.Max(largest, token);
        }

        var name = Excerpt.Name(head.Weight.Name);
        if (layout.TailCount > 0) differences.Add("the class has tails, and a dense head has a row for each token");
        if (head.HiddenSize != layout.HiddenSize) differences.Add(FormattableString.Invariant($"hidden size: {head.HiddenSize} of '{name}' in the file, {layout.HiddenSize} in the class"));
        if (beyond > 0)
            differences.Add(FormattableString.Invariant($"'{name}' has {head.Rows} rows, which are token ids, and {beyond} of the vocabulary's {layout.VocabularySize} tokens have larger ids, up to {largest}"));
        if (head.Bias is null && layout.HasHeadBias) differences.Add($"the class has a head bias, and '{name}' has none beside it");
        if (head.Bias is not null && !layout.HasHeadBias) differences.Add($"the file has a bias '{Excerpt.Name(head.Bias.Name)}', and the class has none");
        if (head.TieFault is { } tie) differences.Add(tie);
        if (Differs(head.LogitScale, layout.LogitScale)) differences.Add(FormattableString.Invariant($"the config.json beside it scales logits by {head.LogitScale:R}, and the spec by {layout.LogitScale:R}"));
        if (Differs(head.LogitSoftCap, layout.LogitSoftCap))
            differences.Add(FormattableString.Invariant($"the config.json beside it caps logits at {head.LogitSoftCap:R}, and the spec {(double.IsInfinity(layout.LogitSoftCap) ? "nowhere" : FormattableString.Invariant($"at {layout.LogitSoftCap:R}"))}"));
        if (differences.Count > 0) throw new CheckpointMismatchException(file.FileName, differences, FindRemedy(layout, beyond));
    }

    /// <summary>Takes a row: its slot, and its values in float32 [hidden] and as they are stored.</summary>
    public delegate void TakeRow(int slot, float* values, ReadOnlySpan<byte> stored);

    /// <summary>The precision in which the rows are stored, or float32 where the file cannot give them as they are.</summary>
    public WeightPrecision Precision => !_file.CanCopyBytes(_head.Weight) ? WeightPrecision.Float32 : _head.Weight.Type switch
    {
        SafetensorsTypes.BFloat16 => WeightPrecision.BFloat16,
        SafetensorsTypes.Float16 => WeightPrecision.Float16,
        _ => WeightPrecision.Float32,
    };

    /// <summary>Gives the rows of all tokens, in the order of the file.</summary>
    /// <exception cref="WeightsFormatException">A token's row holds a value that is not finite, or the file is damaged.</exception>
    public void ReadWeight(TakeRow take, CancellationToken cancellationToken)
    {
        var weight = _head.Weight;
        if (!_file.CanCopyBytes(weight))
        {
            using var all = new NativeFloats(weight.Count);
            _file.Read(weight, all.Pointer);
            for (var row = 0; row < _head.Rows; row++)
            {
                var values = all.Pointer + ((long)row * _head.HiddenSize);
                if (_slots[row] >= 0) Take(row, values, new ReadOnlySpan<byte>(values, _head.HiddenSize * sizeof(float)), take);
            }

            return;
        }

        // The chunks of a file end anywhere in a row.
        var bytes = new byte[_head.HiddenSize * FloatConversion.GetSize(weight.Type)];
        using var widened = new NativeFloats(_head.HiddenSize);
        var (filled, next) = (0, 0);
        _file.CopyBytes(
            weight,
            chunk =>
            {
                while (!chunk.IsEmpty)
                {
                    var count = Math.Min(chunk.Length, bytes.Length - filled);
                    chunk[..count].CopyTo(bytes.AsSpan(filled));
                    chunk = chunk[count..];
                    filled += count;
                    if (filled < bytes.Length) continue;
                    if (_slots[next] >= 0)
                    {
                        FloatConversion.Convert(_file, weight, bytes, new Span<float>(widened.Pointer, _head.HiddenSize));
                        Take(next, widened.Pointer, bytes, take);
                    }

                    (filled, next) = (0, next + 1);
                }
            },
            cancellationToken);
    }

    /// <summary>Reads the bias, [vocabulary] in slot order.</summary>
    public void ReadBias(float* target)
    {
        using var all = new NativeFloats(_head.Rows);
        _file.Read(_head.Bias!, all.Pointer);
        for (var row = 0; row < _head.Rows; row++)
        {
            if (_slots[row] < 0) continue;
            target[_slots[row]] = all.Pointer[row];
            if (!float.IsFinite(all.Pointer[row])) throw NotFinite(_head.Bias!, row);
        }
    }

    private void Take(int row, float* values, ReadOnlySpan<byte> stored, TakeRow take)
    {
        if (FiniteValues.IndexOfOther(new ReadOnlySpan<float>(values, _head.HiddenSize)) >= 0) throw NotFinite(_head.Weight, row);
        take(_slots[row], values, stored);
    }

    private WeightsFormatException NotFinite(WeightsTensor tensor, int row) =>
        _file.CreateFault(tensor.Name, FormattableString.Invariant($"Row {row}, of the token with this id, holds a value that is not finite."), "Take a checkpoint from before it appeared; adaptive-softmax inspect counts such values.");

    /// <summary>The members of a spec that follow from the model's configuration.</summary>
    public static IEnumerable<string> SpecOf(DenseHead head)
    {
        if (head.LogitScale is { } scale) yield return FormattableString.Invariant($"\"logitScale\": {scale:R}");
        if (head.LogitSoftCap is { } cap) yield return FormattableString.Invariant($"\"logitSoftCap\": {cap:R}");
    }

    // 1 / 8 as one library and another write it.
    private static bool Differs(double? model, double spec) => model is { } value && !(Math.Abs(value - spec) <= 1e-9 * value);

    private string FindRemedy(SoftmaxLayout layout, int beyond)
    {
        if (layout.TailCount > 0) return "Write \"softmax\": \"full\" in the spec, or make the head adaptive with `adaptive-softmax adopt`.";
        if (_head.HiddenSize != layout.HiddenSize) return FormattableString.Invariant($"Set \"hiddenSize\" of the spec to {_head.HiddenSize}, if it is this model's.");
        if (beyond > 0) return "Give the spec of this model's tokenizer, or drop the tokens that the model has no rows for.";
        if (_head.TieFault is not null) return DenseHead.TieRemedy;
        if (_head.Bias is null != layout.HasHeadBias) return $"Set {string.Join(" and ", SpecOf(_head))} in a spec of a full softmax, or move config.json away if it is another model's.";
        return $"Set \"headBias\": {(_head.Bias is null ? "false" : "true")} in the spec.";
    }
}
