using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax.Generators;

/// <summary>A class with the definition it is completed from.</summary>
/// <param name="Class">The class.</param>
/// <param name="SpecPath">The path of the spec.</param>
/// <param name="Definition">Spec and vocabulary.</param>
/// <param name="IsStandIn">Whether the definition only stands in for one that has errors.</param>
internal sealed record SoftmaxModel(ClassModel Class, string SpecPath, SoftmaxDefinition Definition, bool IsStandIn);

/// <summary>The values that the file with sizes, layers and members is written from.</summary>
/// <param name="Class">The class.</param>
/// <param name="SpecPath">The path of the spec.</param>
/// <param name="Layout">The sizes.</param>
/// <param name="Seed">The seed of the initialisation where the caller gives none.</param>
/// <param name="Fingerprint">The fingerprint of spec and vocabulary.</param>
/// <param name="VocabularyFingerprint">The fingerprint of the vocabulary.</param>
/// <param name="HeadPrecision">The precision of the head in a quantised copy.</param>
/// <param name="TailPrecisions">The precision of each tail in a quantised copy.</param>
/// <param name="IsStandIn">Whether all this only stands in for a definition that has errors.</param>
internal sealed record ClassSource(
    ClassModel Class, string SpecPath, SoftmaxLayout Layout, ulong Seed, string Fingerprint, string VocabularyFingerprint,
    WeightPrecision HeadPrecision, EquatableArray<WeightPrecision> TailPrecisions, bool IsStandIn);

/// <summary>A class with its vocabulary.</summary>
/// <param name="Class">The class.</param>
/// <param name="SpecPath">The path of the spec.</param>
/// <param name="Table">The vocabulary.</param>
internal sealed record ClassVocabulary(ClassModel Class, string SpecPath, TokenTable Table);
