using System.Globalization;
using System.Text;

namespace AdaptiveSoftmax.Vocabulary;

/// <summary>
/// A spec together with its vocabulary: all that is known of a generated softmax before it has weights. Two
/// definitions are equal when spec and table say the same.
/// </summary>
public sealed class SoftmaxDefinition : IEquatable<SoftmaxDefinition>
{
    internal SoftmaxDefinition(SoftmaxSpec spec, TokenTable table, SoftmaxLayout layout)
    {
        Spec = spec;
        Table = table;
        Layout = layout;
        CanonicalSpec = CreateCanonicalSpec(layout, table.Fingerprint);
        Fingerprint = Fingerprints.OfText(CanonicalSpec);
    }

    /// <summary>What the spec says.</summary>
    public SoftmaxSpec Spec { get; }

    /// <summary>The vocabulary, from the spec itself or its token table.</summary>
    public TokenTable Table { get; }

    /// <summary>The sizes of head and tail clusters.</summary>
    public SoftmaxLayout Layout { get; }

    /// <summary>
    /// One line of JSON with all that decides which weights fit: sizes, cutoffs, projection widths, head bias, scale and cap of logits, and the
    /// vocabulary's fingerprint. Seed, precision and counts are no part of it.
    /// </summary>
    public string CanonicalSpec { get; }

    /// <summary>32 lower-case hexadecimal digits that stand for <see cref="CanonicalSpec"/>.</summary>
    public string Fingerprint { get; }

    /// <summary>32 lower-case hexadecimal digits that stand for the ids and tokens in slot order.</summary>
    public string VocabularyFingerprint => Table.Fingerprint;

    /// <summary>
    /// The bytes of all weights and scales in the precisions of the spec. The head's bias stays float32, and the projection of a tail
    /// in int8 or int4 is bfloat16.
    /// </summary>
    public long WeightBytes
    {
        get
        {
            var bytes = (Layout.HeadRows * Spec.HeadPrecision.GetRowBytes(Layout.HiddenSize)) + (Layout.HasHeadBias ? 4L * Layout.HeadRows : 0);
            for (var i = 0; i < Layout.TailCount; i++)
            {
                var (tail, precision) = (Layout.Tails[i], Spec.TailPrecisions[i]);
                var projection = precision == WeightPrecision.Float32 ? precision : WeightPrecision.BFloat16;
                bytes += (tail.ProjectionWidth * projection.GetRowBytes(Layout.HiddenSize)) + (tail.Size * precision.GetRowBytes(tail.ProjectionWidth));
            }

            return bytes;
        }
    }

    /// <summary>Whether another definition says the same.</summary>
    /// <param name="other">The other definition.</param>
    public bool Equals(SoftmaxDefinition? other) =>
        ReferenceEquals(this, other) || (other is not null && Fingerprint == other.Fingerprint && Spec.Equals(other.Spec) && Table.Equals(other.Table));

    /// <inheritdoc/>
    public override bool Equals(object? obj) => Equals(obj as SoftmaxDefinition);

    /// <inheritdoc/>
    public override int GetHashCode() => StringComparer.Ordinal.GetHashCode(Fingerprint);

    // Members in this order for ever: the text is hashed.
    private static string CreateCanonicalSpec(SoftmaxLayout layout, string vocabularyFingerprint)
    {
        var text = new StringBuilder("{\"format\":1,\"hiddenSize\":");
        text.Append(layout.HiddenSize.ToString(CultureInfo.InvariantCulture));
        text.Append(",\"vocabularySize\":").Append(layout.VocabularySize.ToString(CultureInfo.InvariantCulture));
        AppendList(text, "cutoffs", layout.Tails.Select(tail => tail.Start));
        AppendList(text, "projections", layout.Tails.Select(tail => tail.ProjectionWidth));
        text.Append(",\"headBias\":").Append(layout.HasHeadBias ? "true" : "false");
        // What most specs have not is not written, so that their fingerprints stay what they were.
        if (layout.LogitScale != 1) text.Append(",\"logitScale\":").Append(layout.LogitScale.ToString("R", CultureInfo.InvariantCulture));
        if (!double.IsInfinity(layout.LogitSoftCap)) text.Append(",\"logitSoftCap\":").Append(layout.LogitSoftCap.ToString("R", CultureInfo.InvariantCulture));
        return text.Append(",\"vocabulary\":\"").Append(vocabularyFingerprint).Append("\"}").ToString();
    }

    private static void AppendList(StringBuilder text, string name, IEnumerable<int> values) =>
        text.Append(",\"").Append(name).Append("\":[").Append(string.Join(",", values.Select(value => value.ToString(CultureInfo.InvariantCulture)))).Append(']');
}
