using System.Globalization;
using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax;

/// <summary>The slots of targets: by a table where there is one, since the ids of a layer without a vocabulary are its slots.</summary>
/// <param name="softmax">The softmax.</param>
/// <param name="table">Its vocabulary, or null.</param>
internal sealed class TargetSlots(SoftmaxDecoder softmax, TokenTable? table)
{
    private readonly SlotIndex? _table = table is null ? null : new SlotIndex(table);
    private int[] _tokens = [];

    /// <summary>The slot of a target, or −1.</summary>
    public int Find(int target) => _table?.SlotOf(target) ?? softmax.SlotOf(target);

    /// <summary>The target that a slot is.</summary>
    public int TargetOf(int slot) => table?.GetId(slot) ?? softmax.TokenOf(slot);

    /// <summary>Checks states before any of them counts.</summary>
    /// <exception cref="ArgumentException">The sizes do not agree, or a target is not in the vocabulary.</exception>
    public void Check(int values, ReadOnlySpan<int> targets)
    {
        var size = softmax.Layout.HiddenSize;
        if (values != (long)targets.Length * size)
            throw new ArgumentException(string.Create(CultureInfo.InvariantCulture, $"The hidden vectors hold {values} values, and {targets.Length} targets of the hidden size {size} have {(long)targets.Length * size}; give a hidden vector and a target each."), nameof(targets));
        for (var i = 0; i < targets.Length; i++)
        {
            if (Find(targets[i]) < 0)
                throw new ArgumentException(string.Create(CultureInfo.InvariantCulture, $"Target {i} is {targets[i]}, which is no token id of this vocabulary of {softmax.Layout.VocabularySize} tokens; leave out positions without a target."), nameof(targets));
        }
    }

    /// <summary>The log-probs of the tokens in slots, one a hidden vector.</summary>
    public void LogProbs(ReadOnlySpan<float> hidden, ReadOnlySpan<int> slots, Span<float> logProbs)
    {
        if (_tokens.Length < slots.Length) _tokens = new int[slots.Length];
        for (var i = 0; i < slots.Length; i++) _tokens[i] = softmax.TokenOf(slots[i]);
        softmax.LogProbOf(hidden, _tokens.AsSpan(0, slots.Length), logProbs);
    }
}
