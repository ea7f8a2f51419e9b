namespace AdaptiveSoftmax.Vocabulary;

/// <summary>The names of the members that the objects of a spec may have.</summary>
internal static class SpecMembers
{
    public const string Schema = "$schema";
    public const string HiddenSize = "hiddenSize";
    public const string Vocabulary = "vocabulary";
    public const string Softmax = "softmax";
    public const string Cutoffs = "cutoffs";
    public const string DivValue = "divValue";
    public const string Projections = "projections";
    public const string HeadBias = "headBias";
    public const string LogitScale = "logitScale";
    public const string LogitSoftCap = "logitSoftCap";
    public const string Precision = "precision";
    public const string Seed = "seed";
    public const string Head = "head";
    public const string Tails = "tails";
    public const string Token = "token";
    public const string Bytes = "bytes";
    public const string Id = "id";
    public const string Count = "count";

    /// <summary>A kind of softmax: head and tails.</summary>
    public const string Adaptive = "adaptive";

    /// <summary>A kind of softmax: one matrix with a row a token, no tails.</summary>
    public const string Full = "full";

    public static IReadOnlyList<string> OfSpec { get; } = [Schema, HiddenSize, Vocabulary, Softmax, Cutoffs, DivValue, Projections, HeadBias, LogitScale, LogitSoftCap, Precision, Seed];

    public static IReadOnlyList<string> OfPrecision { get; } = [Head, Tails];

    public static IReadOnlyList<string> OfToken { get; } = [Token, Bytes, Id, Count];
}
