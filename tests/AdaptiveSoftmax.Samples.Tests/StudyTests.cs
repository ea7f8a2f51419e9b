using AdaptiveSoftmax.Corpus;
using LanguageModelSample;

namespace AdaptiveSoftmax.Samples.Tests;

public sealed class StudyTests
{
    [Fact]
    public void Vocabulary_IsCountedFromTheTextToLearnFrom_AndWhatItLacksIsOneToken()
    {
        // The token 1000 + i stands i + 1 times; 7 ends the document and stands most often.
        int[] training = [.. Enumerable.Range(0, 70).SelectMany(i => Enumerable.Repeat(1000 + i, i + 1)), .. Enumerable.Repeat(7, 200)];
        var text = StudyText.Create(new TextData(training, [1069, 7, 5, 1000, 1001, 7]), endOfText: 7);
        Assert.Equal(72, text.Counts.Length);
        Assert.Equal((7, 1069, 1000, -1), (text.TokenIds[0], text.TokenIds[1], text.TokenIds[70], text.TokenIds[71]));
        Assert.Equal((200L, 70L, 1L, 0L), (text.Counts[0], text.Counts[1], text.Counts[70], text.Counts[71]));
        Assert.Equal([1, 0, 71], text.Validation);
        Assert.Equal([70, 69, 0], text.Test);
        Assert.Equal(0, text.EndOfText);
        Assert.Equal(training.Length, text.Training.Length);
        // 200 of 2,685 are less than a tenth of it, 200 + 70 more.
        Assert.Equal(2, text.SlotsCovering(0.1));

        var small = StudyText.Create(new TextData(training, [1069, 7, 5, 1000]), endOfText: 7, mostTokens: 66);
        Assert.Equal(66, small.Counts.Length);
        Assert.Equal(training.Length, small.Counts.Sum());
        Assert.Equal([65, 65], small.Test);
        Assert.Throws<CorpusException>(() => StudyText.Create(new TextData([7, 8, 9], [7]), endOfText: 7));
    }

    [Fact]
    public void WrittenText_IsMeasuredByItsNGrams()
    {
        int[][] texts = [[1, 2, 1, 2, 1, 2], [1, 2, 3, 4, 5, 6]];
        // 12 tokens of 6 kinds; 10 pairs: 12 21 12 21 12 | 12 23 34 45 56.
        Assert.Equal(6 / 12.0, WrittenText.Distinct(texts, 1));
        Assert.Equal(6 / 10.0, WrittenText.Distinct(texts, 2));
        Assert.Equal(6 / 8.0, WrittenText.Distinct(texts, 3));
        // 1212 2121 1212 | 1234 2345 3456: one of six was there before.
        Assert.Equal(1 / 6.0, WrittenText.Repetition(texts));
        Assert.Equal(0, WrittenText.Repetition([[1, 2]]));
    }

    [Fact]
    public void Judge_FindsPerplexityAndAccuracyOfEachPart()
    {
        using var model = TinyModel.Create(seed: 3);
        var text = TinyModel.CreateText(500);
        long[] counts = [900, 50, 20, 10, 8, 4, 2, 2, 1, 1, 1, 1];
        var verdict = new StudyJudge(counts, [4, 8]).Judge(model, text, 300, TestContext.Current.CancellationToken);

        var rows = TextData.SpreadPositions(text, 300).Select(position =>
        {
            var batch = new Batch(1, model.Window);
            batch.Fill(text, [position], model.EndOfText);
            return (Target: text[position], Loss: (double)model.Loss(batch), IsHit: model.Predict(batch.Windows) == text[position]);
        }).ToArray();
        Assert.Equal(Math.Exp(rows.Average(row => row.Loss)), verdict.Perplexity, 1e-3);
        Assert.Equal(Math.Exp(rows.Where(row => row.Target is >= 4 and < 8).Average(row => row.Loss)), verdict.ByCluster[1], 1e-3);
        Assert.Equal(rows.Average(row => row.IsHit ? 1 : 0), verdict.Accuracy, 1e-9);
        Assert.Equal(rows.Where(row => row.Target >= 4).Average(row => row.IsHit ? 1 : 0), verdict.TailAccuracy, 1e-9);
        // The first token is nine tenths of all, and its middle stands in the fifth; all others end in the last two.
        Assert.Equal(Math.Exp(rows.Where(row => row.Target == 0).Average(row => row.Loss)), verdict.ByDecile[4], 1e-3);
        Assert.Equal(Math.Exp(rows.Where(row => row.Target > 0).Average(row => row.Loss)), verdict.ByDecile[9], 1e-3);
        Assert.True(double.IsNaN(verdict.ByDecile[0]));
    }
}
