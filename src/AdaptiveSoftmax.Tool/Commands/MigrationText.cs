using System.Globalization;
using System.Text.Json;
using System.Text.Json.Serialization;
using AdaptiveSoftmax.Tool.Terminal;

namespace AdaptiveSoftmax.Tool.Commands;

/// <summary>Writes what a migration did.</summary>
internal static class MigrationText
{
    private static readonly JsonSerializerOptions s_options = new(JsonSerializerDefaults.Web)
    {
        WriteIndented = true,
        Converters = { new JsonStringEnumConverter(JsonNamingPolicy.CamelCase), new NotANumberAsNull() },
    };

    public static void Write(ToolConsole console, MigrationReport report, string path)
    {
        var table = new ToolTable("cluster", "change", "tokens", "kept", "moved", "new", "lost", "logit error", "gate error", "before", "after", "polished");
        foreach (var cluster in report.Clusters)
        {
            table.AddRow(
                cluster.Cluster == 0 ? "head" : string.Create(CultureInfo.InvariantCulture, $"tail {cluster.Cluster - 1}"),
                cluster.Cluster == 0 ? "" : cluster.Change.ToString().ToLowerInvariant(),
                Count(cluster.Size),
                Count(cluster.Kept),
                Count(cluster.Moved),
                Count(cluster.Added),
                cluster.LostShare is { } lost ? lost.ToString("P1", CultureInfo.InvariantCulture) : "",
                Number(cluster.LogitError),
                Number(cluster.GateError),
                Number(report.Before?.ByCluster[cluster.Cluster]),
                Number(report.After?.ByCluster[cluster.Cluster]),
                Number(report.Polished?.ByCluster[cluster.Cluster]));
        }

        table.Write(console.Output);
        if (report.Before is { } before && report.After is { } after)
        {
            console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"Perplexity over {before.Count:N0} states: {before.Perplexity:N3} before, {after.Perplexity:N3} after ({after.Perplexity / before.Perplexity:N4} times){(report.Polished is { } polished ? string.Create(CultureInfo.InvariantCulture, $", {polished.Perplexity:N3} polished ({polished.Perplexity / before.Perplexity:N4} times)") : "")}."));
            if (report.LeftOut > 0) console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{report.LeftOut:N0} states are in no perplexity, since one of the vocabularies does not have their target."));
        }

        if (!report.HasStates) console.WriteNote("There were no states, so some were made up from rows and counts: the perplexity may be several times the former one. Give --states; at least --judge, which measures it; or train on from these weights before they are used.");
        console.WriteLine($"Wrote {path}.");
    }

    public static void WriteJson(TextWriter writer, MigrationReport report) => writer.WriteLine(JsonSerializer.Serialize(report, s_options));

    private static string Count(int count) => count.ToString("N0", CultureInfo.InvariantCulture);

    private static string Number(double? number) => number is { } value && double.IsFinite(value) ? value.ToString("N3", CultureInfo.InvariantCulture) : "";

    // JSON has no NaN, which a cluster without targets has for a perplexity.
    private sealed class NotANumberAsNull : JsonConverter<double>
    {
        public override double Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) => throw new NotSupportedException();

        public override void Write(Utf8JsonWriter writer, double value, JsonSerializerOptions options)
        {
            if (double.IsFinite(value)) writer.WriteNumberValue(value);
            else writer.WriteNullValue();
        }
    }
}
