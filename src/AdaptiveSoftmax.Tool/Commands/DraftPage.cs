using System.Globalization;
using AdaptiveSoftmax.Tool.Reports;

namespace AdaptiveSoftmax.Tool.Commands;

/// <summary>A draft's vocabulary, to look at.</summary>
internal static class DraftPage
{
    // One colour is the whole text's.
    private const int MostDomains = ChartFrame.Colours - 1;

    public static ReportPage Create(DraftOutcome outcome)
    {
        var own = outcome.Own;
        return new ReportPage(
            "Draft vocabulary",
            Text($"{own.Tokens:n0} of {outcome.Choice.Table.Count:n0} tokens, {outcome.Choice.AlwaysCount:n0} of them pinned, special or named. {Percent(own.Coverage)} of the occurrences are theirs; if the draft gets {Percent(outcome.Acceptance)} of these right, {outcome.Drafted} drafted at a time give {own.TokensPerVerification:n2} tokens a verification."),
            [Coverage(outcome), Tokens(outcome), Sizes(outcome)]);
    }

    private static LineSection Coverage(DraftOutcome outcome) => new(
        "Coverage by size",
        "The share of occurrences that are of the draft's tokens: all others are rejected, whatever the draft. The broken line is this draft.",
        "tokens in the draft",
        "% of occurrences",
        [
            new LineSeries("all", [.. outcome.Sizes.Select(size => ((double)size.Tokens, size.Coverage * 100))], HasDots: true),
            .. outcome.Domains.Take(MostDomains).Select((name, i) => new LineSeries(name, [.. outcome.Sizes.Select(size => ((double)size.Tokens, size.ByDomain[i] * 100))])),
        ])
    { IsXLog = true, Marks = [(outcome.Size, Text($"{outcome.Size}"))] };

    private static LineSection Tokens(DraftOutcome outcome) => new(
        "Tokens a verification, by size",
        Text($"What {outcome.Drafted} drafted tokens at a time are expected to give, where {Percent(outcome.Acceptance)} of those that the draft knows are accepted. Larger drafts cost more time for each drafted token, which this does not count."),
        "tokens in the draft",
        "tokens a verification",
        [new LineSeries("expected", [.. outcome.Sizes.Select(size => ((double)size.Tokens, size.TokensPerVerification))], HasDots: true)])
    { IsXLog = true, Marks = [(outcome.Size, Text($"{outcome.Size}"))] };

    private static TableSection Sizes(DraftOutcome outcome) => new(
        "Sizes",
        "Coverage of all and of each domain.",
        ["tokens", "coverage", "accepted at most", "tokens a verification", .. outcome.Domains],
        [.. outcome.Sizes.Select(size => new[] { Text($"{size.Tokens:n0}"), Percent(size.Coverage), Percent(size.Acceptance), Text($"{size.TokensPerVerification:n2}") }.Concat(size.ByDomain.Select(Percent)).ToArray())]);

    private static string Percent(double share) => double.IsFinite(share) ? Text($"{share * 100:n2} %") : "";

    private static string Text(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
