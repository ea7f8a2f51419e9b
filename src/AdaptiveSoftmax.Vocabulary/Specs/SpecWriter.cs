using System.Globalization;
using System.Text;

namespace AdaptiveSoftmax.Vocabulary;

/// <summary>Writes a spec as <c>*.softmax.json</c>: indented, all ASCII, line feeds, members in the schema's order.</summary>
public static class SpecWriter
{
    private static readonly UTF8Encoding s_utf8 = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    /// <summary>
    /// Writes a spec; reading the text gives an equal one. A member that equals its default is left out, save the div
    /// value, which people look for. The same spec gives the same text under every culture and platform.
    /// </summary>
    /// <param name="writer">Receives the text.</param>
    /// <param name="spec">The spec, with either a table's name or inline tokens.</param>
    /// <param name="schema">The address for <c>$schema</c>, by which editors complete and check; null leaves it out.</param>
    /// <exception cref="ArgumentException">The spec has no vocabulary.</exception>
    public static void Write(TextWriter writer, SoftmaxSpec spec, string? schema = null)
    {
        if (writer is null) throw new ArgumentNullException(nameof(writer));
        if (spec is null) throw new ArgumentNullException(nameof(spec));
        if (spec.TableFile is null && spec.InlineTable is null)
            throw new ArgumentException("The spec has no vocabulary; give it a table's name or inline tokens.", nameof(spec));
        var members = new List<string>();
        if (schema is not null) members.Add(Member(SpecMembers.Schema, Quote(schema)));
        members.Add(Member(SpecMembers.HiddenSize, Number(spec.HiddenSize)));
        members.Add(Member(SpecMembers.Vocabulary, spec.TableFile is not null ? Quote(spec.TableFile) : Tokens(spec.InlineTable!)));
        if (spec.IsFull)
        {
            members.Add(Member(SpecMembers.Softmax, Quote(SpecMembers.Full)));
        }
        else
        {
            members.Add(Member(SpecMembers.Cutoffs, List(spec.Cutoffs)));
            members.Add(spec.Projections.Count > 0
                ? Member(SpecMembers.Projections, List(spec.Projections))
                : Member(SpecMembers.DivValue, spec.DivValue.ToString("R", CultureInfo.InvariantCulture)));
        }

        if (spec.HeadBias) members.Add(Member(SpecMembers.HeadBias, "true"));
        if (spec.LogitScale != 1) members.Add(Member(SpecMembers.LogitScale, spec.LogitScale.ToString("R", CultureInfo.InvariantCulture)));
        if (!double.IsInfinity(spec.LogitSoftCap)) members.Add(Member(SpecMembers.LogitSoftCap, spec.LogitSoftCap.ToString("R", CultureInfo.InvariantCulture)));
        if (spec.HeadPrecision != default || spec.TailPrecisions.Any(tail => tail != default)) members.Add(Member(SpecMembers.Precision, Precision(spec)));
        if (spec.Seed != SoftmaxSpec.DefaultSeed) members.Add(Member(SpecMembers.Seed, spec.Seed.ToString(CultureInfo.InvariantCulture)));
        writer.Write("{\n  " + string.Join(",\n  ", members) + "\n}\n");
    }

    private static string Member(string name, string value) => "\"" + name + "\": " + value;

    private static string Number(long value) => value.ToString(CultureInfo.InvariantCulture);

    private static string List(IEnumerable<int> values) => "[" + string.Join(", ", values.Select(value => Number(value))) + "]";

    private static string Precision(SoftmaxSpec spec) =>
        "{ " + Member(SpecMembers.Head, Quote(spec.HeadPrecision.GetName())) +
        (spec.IsFull ? "" : ", " + Member(SpecMembers.Tails, "[" + string.Join(", ", spec.TailPrecisions.Select(tail => Quote(tail.GetName()))) + "]")) + " }";

    private static string Tokens(TokenTable table)
    {
        var entries = new string[table.Count];
        for (var slot = 0; slot < entries.Length; slot++) entries[slot] = Token(table, slot);
        return "[\n    " + string.Join(",\n    ", entries) + "\n  ]";
    }

    private static string Token(TokenTable table, int slot)
    {
        var bytes = table.GetToken(slot).ToArray();
        var text = TryDecode(bytes);
        var isPlain = table.GetId(slot) == slot && table.GetCount(slot) == 0;
        if (isPlain && text is not null) return Quote(text);
        var token = text is not null
            ? Member(SpecMembers.Token, Quote(text))
            : Member(SpecMembers.Bytes, Quote(string.Concat(bytes.Select(value => value.ToString("x2", CultureInfo.InvariantCulture)))));
        return "{ " + token + ", " + Member(SpecMembers.Id, Number(table.GetId(slot))) + ", " + Member(SpecMembers.Count, Number(table.GetCount(slot))) + " }";
    }

    private static string? TryDecode(byte[] bytes)
    {
        try
        {
            return s_utf8.GetString(bytes);
        }
        catch (ArgumentException)
        {
            return null;
        }
    }

    private static string Quote(string text)
    {
        var result = new StringBuilder("\"");
        foreach (var c in text)
        {
            if (c is '"' or '\\')
                result.Append('\\').Append(c);
            else if (c is >= ' ' and <= '~')
                result.Append(c);
            else
                result.Append("\\u").Append(((int)c).ToString("x4", CultureInfo.InvariantCulture));
        }

        return result.Append('"').ToString();
    }
}
