using System.Globalization;
using System.Reflection;
using System.Runtime.InteropServices;
using System.Security.Cryptography;

namespace AdaptiveSoftmax.Distributed;

/// <summary>What replicas must have in common, by name.</summary>
internal static class ReplicaFacts
{
    /// <summary>Version, shards, specification, and sizes and values of the weights.</summary>
    public static IEnumerable<KeyValuePair<string, string>> Of(SoftmaxIdentity identity, IReadOnlyList<Parameter> parameters, int shards)
    {
        foreach (var fact in Of(identity)) yield return fact;
        foreach (var fact in OfShards(parameters, shards)) yield return fact;
    }

    /// <summary>Version, shards, and sizes and values of the weights.</summary>
    public static IEnumerable<KeyValuePair<string, string>> Of(IReadOnlyList<Parameter> parameters, int shards) => OfShards(parameters, shards).Prepend(OfVersion);

    /// <summary>Version and specification.</summary>
    public static IEnumerable<KeyValuePair<string, string>> Of(SoftmaxIdentity identity)
    {
        yield return OfVersion;
        if (identity.Fingerprint.Length > 0) yield return new("the fingerprint of the specification", identity.Fingerprint);
        var layout = identity.Layout;
        yield return new("the layout", string.Create(CultureInfo.InvariantCulture, $"{layout.VocabularySize} tokens, hidden size {layout.HiddenSize}, {(layout.HasHeadBias ? "a" : "no")} head bias, cutoffs {string.Join(", ", layout.Tails.Select(tail => tail.Start))}, projections {string.Join(", ", layout.Tails.Select(tail => tail.ProjectionWidth))}, logit scale {layout.LogitScale:R}, soft cap {layout.LogitSoftCap:R}"));
    }

    /// <summary>Sizes and values of weights that every rank has.</summary>
    public static IEnumerable<KeyValuePair<string, string>> Of(IEnumerable<Parameter> parameters)
    {
        foreach (var parameter in parameters)
        {
            yield return new($"the shape of '{parameter.Name}'", FormattableString.Invariant($"[{parameter.Rows}, {parameter.Columns}]"));
            yield return new($"the hash of '{parameter.Name}'", Hash(parameter));
        }
    }

    /// <summary>Kind, settings, steps and groups of an optimizer.</summary>
    public static IEnumerable<KeyValuePair<string, string>> Of(Optimizer optimizer)
    {
        yield return new("the optimizer", optimizer.Kind);
        yield return new("the optimizer's number of steps", optimizer.StepCount.ToString(CultureInfo.InvariantCulture));
        foreach (var (name, value) in optimizer.Settings) yield return new($"the optimizer's '{name}'", value.ToString("R", CultureInfo.InvariantCulture));
        var groups = optimizer.Groups.Select(DescribeGroup).Order(StringComparer.Ordinal).ToArray();
        yield return new("the optimizer's grouping", groups.Length == 0 ? "none" : string.Join("; ", groups));
    }

    // Of what is cut, each rank's part has a name with its rows behind it.
    private static string DescribeGroup(ParameterGroup group)
    {
        var names = group.Parameters.Select(parameter => parameter.Name.Split('[')[0]).Distinct().Order(StringComparer.Ordinal);
        return string.Create(CultureInfo.InvariantCulture, $"{string.Join(", ", names)} at {group.LearningRateFactor:R} of the rate{(group.WeightDecay is { } decay ? string.Create(CultureInfo.InvariantCulture, $" with weight decay {decay:R}") : "")}");
    }

    private static KeyValuePair<string, string> OfVersion => new("the version of AdaptiveSoftmax.Distributed", Version);

    private static string Version => typeof(ReplicaFacts).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion ?? "unknown";

    private static IEnumerable<KeyValuePair<string, string>> OfShards(IReadOnlyList<Parameter> parameters, int shards)
    {
        yield return new("the number of shards", shards.ToString(CultureInfo.InvariantCulture));
        yield return new("the number of parameters", parameters.Count.ToString(CultureInfo.InvariantCulture));
        foreach (var fact in Of(parameters)) yield return fact;
    }

    private static string Hash(Parameter parameter)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        for (var row = 0; row < parameter.Rows; row++) hash.AppendData(MemoryMarshal.AsBytes(parameter.Row(row)));
        return Convert.ToHexStringLower(hash.GetHashAndReset().AsSpan(0, 8));
    }
}
