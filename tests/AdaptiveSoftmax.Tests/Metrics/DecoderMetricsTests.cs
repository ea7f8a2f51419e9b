using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax.Tests;

/// <summary>What the calls of a decoder report, against their results.</summary>
[Collection(MeterRecorder.Collection)]
public sealed class DecoderMetricsTests : IDisposable
{
    private const int Rows = 100;

    private static readonly SoftmaxLayout s_layout = SoftmaxLayout.Create(16, 300, [20, 90], 2.0, hasHeadBias: false);

    private readonly MeasuredSoftmax _softmax = new();
    private readonly float[] _hidden = new float[Rows * 16];

    public DecoderMetricsTests()
    {
        var random = new Random(5);
        foreach (ref var value in _hidden.AsSpan()) value = (random.NextSingle() * 6) - 3;
        foreach (var parameter in _softmax.Parameters)
        {
            foreach (ref var value in parameter.WritableValues) value *= 5;
        }
    }

    public void Dispose() => _softmax.Dispose();

    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    [InlineData(Rows)]
    public void Predictions_AreReportedByCluster_WithTheTailsOfTopOne(int atATime)
    {
        var (tails, parts) = TopOne();
        using var recorder = new MeterRecorder("softmax", nameof(MeasuredSoftmax));
        var tokens = new int[Rows];
        for (var row = 0; row < Rows; row += atATime)
        {
            var count = Math.Min(atATime, Rows - row);
            _softmax.Predict(_hidden.AsSpan(row * 16, count * 16), tokens.AsSpan(row, count));
        }

        AssertReported(recorder, tails, parts);
        var isBatch = atATime == Rows;
        Assert.Equal(isBatch ? 0 : Rows, recorder.Entries.Count(entry => entry.Instrument.Name == "adaptive_softmax.decode.duration"));
        Assert.Equal(isBatch ? 1 : 0, recorder.Entries.Count(entry => entry.Instrument.Name == "adaptive_softmax.decode.batch.duration"));
    }

    // In slot order a batch would visit the first tail too, where the second, more probable one has a token that beats it.
    [Fact]
    public void Batch_VisitsTheMostProbableTailFirst()
    {
        var head = _softmax.Parameters[0];
        for (var k = 0; k < 16; k++) head.WritableRow(20)[k] = 0.9f * head.Row(21)[k];
        var (tokens, batch) = (new int[Rows], new int[Rows]);
        string[] single, together;
        using (var recorder = new MeterRecorder("softmax", nameof(MeasuredSoftmax)))
        {
            for (var row = 0; row < Rows; row++) _softmax.Predict(_hidden.AsSpan(row * 16, 16), tokens.AsSpan(row, 1));
            single = recorder.Sums("adaptive_softmax.decode.tails_visited");
        }

        using (var recorder = new MeterRecorder("softmax", nameof(MeasuredSoftmax)))
        {
            _softmax.Predict(_hidden, batch);
            together = recorder.Sums("adaptive_softmax.decode.tails_visited");
        }

        Assert.Equal(tokens, batch);
        Assert.Equal(single, together);
        Assert.Contains(single, sum => sum.StartsWith("cluster=tail1", StringComparison.Ordinal));
    }

    [Fact]
    public void TopK_IsReportedByTheClusterOfTheBestToken_OneByOneAndInBatches()
    {
        var (tails, parts) = TopOne();
        using var session = _softmax.CreateSession();
        var (tokens, logProbs) = (new int[Rows], new float[Rows]);
        using (var recorder = new MeterRecorder("softmax", nameof(MeasuredSoftmax)))
        {
            for (var row = 0; row < Rows; row++) session.TopK(_hidden.AsSpan(row * 16, 16), tokens.AsSpan(0, 1), logProbs.AsSpan(0, 1));
            AssertReported(recorder, tails, parts);
        }

        using (var recorder = new MeterRecorder("softmax", nameof(MeasuredSoftmax)))
        {
            session.TopK(_hidden, tokens, logProbs, new TopKResult[Rows]);
            AssertReported(recorder, tails, parts);
            Assert.Single(recorder.Sums("adaptive_softmax.decode.batch.duration"));
        }
    }

    [Fact]
    public void AnApproximatePolicy_IsReported_WhereItLeftATailOut()
    {
        using var session = _softmax.CreateSession();
        var options = new DecodeOptions { Policy = DecodePolicy.HeadOnly, Temperature = 0 };
        var (tokens, logProbs, results) = (new int[Rows], new float[Rows], new TopKResult[Rows]);
        using var recorder = new MeterRecorder("softmax", nameof(MeasuredSoftmax));
        session.TopK(_hidden, tokens, logProbs, results, options);
        var left = results.Count(result => result.UnseenMass > 0);
        Assert.InRange(left, 1, Rows - 1);
        for (var row = 0; row < Rows; row++) session.TopK(_hidden.AsSpan(row * 16, 16), tokens.AsSpan(0, 1), logProbs.AsSpan(0, 1), options);
        var random = new SampleRandom(1);
        for (var row = 0; row < Rows; row++) session.Sample(_hidden.AsSpan(row * 16, 16), options, ref random);
        Assert.Equal([$"policy=head_only: {3 * left}"], recorder.Sums("adaptive_softmax.decode.approximate"));
    }

    [Fact]
    public void Targets_AreCountedByTheirCluster()
    {
        using var recorder = new MeterRecorder("softmax", nameof(MeasuredSoftmax));
        _softmax.RecordTargets([5, 25, 25, 7, 299, 299], [5, 25, 26, 100, 299, 298]);
        Assert.Equal(["cluster=head: 1", "cluster=tail0: 2", "cluster=tail1: 3"], recorder.Sums("adaptive_softmax.target.tokens"));
        Assert.Equal(["cluster=head: 1", "cluster=tail0: 1", "cluster=tail1: 1"], recorder.Sums("adaptive_softmax.target.correct"));
    }

    [Fact]
    public void TargetsThatAreWrong_AreRefused_AndNothingIsReported()
    {
        using var recorder = new MeterRecorder("softmax", nameof(MeasuredSoftmax));
        Assert.Contains("2 targets", Assert.Throws<ArgumentException>(() => _softmax.RecordTargets([5], [5, 6])).Message, StringComparison.Ordinal);
        Assert.Contains("Target 1 is 300", Assert.Throws<ArgumentException>(() => _softmax.RecordTargets([5, 6], [5, 300])).Message, StringComparison.Ordinal);
        Assert.Empty(recorder.Entries);
    }

    /// <summary>The tails that top-1 visits for each row, and the cluster of its token.</summary>
    private (int[] Tails, int[] Parts) TopOne()
    {
        using var session = _softmax.CreateSession();
        var (tails, parts, token, logProb) = (new int[Rows], new int[Rows], new int[1], new float[1]);
        for (var row = 0; row < Rows; row++)
        {
            tails[row] = session.TopK(_hidden.AsSpan(row * 16, 16), token, logProb).TailsVisited;
            parts[row] = token[0] < 20 ? 0 : token[0] < 90 ? 1 : 2;
        }

        Assert.Equal([0, 1, 2], parts.Distinct().Order());
        Assert.Contains(0, tails);
        return (tails, parts);
    }

    private static void AssertReported(MeterRecorder recorder, int[] tails, int[] parts)
    {
        string[] names = ["head", "tail0", "tail1"];
        Assert.Equal(names.Select((name, part) => $"cluster={name}: {parts.Count(each => each == part)}"), recorder.Sums("adaptive_softmax.decode.tokens"));
        Assert.Equal(
            names.Select((name, part) => (name, sum: tails.Where((_, row) => parts[row] == part).Sum())).Where(pair => pair.sum > 0).Select(pair => $"cluster={pair.name}: {pair.sum}"),
            recorder.Sums("adaptive_softmax.decode.tails_visited"));
    }

    /// <summary>A layer whose name no other test reports under.</summary>
    private sealed class MeasuredSoftmax : AdaptiveSoftmaxLayer
    {
        public MeasuredSoftmax()
            : base(
                new SoftmaxIdentity(s_layout, "", ""),
                new HeadLayer<MatrixShape>(new MatrixShape(s_layout.HeadRows, s_layout.HiddenSize), hasBias: false),
                [.. s_layout.Tails.Select(tail => new TailLayer<MatrixShape, MatrixShape>(tail.Index, new MatrixShape(tail.ProjectionWidth, s_layout.HiddenSize), new MatrixShape(tail.Size, tail.ProjectionWidth)))]) => Initialize(seed: 3);

        protected override int FindSlot(int tokenId) => (uint)tokenId < 300 ? tokenId : -1;

        protected override int GetTokenId(int slot) => slot;
    }
}
