namespace AdaptiveSoftmax.Vocabulary;

/// <summary>How ids are mapped to slots.</summary>
public enum IdTableForm
{
    /// <summary>Each id is its slot; there are no tables.</summary>
    Identity,

    /// <summary>Dense ids: one slot for each id up to the largest.</summary>
    Direct,

    /// <summary>Sparse ids: a minimal perfect hash.</summary>
    Hashed,
}
