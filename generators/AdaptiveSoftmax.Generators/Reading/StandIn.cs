using System.Globalization;
using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax.Generators;

/// <summary>
/// A definition in place of one that is missing or wrong. The class has the same members with it, so that the code that
/// uses them compiles and the one error to see is that of the spec.
/// </summary>
internal static class StandIn
{
    // Of a spec of which not even that is known.
    private const int TailCount = 8;

    public static SoftmaxDefinition Create(SpecReadResult? spec)
    {
        var tails = spec?.Positions.Cutoffs.Count is { } count and > 0 ? count : TailCount;
        var tokens = string.Join(", ", Enumerable.Range(0, tails + 1).Select(i => $"\"{Text(i)}\""));
        var cutoffs = string.Join(", ", Enumerable.Range(1, tails).Select(Text));
        var widths = string.Join(", ", Enumerable.Repeat("1", tails));
        var text = $$"""{ "hiddenSize": {{Text(spec?.Spec?.HiddenSize ?? 1)}}, "vocabulary": [{{tokens}}], "cutoffs": [{{cutoffs}}], "projections": [{{widths}}] }""";
        return SoftmaxDefinitionReader.Read("", text).Definition!;
    }

    private static string Text(int number) => number.ToString(CultureInfo.InvariantCulture);
}
