namespace AdaptiveSoftmax.TorchSharp.Tests;

/// <summary>12 tokens in three clusters.</summary>
[AdaptiveSoftmax("news.softmax.json")]
internal sealed partial class News;
