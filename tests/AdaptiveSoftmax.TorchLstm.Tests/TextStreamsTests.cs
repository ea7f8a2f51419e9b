using TorchLstmSample;

namespace AdaptiveSoftmax.TorchLstm.Tests;

public sealed class TextStreamsTests
{
    [Fact]
    public void Steps_ReadEachStreamOn_AndStartAgainAtItsEnd()
    {
        // 3 streams of 10, of which 3 steps of 3 tokens and the target behind them fit; one token is left over.
        var streams = new TextStreams([.. Enumerable.Range(0, 31)], streams: 3, steps: 3);
        Assert.Equal(3, streams.StepsPerPass);
        var batch = new TokenBatch(3, 3);
        streams.Fill(batch, 1);
        Assert.Equal([4, 14, 24, 5, 15, 25, 6, 16, 26], batch.TargetSlots.ToArray());
        using var inputs = batch.Inputs();
        Assert.Equal([3, 13, 23, 4, 14, 24, 5, 15, 25], inputs.data<long>().ToArray());
        streams.Fill(batch, 5);
        Assert.Equal([7, 17, 27, 8, 18, 28, 9, 19, 29], batch.TargetSlots.ToArray());
        Assert.Equal([true, false, false, true], Enumerable.Range(0, 4).Select(step => streams.StartsAt(step)));
    }

    [Fact]
    public void TextThatIsTooShort_IsAnErrorThatSaysHowMuchIsNeeded()
    {
        var error = Assert.Throws<ArgumentException>(() => new TextStreams(new int[11], streams: 3, steps: 3));
        Assert.Contains("need 12", error.Message, StringComparison.Ordinal);
        Assert.Equal(1, new TextStreams(new int[12], streams: 3, steps: 3).StepsPerPass);
    }

    [Fact]
    public void ShuffledText_HasTheSameStretchesInAnotherOrder()
    {
        // Documents of 2 to 6 tokens, whose first token is their number.
        var documents = Enumerable.Range(0, 60).Select(i => (int[])[100 + i, .. Enumerable.Repeat(1, i % 5), 9]).ToArray();
        int[] text = [.. documents.SelectMany(document => document)];
        var shuffled = TextStreams.Shuffle(text, endOfText: 9, shortest: 12, seed: 1);
        Assert.Equal(text.Order(), shuffled.Order());
        Assert.NotEqual(text, shuffled);
        Assert.Equal(shuffled, TextStreams.Shuffle(text, endOfText: 9, shortest: 12, seed: 1));
        Assert.NotEqual(shuffled, TextStreams.Shuffle(text, endOfText: 9, shortest: 12, seed: 2));

        // A document is followed by its neighbour or by one that began a stretch: not more breaks than stretches.
        var numbers = shuffled.Where(token => token >= 100).ToArray();
        Assert.Equal(60, numbers.Length);
        var breaks = numbers.Zip(numbers.Skip(1)).Count(pair => pair.Second != pair.First + 1);
        Assert.InRange(breaks, 5, text.Length / 12);
    }
}
