namespace AdaptiveSoftmax.Vocabulary;

/// <summary>What a spec says of each tail cluster: projections and precision.</summary>
internal sealed partial class SpecBinder
{
    private void BindProjections(Dictionary<string, JsonNode> members, List<int>? cutoffs, bool hasHiddenSize)
    {
        var hasDivValue = members.TryGetValue(SpecMembers.DivValue, out var divNode);
        var divValue = hasDivValue ? _values.ReadPositive(SpecMembers.DivValue, divNode!, "4.0") : SoftmaxSpec.DefaultDivValue;
        if (divValue is { } value) Spec = Spec with { DivValue = value };
        if (members.TryGetValue(SpecMembers.Projections, out var projections))
        {
            BindWidths(projections, cutoffs);
            if (!hasDivValue) return;
            errors.Add(SpecErrorKind.ConflictingMembers, divNode!.Span, $"The spec has both divValue and projections; the widths follow from either one.", $"Remove divValue, or remove projections.");
        }
        else if (cutoffs is not null && hasHiddenSize && divValue is { } known)
        {
            for (var i = 0; i < cutoffs.Count; i++)
            {
                if (!CheckWidth(i, known, hasDivValue ? divNode!.Span : Positions.Cutoffs[i])) break;
            }
        }
    }

    private void BindWidths(JsonNode node, List<int>? cutoffs)
    {
        if (!_values.IsArray(SpecMembers.Projections, node, "whole numbers", "\"projections\": [128, 32]")) return;
        var widths = new List<int>();
        for (var i = 0; i < node.Items.Count; i++)
        {
            if (_values.ReadInteger(FormattableString.Invariant($"{SpecMembers.Projections}[{i}]"), node.Items[i], 0, SoftmaxSpec.MaximumWidth) is not { } width) continue;
            widths.Add((int)width);
            if (width == 0)
                errors.Add(SpecErrorKind.ProjectionWidthZero, node.Items[i].Span, $"The projection of tail cluster {i} has width 0; it must be at least 1.", $"Give a width of at least 1, or remove the cluster's cutoff.");
        }

        Spec = Spec with { Projections = new EquatableArray<int>(widths) };
        if (cutoffs is not null) CheckOneEach(SpecMembers.Projections, node, cutoffs.Count);
    }

    // Widths shrink or grow from cluster to cluster, so the first that does not fit says it all.
    private bool CheckWidth(int cluster, double divValue, SourceSpan span)
    {
        var hiddenSize = Spec.HiddenSize;
        var width = ProjectionWidth.Compute(hiddenSize, divValue, cluster);
        if (width == 0)
            errors.Add(SpecErrorKind.ProjectionWidthZero, span, $"The projection of tail cluster {cluster} would have width 0: hidden size {hiddenSize} divided by {divValue:R} to the power {cluster + 1}.", $"Lower divValue, raise hiddenSize, take fewer cutoffs, or give the widths as projections.");
        else if (width > SoftmaxSpec.MaximumWidth)
            errors.Add(SpecErrorKind.OutOfRange, span, $"The projection of tail cluster {cluster} would be wider than {SoftmaxSpec.MaximumWidth}: hidden size {hiddenSize} divided by {divValue:R} to the power {cluster + 1}.", $"Raise divValue, which is 4.0 in most models, or give the widths as projections.");
        return width is > 0 and <= SoftmaxSpec.MaximumWidth;
    }

    // A tail's log-probs follow from its cluster's, whose logit stands beside those of tokens: a cap would change what they mean.
    private double? ReadFactor(string name, JsonNode node, string usual)
    {
        if (!Spec.IsFull)
        {
            errors.Add(SpecErrorKind.ConflictingMembers, node.Span, $"The spec has {name}, and tail clusters; only the logits of a full softmax are scaled or capped.", $"Remove {name}, or write \"softmax\": \"full\" instead of cutoffs.");
            return null;
        }

        if (_values.ReadPositive(name, node, usual) is not { } value) return null;
        if (value is >= SoftmaxLayout.MinimumLogitFactor and <= SoftmaxLayout.MaximumLogitFactor) return value;
        errors.Add(SpecErrorKind.OutOfRange, node.Span, $"{name} is {value:R}; it must be from 0.000001 to 1000000.", $"Give the value of the model's configuration, for example {usual}.");
        return null;
    }

    private void BindPrecision(Dictionary<string, JsonNode> members, List<int>? cutoffs)
    {
        Spec = Spec with { TailPrecisions = new EquatableArray<WeightPrecision>(new WeightPrecision[cutoffs?.Count ?? 0]) };
        if (!members.TryGetValue(SpecMembers.Precision, out var node) || node.Kind == JsonKind.Invalid) return;
        if (node.Kind != JsonKind.Object)
        {
            _values.WrongType(SpecMembers.Precision, node, "an object", $"Write \"precision\": {{ \"head\": \"float32\", \"tails\": \"float32\" }}.");
            return;
        }

        var parts = _values.MembersOf(node, "precision", SpecMembers.OfPrecision);
        if (parts.TryGetValue(SpecMembers.Head, out var head)) Spec = Spec with { HeadPrecision = ReadPrecision("precision.head", head) };
        if (!parts.TryGetValue(SpecMembers.Tails, out var tails)) return;
        if (Spec.IsFull)
        {
            errors.Add(SpecErrorKind.ConflictingMembers, tails.Span, $"The spec has precision.tails, and \"softmax\": \"full\"; a full softmax has no tail clusters.", $"Remove precision.tails; precision.head is that of all weights.");
            return;
        }

        if (tails.Kind == JsonKind.Array)
        {
            Spec = Spec with { TailPrecisions = new EquatableArray<WeightPrecision>(tails.Items.Select((item, i) => ReadPrecision(FormattableString.Invariant($"precision.tails[{i}]"), item))) };
            if (cutoffs is not null) CheckOneEach("precision.tails", tails, cutoffs.Count);
        }
        else
        {
            var all = ReadPrecision("precision.tails", tails);
            Spec = Spec with { TailPrecisions = new EquatableArray<WeightPrecision>(Spec.TailPrecisions.Select(_ => all)) };
        }
    }

    private WeightPrecision ReadPrecision(string name, JsonNode node)
    {
        if (_values.ReadString(name, node, "\"float32\"") is not { } text) return default;
        if (WeightPrecisions.TryParse(text, out var precision)) return precision;
        errors.Add(SpecErrorKind.UnknownPrecision, node.Span, $"{name} is {Excerpt.Quote(text)}, which this release does not know.", $"Write one of: {string.Join(", ", WeightPrecisions.Names)}.");
        return default;
    }

    private void CheckOneEach(string name, JsonNode node, int clusters)
    {
        if (node.Items.Count != clusters)
            errors.Add(SpecErrorKind.ClusterCountMismatch, node.Span, $"{name} has {node.Items.Count} entries, but {clusters} cutoffs make {clusters} tail clusters.", $"Give exactly one entry for each cutoff.");
    }
}
