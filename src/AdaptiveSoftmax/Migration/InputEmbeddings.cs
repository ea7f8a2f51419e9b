using System.Globalization;
using System.Text.RegularExpressions;
using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax;

/// <summary>
/// Adaptive input embeddings with tables of their own (<c>AdaptiveInput</c> in TorchSharp, fairseq's names): a row a slot, cut
/// into bands as the softmax is into clusters, and a projection for each band.
/// </summary>
internal static partial class InputEmbeddings
{
    /// <summary>Migrates all of a file's.</summary>
    /// <param name="pool">The threads.</param>
    /// <param name="file">The file.</param>
    /// <param name="map">Which token goes where.</param>
    /// <param name="counts">How often each token of the target is expected, by its slot.</param>
    /// <param name="splits">The parts of new tokens, by the target's slot.</param>
    /// <param name="cancellationToken">Ends it.</param>
    /// <exception cref="ArgumentException">A table has no projection, or a band no table; the message names what is there.</exception>
    public static MigratedEmbeddings Migrate(WorkerPool pool, WeightsFile file, TokenMap map, double[] counts, Func<int, IReadOnlyList<(int Slot, double Weight)>> splits, CancellationToken cancellationToken)
    {
        var result = new MigratedEmbeddings([], []);
        try
        {
            foreach (var prefix in FindPrefixes(file, map))
            {
                cancellationToken.ThrowIfCancellationRequested();
                var bands = new List<(Parameter Table, Parameter Projection)>();
                for (var band = 0; band <= map.From.TailCount; band++)
                {
                    result.Sources.Add(Read(file, TableOf(prefix, band)));
                    result.Sources.Add(Read(file, ProjectionOf(prefix, band)));
                    bands.Add((result.Sources[^2], result.Sources[^1]));
                }

                new InputBands(pool, map, [.. bands]).AddTo(result.Origins, prefix, counts, splits);
            }

            return result;
        }
        catch
        {
            result.Dispose();
            throw;
        }
    }

    /// <summary>What stands before the names of each module whose slots change.</summary>
    /// <exception cref="ArgumentException">
    /// A table has no projection, or a band no table; or projections go with tables that are the softmax's own, and tokens change
    /// bands; the message names what is there.
    /// </exception>
    public static string[] FindPrefixes(WeightsFile file, TokenMap map)
    {
        CheckShared(file, map);
        if (map.From.Tails.Select(tail => tail.Start).SequenceEqual(map.To.Tails.Select(tail => tail.Start)) && map.Sources.SequenceEqual(Enumerable.Range(0, map.From.VocabularySize))) return [];
        WeightsTensor[] tables = [.. file.Tensors.Where(tensor => IsTable(tensor, map.From))];
        string[] prefixes = [.. tables.Select(tensor => TableName().Match(tensor.Name).Groups[1].Value).Distinct().Order(StringComparer.Ordinal)];
        if (Array.Find(prefixes, prefix => !IsWhole(file, prefix, map.From)) is not { } broken) return prefixes;
        var names = tables.Where(tensor => TableName().Match(tensor.Name).Groups[1].Value == broken).Take(4).Select(tensor => Excerpt.Name(tensor.Name));
        throw new ArgumentException(string.Create(
            CultureInfo.InvariantCulture,
            $"{file.FileName} holds input embeddings with a row for each slot ({string.Join(", ", names)}), whose slots change, and not a table and a projection for each of the {map.From.TailCount + 1} bands; take them out of the file and embed by token id, or add what is missing."));
    }

    public static string TableOf(string prefix, int band) => string.Create(CultureInfo.InvariantCulture, $"{prefix}embeddings.{band}.0.weight");

    public static string ProjectionOf(string prefix, int band) => string.Create(CultureInfo.InvariantCulture, $"{prefix}embeddings.{band}.1.weight");

    // Projections without tables are those of embeddings that share the softmax's tables, which only tokens of their own band pass through.
    private static void CheckShared(WeightsFile file, TokenMap map)
    {
        if (map.From.TailCount == 0 || KeepsBands(map)) return;
        foreach (var tensor in file.Tensors)
        {
            if (tensor.Name.StartsWith(CheckpointNames.OptimizerPrefix, StringComparison.Ordinal) || ProjectionName().Match(tensor.Name) is not { Success: true } match) continue;
            var prefix = match.Groups[1].Value;
            if (!IsShared(file, prefix, 0, map.From) || !Enumerable.Range(1, map.From.TailCount).All(band => IsShared(file, prefix, band, map.From) || IsAbsent(file, prefix, band))) continue;
            throw new ArgumentException(
                $"{file.FileName} holds the projections of input embeddings that share the softmax's tables ({Excerpt.Name(ProjectionOf(prefix, 0))} and others), and tokens come into other bands or widths change, so that they would pass through a projection that is not theirs; take the projections out of the file and train them anew, or keep cutoffs and widths.");
        }
    }

    private static bool IsShared(WeightsFile file, string prefix, int band, SoftmaxLayout layout) =>
        !file.TryGetTensor(TableOf(prefix, band), out _) && file.TryGetTensor(ProjectionOf(prefix, band), out var projection)
        && projection.Shape.Count == 2 && projection.Shape[1] == WidthOf(layout, band);

    // As where the softmax's own projections are shared too.
    private static bool IsAbsent(WeightsFile file, string prefix, int band) => !file.TryGetTensor(TableOf(prefix, band), out _) && !file.TryGetTensor(ProjectionOf(prefix, band), out _);

    private static bool KeepsBands(TokenMap map)
    {
        if (!map.From.Tails.Select(tail => tail.ProjectionWidth).SequenceEqual(map.To.Tails.Select(tail => tail.ProjectionWidth))) return false;
        for (var slot = 0; slot < map.Sources.Length; slot++)
        {
            if (map.Sources[slot] is >= 0 and var source && map.From.ClusterOf(source) != map.To.ClusterOf(slot)) return false;
        }

        return true;
    }

    private static int WidthOf(SoftmaxLayout layout, int band) => band == 0 ? layout.HiddenSize : layout.Tails[band - 1].ProjectionWidth;

    private static bool IsTable(WeightsTensor tensor, SoftmaxLayout layout) =>
        TableName().Match(tensor.Name) is { Success: true } match && !tensor.Name.StartsWith(CheckpointNames.OptimizerPrefix, StringComparison.Ordinal)
        && int.TryParse(match.Groups[2].ValueSpan, NumberStyles.None, CultureInfo.InvariantCulture, out var band) && band <= layout.TailCount
        && tensor.Shape.Count == 2 && tensor.Shape[0] == SizeOf(layout, band);

    private static bool IsWhole(WeightsFile file, string prefix, SoftmaxLayout layout)
    {
        var size = 0L;
        for (var band = 0; band <= layout.TailCount; band++)
        {
            if (!file.TryGetTensor(TableOf(prefix, band), out var table) || !IsTable(table, layout)) return false;
            if (!file.TryGetTensor(ProjectionOf(prefix, band), out var projection) || projection.Shape.Count != 2 || projection.Shape[1] != table.Shape[1]) return false;
            if (band > 0 && projection.Shape[0] != size) return false;
            size = projection.Shape[0];
        }

        return true;
    }

    private static Parameter Read(WeightsFile file, string name)
    {
        file.TryGetTensor(name, out var tensor);
        var parameter = new Parameter(name, (int)tensor!.Shape[0], (int)tensor.Shape[1]);
        file.Read(tensor, parameter);
        SoftmaxWeights.CheckFinite(file, tensor, parameter);
        return parameter;
    }

    private static int SizeOf(SoftmaxLayout layout, int band) => band == 0 ? layout.ShortlistSize : layout.Tails[band - 1].Size;

    [GeneratedRegex(@"^((?:.*\.)?)embeddings\.([0-9]{1,4})\.0\.weight$", RegexOptions.CultureInvariant)]
    private static partial Regex TableName();

    [GeneratedRegex(@"^((?:.*\.)?)embeddings\.0\.1\.weight$", RegexOptions.CultureInvariant)]
    private static partial Regex ProjectionName();
}

/// <summary>Embeddings that were migrated.</summary>
/// <param name="Origins">The new tables and projections under their whole names, and where their rows come from.</param>
/// <param name="Sources">The old ones.</param>
internal sealed record MigratedEmbeddings(List<ParameterOrigin> Origins, List<Parameter> Sources) : IDisposable
{
    public void Dispose()
    {
        foreach (var origin in Origins) origin.Target.Dispose();
        foreach (var source in Sources) source.Dispose();
    }
}
