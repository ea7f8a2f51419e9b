using System.Text.Encodings.Web;
using System.Text.Json;
using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax.Tool.Commands;

/// <summary>Writes what <c>drift</c> found as JSON.</summary>
internal static class DriftJson
{
    private static readonly JsonSerializerOptions s_options = new(JsonSerializerDefaults.Web)
    {
        WriteIndented = true,
        // Tokens are printable ASCII here, and read best as they are.
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };

    public static void Write(TextWriter writer, DriftOutcome outcome)
    {
        var report = outcome.Report;
        var lost = outcome.LostPins;
        writer.WriteLine(JsonSerializer.Serialize(
            new
            {
                Drift = outcome.HasDrift,
                outcome.Options.StabilityThreshold,
                DivergenceThreshold = outcome.Options.JensenShannonThreshold,
                report.Tokens,
                report.UnknownTokens,
                ClusterStability = outcome.Definition is null ? null : (double?)report.ClusterStability,
                report.FrequencyStability,
                Divergence = report.JensenShannon,
                report.SamplingNoise,
                Clusters = outcome.Definition is null ? null : report.Clusters,
                report.Frequencies,
                Risen = Describe(report.Risen),
                Fallen = Describe(report.Fallen),
                Replan = outcome.Replan is not { } replan ? null : new
                {
                    For = PlanOptions.NameOf(replan.Options.CostModel.Use),
                    replan.Options.CostModel.Batch,
                    Machine = replan.Options.CostModel.Machine.Name,
                    replan.Plan.Cutoffs,
                    replan.Plan.Coverage,
                    replan.SpeedUp,
                    Kept = replan.Kept is not { } kept ? null : new { FreshCutoffs = kept.Fresh.Cutoffs, replan.FreshSpeedUp, Moves = PlanJson.DescribeMoves(kept) },
                    Pinned = replan.Table.PinnedCount,
                    PinnedBefore = outcome.Table.PinnedCount,
                    UnpinnedTokens = lost.Unpinned,
                    MissingPinnedTokens = lost.Missing,
                },
                Written = outcome.Written is { } written ? new { written.File, written.Fingerprint } : null,
                Next = outcome.HasDrift ? outcome.NextCommands : [],
            },
            s_options));

        object[] Describe(IReadOnlyList<TokenDrift> tokens) =>
        [
            .. tokens.Select(token => new
            {
                Token = TokenTableWriter.Escape(outcome.Table.GetToken(token.Slot)),
                Id = token.TokenId,
                token.Slot,
                token.ExpectedShare,
                token.ObservedShare,
                Divergence = token.JensenShannon,
            }),
        ];
    }
}
