namespace AdaptiveSoftmax.Gpu.Tests.Generated;

/// <summary>40 tokens with sparse ids.</summary>
[AdaptiveSoftmax("Generated/shop.softmax.json")]
internal sealed partial class Shop;

/// <summary>The 200,019 tokens of o200k_base, as the main sample has them.</summary>
[AdaptiveSoftmax("ApiDocs.softmax.json")]
internal sealed partial class ApiDocs;
