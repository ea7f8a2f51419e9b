namespace AdaptiveSoftmax.Gpu.Tests.Generated;

/// <summary>40 tokens with sparse ids.</summary>
[AdaptiveSoftmax("Generated/shop.softmax.json")]
internal sealed partial class Shop;

/// <summary>520 tokens: a head and tails of more than one tile, of sizes that no tile divides.</summary>
[AdaptiveSoftmax("Generated/market.softmax.json")]
internal sealed partial class Market;

/// <summary>The 200,019 tokens of o200k_base, as the main sample has them.</summary>
[AdaptiveSoftmax("ApiDocs.softmax.json")]
internal sealed partial class ApiDocs;
