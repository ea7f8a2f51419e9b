using System.Globalization;
using Tag = System.Collections.Generic.KeyValuePair<string, object?>;

namespace AdaptiveSoftmax;

/// <summary>The tags of a layer's measurements, made once so that a measurement allocates nothing.</summary>
internal sealed class LayerTags
{
    private readonly Tag[] _layer;
    private readonly Tag[][] _clusters;

    /// <summary>Makes the tags of a layer.</summary>
    /// <param name="softmax">The name of the layer's class.</param>
    /// <param name="tails">The number of tail clusters.</param>
    public LayerTags(string softmax, int tails)
    {
        var name = new Tag("softmax", softmax);
        _layer = [name];
        _clusters = [.. Enumerable.Range(0, tails + 1).Select(cluster => new[] { name, new Tag("cluster", NameOf(cluster)) })];
    }

    /// <summary>The layer's name.</summary>
    public string Softmax => (string)_layer[0].Value!;

    /// <summary>The layer's name as a tag.</summary>
    public ReadOnlySpan<Tag> Layer => _layer;

    /// <summary>The layer's name and a cluster.</summary>
    /// <param name="cluster">0 for the head's shortlist, i + 1 for tail cluster i.</param>
    public ReadOnlySpan<Tag> Cluster(int cluster) => _clusters[cluster];

    /// <summary>What reports call a cluster: <c>head</c>, <c>tail0</c>, <c>tail1</c> and so on.</summary>
    /// <param name="cluster">0 for the head's shortlist, i + 1 for tail cluster i.</param>
    public static string NameOf(int cluster) => cluster == 0 ? "head" : string.Create(CultureInfo.InvariantCulture, $"tail{cluster - 1}");
}
