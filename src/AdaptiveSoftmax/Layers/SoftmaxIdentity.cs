using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax;

/// <summary>
/// What weights must agree on with a class to be loaded into it: the sizes, and which token stands in which slot.
/// </summary>
/// <param name="Layout">The sizes.</param>
/// <param name="Fingerprint">The 128-bit hash, in hexadecimal, of spec and vocabulary together.</param>
/// <param name="VocabularyFingerprint">The 128-bit hash, in hexadecimal, of ids and tokens in slot order.</param>
public sealed record SoftmaxIdentity(SoftmaxLayout Layout, string Fingerprint, string VocabularyFingerprint);
