using AdaptiveSoftmax;

namespace TorchLstmSample;

/// <summary>
/// The softmax over the 200,019 tokens of o200k_base for the LSTM's hidden states. Its spec, beside this file, names the
/// token table of the main sample.
/// </summary>
[AdaptiveSoftmax("ApiDocsLstm.softmax.json")]
internal sealed partial class ApiDocsLstm;
