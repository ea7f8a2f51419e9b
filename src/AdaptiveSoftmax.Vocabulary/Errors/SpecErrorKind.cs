namespace AdaptiveSoftmax.Vocabulary;

/// <summary>What is wrong in a spec or token table. Each kind is one diagnostic of the generator.</summary>
public enum SpecErrorKind
{
    /// <summary>The spec is not JSON.</summary>
    MalformedJson,

    /// <summary>An escape in a JSON string or in a token of the table is not one of those allowed.</summary>
    BadEscape,

    /// <summary>The spec has a member that no spec has.</summary>
    UnknownMember,

    /// <summary>The spec gives the same member twice.</summary>
    DuplicateMember,

    /// <summary>The spec lacks a member that every spec has.</summary>
    MissingMember,

    /// <summary>A member's value is of another JSON type than it must be.</summary>
    WrongType,

    /// <summary>A number is outside its range.</summary>
    OutOfRange,

    /// <summary>Two members exclude each other.</summary>
    ConflictingMembers,

    /// <summary>The list of cutoffs is empty.</summary>
    CutoffsEmpty,

    /// <summary>The cutoffs do not ascend.</summary>
    CutoffsUnsorted,

    /// <summary>A cutoff is given twice.</summary>
    CutoffRepeated,

    /// <summary>A cutoff is not below the vocabulary size.</summary>
    CutoffBeyondVocabulary,

    /// <summary>A list that has one entry for each tail cluster has another number of entries.</summary>
    ClusterCountMismatch,

    /// <summary>The projection of a tail cluster would have width 0.</summary>
    ProjectionWidthZero,

    /// <summary>A precision is not one of those this release knows.</summary>
    UnknownPrecision,

    /// <summary>The vocabulary has no tokens.</summary>
    EmptyVocabulary,

    /// <summary>The vocabulary has only one token.</summary>
    SingleToken,

    /// <summary>A token stands in the vocabulary twice.</summary>
    DuplicateToken,

    /// <summary>Two tokens have the same id.</summary>
    DuplicateId,

    /// <summary>An id is below 0.</summary>
    NegativeId,

    /// <summary>An id is above 2^31 − 1.</summary>
    IdTooLarge,

    /// <summary>A token of the spec is not text that UTF-8 can write, or its bytes are not pairs of hexadecimal digits.</summary>
    InvalidToken,

    /// <summary>The name of the token table cannot name a file.</summary>
    InvalidTableName,

    /// <summary>The token table that the spec names was not found.</summary>
    TableMissing,

    /// <summary>The token table ends in the middle of a line.</summary>
    TableTruncated,

    /// <summary>A line of the token table does not have three columns.</summary>
    WrongColumnCount,

    /// <summary>A column of the token table that holds a number holds something else.</summary>
    InvalidNumber,

    /// <summary>A character of the token table must be written as an escape.</summary>
    UnescapedCharacter,

    /// <summary>The lines of the token table are not in order of descending count, equal counts by ascending id.</summary>
    CountsOutOfOrder,

    /// <summary>The kind of softmax is not one of those this release knows.</summary>
    UnknownSoftmax,
}
