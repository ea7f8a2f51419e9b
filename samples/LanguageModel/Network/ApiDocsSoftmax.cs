using AdaptiveSoftmax;

namespace LanguageModelSample;

/// <summary>
/// The softmax over the 200,019 tokens of o200k_base. Everything in it is generated from the spec and the token table
/// beside this file: sizes, layers, perfect-hash look-ups, factories.
/// </summary>
[AdaptiveSoftmax("ApiDocs.softmax.json")]
internal sealed partial class ApiDocsSoftmax;
