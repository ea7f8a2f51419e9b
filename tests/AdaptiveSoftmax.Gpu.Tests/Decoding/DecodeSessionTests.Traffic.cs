using AdaptiveSoftmax.Vocabulary;
using ILGPU.Runtime;

namespace AdaptiveSoftmax.Gpu.Tests.Decoding;

// What a step copies between host and device, and allocates there.
public abstract partial class DecodeSessionTests
{
    // Of 20,000 tokens, none of whose logits is copied.
    [Fact]
    public void Steps_CopyWhatRowsChooseBy()
    {
        const int Rows = 16, Tokens = 20_000;
        using var host = Sharpened(SoftmaxLayout.Create(8, Tokens, [2000, 8000], [4, 2]), seed: 6, scale: 1);
        using var layer = CopyOf(host);
        using var session = layer.CreateSession();
        using var vectors = Accelerator.Allocate1D(Hidden(host, Rows));
        var results = new DecodedToken[Rows];
        DecodeSequence[] sequences = [.. Enumerable.Range(0, Rows).Select(row => layer.CreateSequence(new DecodeOptions { TopK = 20, Policy = DecodePolicy.HeadOnly }, (ulong)row))];
        var (up, down) = Copied(() => session.Sample(vectors.View, sequences, results));

        // What a row asks; then its state, two log-probs of clusters, a number and 20 tokens.
        Assert.Equal((Rows * 44L, Rows * (8L + 8 + 4 + (20 * 8))), (up, down));
        foreach (var sequence in sequences) sequence.Options = new DecodeOptions { Policy = DecodePolicy.HeadOnly };
        Assert.Equal((Rows * 44L, Rows * (8L + 8 + 32)), Copied(() => session.Sample(vectors.View, sequences, results)));

        // Each row sees both tails, its likeliest first: their members, a plan a round, and no log-probs of clusters.
        foreach (var sequence in sequences) sequence.Options = new DecodeOptions { Policy = DecodePolicy.Full };
        (up, down) = Copied(() => session.Sample(vectors.View, sequences, results));
        Assert.InRange(up - (Rows * ((44L * 3) + (2 * 4))), 2 * 40, 4 * 40);
        Assert.Equal((Rows * (8L + 32) * 3) + (Rows * 8), down);

        // A mask is copied once, and again when it was set anew.
        var mask = layer.CreateDenyMask([0, 19_999]);
        foreach (var sequence in sequences) sequence.Options = new DecodeOptions { Policy = DecodePolicy.HeadOnly, Mask = mask };
        var words = ((Tokens + 63) / 64) + 1L;
        Assert.Equal((Rows * 44L) + (words * 8), Copied(() => session.Sample(vectors.View, sequences, results)).Up);
        Assert.Equal(Rows * 44L, Copied(() => session.Sample(vectors.View, sequences, results)).Up);
        mask.SetSlots([.. Enumerable.Repeat(ulong.MaxValue, (int)words - 1)]);
        Assert.Equal((Rows * 44L) + (words * 8), Copied(() => session.Sample(vectors.View, sequences, results)).Up);

        // A nucleus: its masses by score, and then its tokens.
        foreach (var sequence in sequences) sequence.Options = new DecodeOptions { Policy = DecodePolicy.HeadOnly, TopP = 0.5f };
        (up, down) = Copied(() => session.Sample(vectors.View, sequences, results));
        Assert.Equal(Rows * 44L * 3, up);
        Assert.InRange(down, Rows * (8L + 8 + 40 + 512 + 4), Rows * (8L + 8 + 40 + 512 + 4 + (2000 * 8)));

        (long Up, long Down) Copied(Action step)
        {
            var (upBefore, downBefore) = (session.Traffic.BytesUp, session.Traffic.BytesDown);
            step();
            return (session.Traffic.BytesUp - upBefore, session.Traffic.BytesDown - downBefore);
        }
    }

    [Fact]
    public void SecondBatch_AllocatesNothingOnTheDevice()
    {
        using var host = Sharpened(SoftmaxLayout.Create(6, 200, [30, 90], [3, 2]), seed: 4, scale: 2);
        using var layer = CopyOf(host);
        using var session = layer.CreateSession();
        DecodeSequence[] sequences = [.. Enumerable.Range(0, 4).Select(row => layer.CreateSequence(new DecodeOptions { TopP = 0.9f, TopLogProbs = 2, Policy = DecodePolicy.Full }))];
        session.Sample(Hidden(host, 4), sequences, new DecodedToken[4]);
        var bytes = session.WorkingBytes;
        Assert.True(bytes > 4 * 110 * sizeof(float));
        session.Sample(Hidden(host, 3), sequences.AsSpan(0, 3), new DecodedToken[3]);
        Assert.Equal(bytes, session.WorkingBytes);
    }
}
