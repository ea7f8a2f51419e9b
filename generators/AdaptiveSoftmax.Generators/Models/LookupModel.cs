using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax.Generators;

/// <summary>
/// The look-up tables of a vocabulary. They follow from the vocabulary alone, so two are equal when the fingerprints are.
/// </summary>
internal sealed class LookupModel : IEquatable<LookupModel>
{
    private LookupModel(string fingerprint, TokenLookupTables tokens, IdLookupTables ids)
    {
        Fingerprint = fingerprint;
        Constants = [.. tokens.Constants, .. ids.Constants];
        Blobs = [.. tokens.Blobs, .. ids.Blobs];
    }

    /// <summary>The fingerprint of the vocabulary.</summary>
    public string Fingerprint { get; }

    /// <summary>The constants of both look-ups.</summary>
    public IReadOnlyList<TableConstant> Constants { get; }

    /// <summary>The binary tables of both look-ups.</summary>
    public IReadOnlyList<TableBlob> Blobs { get; }

    /// <summary>The bytes of all binary tables.</summary>
    public long Size => Blobs.Sum(blob => (long)blob.Bytes.Length);

    public static LookupModel Build(TokenTable table, CancellationToken cancellation)
    {
        var tokens = TokenLookupTables.Build(table, cancellation);
        var ids = IdLookupTables.Build(table.Ids.ToArray(), cancellation);
        return new LookupModel(table.Fingerprint, tokens, ids);
    }

    public bool Equals(LookupModel? other) => other is not null && string.Equals(Fingerprint, other.Fingerprint, StringComparison.Ordinal);

    public override bool Equals(object? obj) => Equals(obj as LookupModel);

    public override int GetHashCode() => StringComparer.Ordinal.GetHashCode(Fingerprint);
}

/// <summary>A class with its look-up tables.</summary>
/// <param name="Class">The class.</param>
/// <param name="SpecPath">The path of the spec.</param>
/// <param name="Lookup">The tables.</param>
internal sealed record ClassLookup(ClassModel Class, string SpecPath, LookupModel Lookup);

/// <summary>The values that the file with the tables is written from.</summary>
/// <param name="Lookup">The class and its tables.</param>
/// <param name="Form">How the binary tables are written.</param>
internal sealed record TableSource(ClassLookup Lookup, TableForm Form);
