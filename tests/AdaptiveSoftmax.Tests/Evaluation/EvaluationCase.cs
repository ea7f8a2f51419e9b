using System.Globalization;
using System.Text;
using AdaptiveSoftmax.Vocabulary;
using CsCheck;

namespace AdaptiveSoftmax.Tests;

/// <summary>A random layer with a table whose ids are not its slots, hidden vectors, targets and domains.</summary>
internal sealed record EvaluationCase(SoftmaxLayout Layout, int Tokens, int Seed, int TopK, bool HasUnseen)
{
    public const int Bins = 7;

    public static readonly string[] Domains = ["news", "code", "never seen"];

    public static readonly Gen<EvaluationCase> Any =
        from layer in LayerCase.Any
        from isFull in Gen.Int[0, 4]
        from tokens in Gen.OneOf(Gen.Const(1), Gen.Int[2, 40], Gen.Int[250, 300])
        from seed in Gen.Int[0, 100_000]
        from top in Gen.OneOf(Gen.Const(1), Gen.Int[2, 6])
        from hasUnseen in Gen.Bool
        select new EvaluationCase(
            isFull == 0 ? SoftmaxLayout.CreateFull(layer.Layout.HiddenSize, layer.Layout.VocabularySize, layer.Layout.HasHeadBias) : layer.Layout,
            tokens, seed, Math.Min(top, layer.Layout.VocabularySize), hasUnseen);

    public DynamicAdaptiveSoftmax CreateLayer(int threads = 2) => new(Layout, (ulong)Seed, new AdaptiveSoftmaxOptions { Threads = threads });

    /// <summary>Ids that descend where slots ascend, bytes of several lengths, counts that fall like Zipf's.</summary>
    public TokenTable CreateTable()
    {
        var size = Layout.VocabularySize;
        var seen = HasUnseen ? Math.Max(1, size - (size / 3)) : size;
        return TokenTable.Create(
            [.. Enumerable.Range(0, size).Select(slot => 5 + (2 * (size - slot)))],
            [.. Enumerable.Range(0, size).Select(slot => slot < seen ? (1_000_000L / (slot + 1)) + size - slot : 0)],
            [.. Enumerable.Range(0, size).Select(slot => Encoding.ASCII.GetBytes(new string('x', slot % 4) + slot.ToString(CultureInfo.InvariantCulture)))]);
    }

    public EvaluationOptions Options(TokenTable? table) => new() { Table = table, TopK = TopK, Domains = Domains, CalibrationBins = Bins, TimedTokens = 3 };

    public float[] Hidden()
    {
        var random = new Random(Seed);
        return [.. Enumerable.Range(0, Tokens * Layout.HiddenSize).Select(_ => (float)((random.NextDouble() * 8) - 4))];
    }

    /// <summary>Slots, frequent ones often.</summary>
    public int[] Slots()
    {
        var random = new Random(Seed + 1);
        return [.. Enumerable.Range(0, Tokens).Select(_ => (int)(Layout.VocabularySize * Math.Pow(random.NextDouble(), 2)))];
    }

    public int[] TokenDomains() => [.. Enumerable.Range(0, Tokens).Select(token => token % 3 == 0 ? 1 : 0)];
}
