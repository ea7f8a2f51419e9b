using System.Globalization;
using System.Text;

namespace AdaptiveSoftmax.Vocabulary;

/// <summary>Writes a <c>*.softmax.json</c> that reads back as the same spec.</summary>
public static class SpecWriter
{
    /// <summary>
    /// Writes a spec that names a token table. A member that equals its default is left out, save the div value, which
    /// people look for. The same spec gives the same text under every culture and platform.
    /// </summary>
    /// <param name="writer">Receives the text; lines end with a line feed.</param>
    /// <param name="spec">The spec.</param>
    /// <exception cref="ArgumentException">The spec holds its tokens inline.</exception>
    public static void Write(TextWriter writer, SoftmaxSpec spec)
    {
        if (writer is null) throw new ArgumentNullException(nameof(writer));
        if (spec is null) throw new ArgumentNullException(nameof(spec));
        if (spec.TableFile is null)
            throw new ArgumentException("The spec holds its tokens inline; write them to a token table and name that.", nameof(spec));

        var members = new List<string>
        {
            Member(SpecMembers.HiddenSize, Number(spec.HiddenSize)),
            Member(SpecMembers.Vocabulary, Quote(spec.TableFile)),
            Member(SpecMembers.Cutoffs, List(spec.Cutoffs)),
            spec.Projections.Count > 0
                ? Member(SpecMembers.Projections, List(spec.Projections))
                : Member(SpecMembers.DivValue, spec.DivValue.ToString("R", CultureInfo.InvariantCulture)),
        };
        if (spec.HeadBias) members.Add(Member(SpecMembers.HeadBias, "true"));
        if (spec.HeadPrecision != default || spec.TailPrecisions.Any(precision => precision != default))
        {
            var tails = string.Join(", ", spec.TailPrecisions.Select(precision => Quote(precision.GetName())));
            members.Add(Member(SpecMembers.Precision, $"{{ \"{SpecMembers.Head}\": {Quote(spec.HeadPrecision.GetName())}, \"{SpecMembers.Tails}\": [{tails}] }}"));
        }

        if (spec.Seed != SoftmaxSpec.DefaultSeed) members.Add(Member(SpecMembers.Seed, spec.Seed.ToString(CultureInfo.InvariantCulture)));
        writer.Write("{\n  " + string.Join(",\n  ", members) + "\n}\n");
    }

    private static string Member(string name, string value) => $"\"{name}\": {value}";

    private static string Number(int value) => value.ToString(CultureInfo.InvariantCulture);

    private static string List(IEnumerable<int> values) => $"[{string.Join(", ", values.Select(Number))}]";

    private static string Quote(string text)
    {
        var quoted = new StringBuilder("\"");
        foreach (var character in text)
        {
            if (character is '"' or '\\') quoted.Append('\\').Append(character);
            else if (character < ' ' || char.IsSurrogate(character)) quoted.Append("\\u").Append(((int)character).ToString("x4", CultureInfo.InvariantCulture));
            else quoted.Append(character);
        }

        return quoted.Append('"').ToString();
    }
}
