namespace AdaptiveSoftmax.Vocabulary;

/// <summary>Turns the JSON of a spec into the model, with an error for each thing that does not fit.</summary>
internal sealed partial class SpecBinder(ErrorList errors)
{
    private readonly SpecValues _values = new(errors);

    /// <summary>What could be read; whole only where there are no errors.</summary>
    public SoftmaxSpec Spec { get; private set; } = new();

    public SpecPositions Positions { get; private set; } = new(new SourceSpan(0, 0, 1, 1), default);

    public void Bind(JsonNode root)
    {
        if (root.Kind == JsonKind.Invalid) return;
        if (root.Kind != JsonKind.Object)
        {
            _values.WrongType("The spec", root, "an object", $"Put the spec's members between {{ and }}.");
            return;
        }

        Positions = new SpecPositions(root.Span, default);
        var members = _values.MembersOf(root, "a spec", SpecMembers.OfSpec);
        if (members.TryGetValue(SpecMembers.Schema, out var schema)) _values.ReadString(SpecMembers.Schema, schema, "\"obj/softmax.schema.json\"");
        var hasHiddenSize = BindHiddenSize(root, members);
        var tokenCount = BindVocabulary(root, members);
        if (members.TryGetValue(SpecMembers.Softmax, out var softmax)) BindSoftmax(softmax);
        var cutoffs = Spec.IsFull ? RefuseClusters(members) : BindCutoffs(root, members, tokenCount);
        if (!Spec.IsFull) BindProjections(members, cutoffs, hasHiddenSize);
        BindPrecision(members, cutoffs);
        if (members.TryGetValue(SpecMembers.HeadBias, out var bias)) Spec = Spec with { HeadBias = _values.ReadBoolean(SpecMembers.HeadBias, bias) };
        if (members.TryGetValue(SpecMembers.LogitScale, out var scale)) Spec = Spec with { LogitScale = ReadFactor(SpecMembers.LogitScale, scale, "0.0625") ?? 1 };
        if (members.TryGetValue(SpecMembers.LogitSoftCap, out var cap)) Spec = Spec with { LogitSoftCap = ReadFactor(SpecMembers.LogitSoftCap, cap, "30.0") ?? double.PositiveInfinity };
        if (members.TryGetValue(SpecMembers.Seed, out var seed)) Spec = Spec with { Seed = _values.ReadUnsigned(SpecMembers.Seed, seed) ?? 0 };
    }

    private bool BindHiddenSize(JsonNode root, Dictionary<string, JsonNode> members)
    {
        if (_values.Require(root, members, SpecMembers.HiddenSize, "\"hiddenSize\": 512") is not { } node) return false;
        if (_values.ReadInteger(SpecMembers.HiddenSize, node, 1, SoftmaxSpec.MaximumWidth) is not { } hiddenSize) return false;
        Spec = Spec with { HiddenSize = (int)hiddenSize };
        return true;
    }

    // The number of inline tokens, or null where there is a table or nothing to count.
    private int? BindVocabulary(JsonNode root, Dictionary<string, JsonNode> members)
    {
        if (_values.Require(root, members, SpecMembers.Vocabulary, "\"vocabulary\": \"name.tokens\"") is not { } node) return null;
        Positions = Positions with { Vocabulary = node.Span };
        switch (node.Kind)
        {
            case JsonKind.Invalid:
                return null;
            case JsonKind.String:
                BindTableFile(node);
                return null;
            case JsonKind.Array:
                Spec = Spec with { InlineTable = new InlineVocabularyReader(_values, errors).Read(node) };
                return node.Items.Count < 2 ? null : node.Items.Count;
            default:
                _values.WrongType(SpecMembers.Vocabulary, node, "the name of a token table or a list of tokens",
                    $"Write \"vocabulary\": \"name.tokens\" or \"vocabulary\": [\"the\", \"cat\"].");
                return null;
        }
    }

    private void BindTableFile(JsonNode node)
    {
        // What no file system of today takes in a name, whichever the build runs on.
        var isName = node.Text.Trim().Length > 0 && Surrogates.IndexOfLone(node.Text) < 0 && node.Text.All(c => c >= ' ' && c is not ('<' or '>' or '"' or '|' or '?' or '*'));
        if (isName)
            Spec = Spec with { TableFile = node.Text };
        else
            errors.Add(SpecErrorKind.InvalidTableName, node.Span, $"{Excerpt.Quote(node.Text)} cannot be the name of a token table.", $"Write the name of a file, for example \"vocabulary\": \"news.tokens\".");
    }

    private void BindSoftmax(JsonNode node)
    {
        if (_values.ReadString(SpecMembers.Softmax, node, "\"full\"") is not { } kind) return;
        Spec = Spec with { IsFull = kind == SpecMembers.Full };
        if (kind is SpecMembers.Full or SpecMembers.Adaptive) return;
        errors.Add(SpecErrorKind.UnknownSoftmax, node.Span, $"softmax is {Excerpt.Quote(kind)}, which this release does not know.", $"Write \"{SpecMembers.Full}\" for one matrix with a row a token, or leave it out for head and tails.");
    }

    // A full softmax has no tail clusters, so nothing can be said of them.
    private List<int> RefuseClusters(Dictionary<string, JsonNode> members)
    {
        foreach (var name in new[] { SpecMembers.Cutoffs, SpecMembers.DivValue, SpecMembers.Projections })
        {
            if (!members.TryGetValue(name, out var node)) continue;
            errors.Add(SpecErrorKind.ConflictingMembers, node.Span, $"The spec has {name}, and \"softmax\": \"full\"; a full softmax has no tail clusters.", $"Remove {name}, or remove softmax for an adaptive one.");
        }

        return [];
    }

    // The cutoffs as far as they are whole numbers in range, or null where not all of them are.
    private List<int>? BindCutoffs(JsonNode root, Dictionary<string, JsonNode> members, int? tokenCount)
    {
        if (_values.Require(root, members, SpecMembers.Cutoffs, "\"cutoffs\": [2000, 10000]") is not { } node) return null;
        if (!_values.IsArray(SpecMembers.Cutoffs, node, "whole numbers", "\"cutoffs\": [2000, 10000]")) return null;
        if (node.Items.Count == 0)
        {
            errors.Add(SpecErrorKind.CutoffsEmpty, node.Span, $"The cutoffs are empty; an adaptive softmax has at least one tail cluster.", $"Name the first slot of each tail cluster, for example \"cutoffs\": [2000, 10000], or write \"softmax\": \"full\" instead of cutoffs for one without tails.");
            return null;
        }

        var cutoffs = new List<int>();
        var isWhole = true;
        for (var i = 0; i < node.Items.Count; i++)
        {
            var value = _values.ReadInteger(FormattableString.Invariant($"{SpecMembers.Cutoffs}[{i}]"), node.Items[i], 1, int.MaxValue - 1);
            isWhole &= value is not null;
            if (value is not { } cutoff) continue;
            if (cutoffs.Count > 0) CheckAscent(i, (int)cutoff, cutoffs[cutoffs.Count - 1], node.Items[i]);
            cutoffs.Add((int)cutoff);
            if (tokenCount is { } count) CutoffErrors.CheckBelow(i, (int)cutoff, count, node.Items[i].Span, errors);
        }

        Spec = Spec with { Cutoffs = new EquatableArray<int>(cutoffs) };
        Positions = Positions with { Cutoffs = new EquatableArray<SourceSpan>(node.Items.Select(item => item.Span)) };
        return isWhole ? cutoffs : null;
    }

    private void CheckAscent(int index, int cutoff, int previous, JsonNode node)
    {
        if (cutoff == previous)
        {
            errors.Add(SpecErrorKind.CutoffRepeated, node.Span, $"cutoffs[{index}] repeats {cutoff}; the cluster between would be empty.", $"Remove the repeated cutoff.");
        }
        else if (cutoff < previous)
        {
            errors.Add(SpecErrorKind.CutoffsUnsorted, node.Span, $"cutoffs[{index}] is {cutoff}, below {previous} before it; cutoffs must ascend.", $"Sort the cutoffs in ascending order.");
        }
    }
}
