namespace AdaptiveSoftmax.Vocabulary;

/// <summary>Reads JSON values of an expected type, with an error where they are of another.</summary>
internal sealed class SpecValues(ErrorList errors)
{
    /// <summary>The members of an object by name; unknown and repeated ones are reported and left out.</summary>
    public Dictionary<string, JsonNode> MembersOf(JsonNode node, string owner, IReadOnlyList<string> known)
    {
        var members = new Dictionary<string, JsonNode>(StringComparer.Ordinal);
        foreach (var (name, span, value) in node.Members)
        {
            if (errors.IsFull) break;
            if (!known.Contains(name))
            {
                var all = string.Join(", ", known);
                if (NearestName.Find(name, known) is { } nearest)
                    errors.Add(SpecErrorKind.UnknownMember, span, $"{Excerpt.Quote(name)} is not a member of {owner}.", $"Did you mean \"{nearest}\"? There are: {all}.");
                else
                    errors.Add(SpecErrorKind.UnknownMember, span, $"{Excerpt.Quote(name)} is not a member of {owner}.", $"Remove it; there are: {all}.");
            }
            else if (members.TryGetValue(name, out _))
            {
                errors.Add(SpecErrorKind.DuplicateMember, span, $"{Excerpt.Quote(name)} is given twice.", $"Remove one of the two.");
            }
            else
            {
                members[name] = value;
            }
        }

        return members;
    }

    public JsonNode? Require(JsonNode owner, Dictionary<string, JsonNode> members, string name, string example)
    {
        if (members.TryGetValue(name, out var node)) return node;
        errors.Add(SpecErrorKind.MissingMember, owner.Span, $"The spec has no {name}.", $"Add it, for example {example}.");
        return null;
    }

    public bool IsArray(string name, JsonNode node, string entries, string example)
    {
        if (node.Kind == JsonKind.Array) return true;
        WrongType(name, node, $"a list of {entries}", $"Write for example {example}.");
        return false;
    }

    public string? ReadString(string name, JsonNode node, string example)
    {
        if (node.Kind == JsonKind.String) return node.Text;
        WrongType(name, node, "a string", $"Write text in double quotes, for example {example}.");
        return null;
    }

    public bool ReadBoolean(string name, JsonNode node)
    {
        if (node.Kind == JsonKind.Boolean) return node.Text == "true";
        WrongType(name, node, "true or false", $"Write true or false without quotes.");
        return false;
    }

    /// <summary>A whole number from <paramref name="minimum"/> (not negative) to <paramref name="maximum"/>.</summary>
    public long? ReadInteger(string name, JsonNode node, long minimum, long maximum)
    {
        if (ReadWhole(name, node, (ulong)maximum) is not var (isNegative, magnitude)) return null;
        if (!isNegative && magnitude >= (ulong)minimum && magnitude <= (ulong)maximum) return (long)magnitude;
        errors.Add(SpecErrorKind.OutOfRange, node.Span, $"{name} is {Written(node)}; it must be from {minimum} to {maximum}.", $"Give a whole number from {minimum} to {maximum}.");
        return null;
    }

    /// <summary>A whole number from 0 to 2^64 − 1.</summary>
    public ulong? ReadUnsigned(string name, JsonNode node)
    {
        if (ReadWhole(name, node, ulong.MaxValue) is not var (isNegative, magnitude)) return null;
        // A number beyond 64 bits is given as the greatest one, so its own text must tell the two apart.
        if (!isNegative && (magnitude < ulong.MaxValue || node.Text == "18446744073709551615")) return magnitude;
        errors.Add(SpecErrorKind.OutOfRange, node.Span, $"{name} is {Written(node)}; it must be from 0 to {ulong.MaxValue}.", $"Give a whole number from 0 to {ulong.MaxValue}.");
        return null;
    }

    /// <summary>A finite number above 0.</summary>
    public double? ReadPositive(string name, JsonNode node, string usual)
    {
        if (node.Kind != JsonKind.Number)
        {
            WrongType(name, node, "a number", $"Write it without quotes, for example \"{name}\": {usual}.");
            return null;
        }

        var value = JsonNumber.ToDouble(node.Text);
        if (value > 0 && !double.IsInfinity(value)) return value;
        errors.Add(SpecErrorKind.OutOfRange, node.Span, $"{name} is {Written(node)}; it must be a finite number above 0.", $"Give a number above 0; {usual} is a usual one.");
        return null;
    }

    public void WrongType(string name, JsonNode node, string expected, FormattableString remedy)
    {
        // What is no JSON value was reported where it was read.
        if (node.Kind != JsonKind.Invalid)
            errors.Add(SpecErrorKind.WrongType, node.Span, $"{name} is {Describe(node)}; it must be {expected}.", remedy);
    }

    private (bool IsNegative, ulong Magnitude)? ReadWhole(string name, JsonNode node, ulong maximum)
    {
        if (node.Kind != JsonKind.Number)
        {
            WrongType(name, node, "a whole number", $"Write a whole number without quotes.");
            return null;
        }

        if (JsonNumber.TryGetInteger(node.Text, out var isNegative, out var magnitude)) return (isNegative && magnitude > 0, magnitude);
        errors.Add(SpecErrorKind.WrongType, node.Span, $"{name} is {Written(node)}, which has a fraction; it must be a whole number.", $"Give a whole number of at most {maximum}.");
        return null;
    }

    private static string Written(JsonNode node) => Excerpt.Of(node.Text);

    private static string Describe(JsonNode node) => node.Kind switch
    {
        JsonKind.Null => "null",
        JsonKind.Boolean => node.Text,
        JsonKind.Number => "the number " + Written(node),
        JsonKind.String => "the string " + Excerpt.Quote(node.Text),
        JsonKind.Array => "a list",
        _ => "an object",
    };
}
