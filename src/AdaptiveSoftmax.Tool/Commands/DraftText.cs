using System.Globalization;
using AdaptiveSoftmax.Tool.Terminal;
using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax.Tool.Commands;

/// <summary>Shows what <c>draft</c> found.</summary>
internal static class DraftText
{
    public static void Write(ToolConsole console, DraftOutcome outcome)
    {
        var table = new ToolTable("tokens", ["coverage", "accepted at most", "tokens a verification", .. outcome.Head is null ? Array.Empty<string>() : ["MB"]]);
        foreach (var size in outcome.Sizes)
            table.AddRow([Text($"{size.Tokens:n0}"), Percent(size.Coverage), Percent(size.Acceptance), Text($"{size.TokensPerVerification:n2}"), .. outcome.Head is { } head ? new[] { Text($"{Bytes(head, size.Tokens) / 1e6:n1}") } : []]);
        table.Write(console.Output);
        var (own, total) = (outcome.Own, outcome.Choice.Table.Count);
        console.WriteLine(Text($"A draft of {own.Tokens:n0} of {total:n0} tokens, {outcome.Choice.AlwaysCount:n0} of them pinned, special or named: {Percent(own.Coverage)} of the occurrences are its."));
        console.WriteLine(Text($"If it gets {Percent(outcome.Acceptance)} of these right, {Percent(own.Acceptance)} of its tokens are accepted, and {outcome.Drafted} drafted at a time give {own.TokensPerVerification:n2} tokens a verification."));
        for (var i = 0; i < outcome.Domains.Count; i++) console.WriteLine(Text($"  {Excerpt.Line(outcome.Domains[i])}: {Percent(own.ByDomain[i])} covered."));
        if (outcome.Written is not { } written) return;
        if (written.File is { } file)
        {
            var rows = outcome.Head is { } head ? Text($"{DraftFile.HeadWeight} [{own.Tokens}, {head.HiddenSize}], ") : "";
            console.WriteLine(Text($"Wrote {Excerpt.Line(file)}: {rows}{DraftVocabulary.ToTarget} [{own.Tokens}] and {DraftVocabulary.FromTarget} [{written.TargetSize}], for the vocabulary with fingerprint {written.Fingerprint}. The draft's configuration needs \"draft_vocab_size\": {own.Tokens}."));
        }

        if (written.TokenMap is { } map) console.WriteLine(Text($"Wrote {Excerpt.Line(map)}: {own.Tokens:n0} token ids, for --speculative-token-map."));
    }

    public static void WriteJson(TextWriter writer, DraftOutcome outcome) => ToolJson.Write(writer, new
    {
        outcome.Size,
        VocabularySize = outcome.Choice.Table.Count,
        outcome.Choice.AlwaysCount,
        outcome.Acceptance,
        outcome.Drafted,
        Sizes = outcome.Sizes.Select(size => new
        {
            size.Tokens,
            size.Coverage,
            size.Acceptance,
            size.TokensPerVerification,
            Bytes = outcome.Head is { } head ? Bytes(head, size.Tokens) : (long?)null,
            Domains = outcome.Domains.Count == 0 ? null : outcome.Domains.Select((name, i) => new { Name = name, Coverage = double.IsFinite(size.ByDomain[i]) ? size.ByDomain[i] : (double?)null }),
        }),
        outcome.Written,
    });

    private static long Bytes(DenseHead head, int tokens) => (long)tokens * head.HiddenSize * Math.Min(4, FloatConversion.GetSize(head.Weight.Type));

    private static string Percent(double share) => Text($"{share * 100:n2} %");

    private static string Text(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
