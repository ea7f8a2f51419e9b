namespace AdaptiveSoftmax.TorchSharp.Tests;

/// <summary>Six tokens whose ids have gaps and are in another order than their counts.</summary>
[AdaptiveSoftmax("tides.softmax.json")]
internal sealed partial class Tides;
