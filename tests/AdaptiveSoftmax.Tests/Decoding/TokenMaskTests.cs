using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax.Tests;

public class TokenMaskTests
{
    // Where parts start within, at and just off words of 64 bits.
    private static readonly SoftmaxLayout[] s_layouts =
    [
        SoftmaxLayout.Create(8, 700, [64, 129, 400], [4, 3, 2]), SoftmaxLayout.Create(8, 65, [3, 64], [4, 2]), SoftmaxLayout.Create(8, 640, [63], [4]), SoftmaxLayout.CreateFull(8, 77),
    ];

    [Fact]
    public void MaskFromBits_IsThatOfTheTokensOneByOne()
    {
        var random = new Random(3);
        foreach (var layout in s_layouts)
        {
            foreach (var map in new Func<int, int>[] { slot => slot, slot => layout.VocabularySize - 1 - slot, slot => (slot * 3) + 1, slot => (slot * 1000) + 7 })
            {
                using var layer = new MappedSoftmax(layout, map);
                var reused = layer.CreateMask();
                for (var round = 0; round < 12; round++)
                {
                    int[] slots = [.. Enumerable.Range(0, layout.VocabularySize).Where(_ => random.Next(12) < round)];
                    if (slots.Length == 0) slots = [layout.VocabularySize - 1];
                    var ids = slots.Select(map).ToArray();
                    var expected = layer.CreateAllowMask(ids);
                    var words = new ulong[(map(0) > map(1) ? map(0) : map(layout.VocabularySize - 1)) / 64 + 2];
                    foreach (var id in ids) words[id / 64] |= 1ul << (id % 64);

                    // Padding past the last id means nothing.
                    words[^1] = ulong.MaxValue;
                    reused.SetTokens(words);
                    AssertSame(layer, expected, reused);
                    reused.SetTokens(words.SelectMany(BitConverter.GetBytes).ToArray());
                    AssertSame(layer, expected, reused);

                    var bySlot = new ulong[(layout.VocabularySize + 63) / 64];
                    foreach (var slot in slots) bySlot[slot / 64] |= 1ul << (slot % 64);
                    if (layout.VocabularySize % 64 != 0) bySlot[^1] |= 1ul << 63;
                    reused.SetSlots(bySlot);
                    if (layout.VocabularySize % 64 == 0 || slots[^1] / 64 < bySlot.Length) AssertSame(layer, expected, reused);
                    Assert.Equal(ids.Contains(map(5)), reused.IsAllowed(map(5)));
                }
            }
        }
    }

    [Fact]
    public void MaskThatIsSetAnewEachStep_GovernsThatStep_AndAllocatesNothing()
    {
        using var layer = new MappedSoftmax(s_layouts[0], slot => 699 - slot);
        using var session = layer.CreateSession();
        var mask = layer.CreateMask();
        var sequence = new DecodeSequence(layer, new DecodeOptions { Mask = mask, Temperature = 2 }, seed: 5);
        var hidden = Enumerable.Range(0, 8).Select(i => (i * 0.7f) - 2).ToArray();
        var (words, bytes) = (new ulong[11], new byte[88]);
        long before = 0;
        for (var step = 0; step < 300; step++)
        {
            if (step == 150)
            {
                sequence.History.Clear();
                before = GC.GetAllocatedBytesForCurrentThread();
            }

            var token = step * 37 % 700;
            words.AsSpan().Clear();
            words[token / 64] = 1ul << (token % 64);
            bytes.AsSpan().Clear();
            bytes[token / 8] = (byte)(1 << (token % 8));
            if (step % 2 == 0) mask.SetTokens(words);
            else mask.SetTokens(bytes);
            if (session.Sample(hidden, sequence).Token != token) Assert.Fail($"step {step}");
        }

        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
        mask.SetTokens(new ulong[11]);
        Assert.Equal(0, mask.AllowedCount);
        Assert.Equal(DecodeFaultKind.NoTokenLeft, Assert.Throws<DecodeException>(() => session.Sample(hidden, sequence)).Faults[0].Kind);
    }

    [Fact]
    public void TooFewBits_AreRefused_AndTheMaskStays()
    {
        using var layer = new MappedSoftmax(s_layouts[0], slot => slot * 2);
        var mask = layer.CreateMask();
        Assert.Equal(700, mask.AllowedCount);
        Assert.Contains("at least 22", Assert.Throws<ArgumentException>(() => mask.SetTokens(new ulong[21])).Message, StringComparison.Ordinal);
        Assert.Contains("at least 175", Assert.Throws<ArgumentException>(() => mask.SetTokens(new byte[174])).Message, StringComparison.Ordinal);
        Assert.Contains("take 11", Assert.Throws<ArgumentException>(() => mask.SetSlots(new ulong[12])).Message, StringComparison.Ordinal);
        Assert.Throws<ArgumentException>(() => mask.IsAllowed(1));
        Assert.Equal(700, mask.AllowedCount);
    }

    private static unsafe void AssertSame(MappedSoftmax layer, TokenMask expected, TokenMask actual)
    {
        Assert.Equal(expected.AllowedCount, actual.AllowedCount);
        var layout = layer.Layout;
        for (var part = 0; part <= layout.TailCount; part++)
        {
            Assert.Equal(expected.Count(part), actual.Count(part));
            var (start, end) = (part == 0 ? 0 : layout.Tails[part - 1].Start, part == layout.TailCount ? layout.VocabularySize : layout.Tails[part].Start);
            var scores = new float[end - start + 1];
            fixed (float* pointer = scores) actual.Apply(part, pointer);
            Assert.Equal(0, scores[^1]);
            for (var slot = start; slot < end; slot++)
                Assert.Equal(expected.IsAllowed(layer.TokenOf(slot)) ? 0 : float.NegativeInfinity, scores[slot - start]);
        }
    }

    // Slots under other ids: reversed, spread, far apart.
    private sealed class MappedSoftmax : AdaptiveSoftmaxLayer
    {
        private readonly Dictionary<int, int> _slots;
        private readonly Func<int, int> _map;

        public MappedSoftmax(SoftmaxLayout layout, Func<int, int> map)
            : base(
                new SoftmaxIdentity(layout, "", ""),
                new HeadLayer<MatrixShape>(new MatrixShape(layout.HeadRows, layout.HiddenSize), layout.HasHeadBias),
                [.. layout.Tails.Select(tail => new TailLayer<MatrixShape, MatrixShape>(tail.Index, new MatrixShape(tail.ProjectionWidth, layout.HiddenSize), new MatrixShape(tail.Size, tail.ProjectionWidth)))])
        {
            _map = map;
            _slots = Enumerable.Range(0, layout.VocabularySize).ToDictionary(map);
            Initialize(1);
        }

        protected override int FindSlot(int tokenId) => _slots.GetValueOrDefault(tokenId, -1);

        protected override int GetTokenId(int slot) => _map(slot);
    }
}
