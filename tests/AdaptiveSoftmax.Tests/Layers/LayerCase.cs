using AdaptiveSoftmax.Vocabulary;
using CsCheck;

namespace AdaptiveSoftmax.Tests;

/// <summary>A random layout with weights, hidden vectors and targets.</summary>
internal sealed record LayerCase(SoftmaxLayout Layout, int Tokens, ulong Seed, bool OneClusterOnly)
{
    public static readonly Gen<LayerCase> Any =
        from clusters in Gen.Int[1, 6]
        from sizes in Gen.Int[1, 150].Array[clusters + 1]
        from hidden in Gen.OneOf(Gen.Int[1, 40], Gen.Int[60, 140])
        from widths in Gen.OneOf(Gen.Const(1), Gen.Int[1, 40]).Array[clusters]
        from bias in Gen.Bool
        from tokens in Gen.OneOf(Gen.Int[0, 3], Gen.Int[4, 40], Gen.Int[64, 90])
        from seed in Gen.ULong
        from oneClusterOnly in Gen.Bool
        select new LayerCase(MakeLayout(sizes, hidden, widths, bias), tokens, seed, oneClusterOnly);

    public DynamicAdaptiveSoftmax CreateLayer(int threads = 2, long scratchBytes = 64 << 20) =>
        new(Layout, Seed, new AdaptiveSoftmaxOptions { Threads = threads, ScratchBytes = scratchBytes });

    public float[] Hidden()
    {
        var random = new Random((int)Seed);
        return [.. Enumerable.Range(0, Tokens * Layout.HiddenSize).Select(_ => (float)((random.NextDouble() * 4) - 2))];
    }

    public int[] Targets(int ignoreIndex)
    {
        var random = new Random((int)(Seed >> 32));
        var (first, end) = (0, Layout.VocabularySize);
        if (OneClusterOnly)
        {
            var cluster = random.Next(Layout.TailCount + 1);
            first = cluster == 0 ? 0 : Layout.Tails[cluster - 1].Start;
            end = cluster == 0 ? Layout.ShortlistSize : first + Layout.Tails[cluster - 1].Size;
        }

        return [.. Enumerable.Range(0, Tokens).Select(_ => random.Next(8) == 0 ? ignoreIndex : random.Next(first, end))];
    }

    private static SoftmaxLayout MakeLayout(int[] sizes, int hidden, int[] widths, bool bias)
    {
        var cutoffs = new int[widths.Length];
        for (var i = 0; i < cutoffs.Length; i++) cutoffs[i] = sizes[i] + (i == 0 ? 0 : cutoffs[i - 1]);
        return SoftmaxLayout.Create(hidden, cutoffs[^1] + sizes[^1], cutoffs, widths, bias);
    }
}
