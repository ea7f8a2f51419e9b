using TorchLstmSample;

namespace AdaptiveSoftmax.TorchLstm.Tests;

public sealed class LstmRunTests : IDisposable
{
    private const int Last = 40;
    private const int FallAt = 24;

    private readonly string _folder = Directory.CreateTempSubdirectory("adaptive-softmax-lstm-").FullName;
    private readonly int[] _text = TinyLstm.CreateText(400);

    private string CheckpointPath => Path.Combine(_folder, "run.safetensors");

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    // Within a pass over the text, at its end (19 steps), and while the learning rate falls.
    [Theory]
    [InlineData(7)]
    [InlineData(19)]
    [InlineData(30)]
    public void ResumedRun_ComesToTheSameBits(int stop)
    {
        using var whole = new Session(_text, seed: 1);
        Advance(whole.Run, Last);

        using var first = new Session(_text, seed: 1);
        Advance(first.Run, stop);
        first.Run.Seconds = 1.5;
        first.Run.Save(CheckpointPath);

        // Another seed: whatever decides the run must come from the file.
        using var second = new Session(_text, seed: 2);
        second.Run.Restore(CheckpointPath);
        Assert.Equal((stop, 1.5), (second.Run.Step, second.Run.Seconds));
        Assert.Equal(TinyLstm.Bits(first.Model), TinyLstm.Bits(second.Model));
        Advance(second.Run, Last);
        Assert.Equal(TinyLstm.Bits(whole.Model), TinyLstm.Bits(second.Model));
        Assert.NotEqual(TinyLstm.Bits(whole.Model), TinyLstm.Bits(first.Model));
    }

    [Fact]
    public void SavedRun_IsTheLayersWeightsToo()
    {
        using var session = new Session(_text, seed: 1);
        Advance(session.Run, 10);
        session.Run.Save(CheckpointPath);

        using var layer = TinyLstm.CreateLayer(seed: 9);
        layer.Restore(CheckpointPath);
        var weights = session.Model.Head.Parameters.SelectMany(TinyLstm.Floats);
        Assert.Equal(weights, layer.Parameters.SelectMany(parameter => parameter.Values.ToArray()));
    }

    [Fact]
    public void CheckpointOfAnotherModel_ChangesNothing()
    {
        using var session = new Session(_text, seed: 1);
        Advance(session.Run, 3);
        var before = TinyLstm.Bits(session.Model);
        using (var other = new Session(_text, seed: 2, streams: TinyLstm.Streams + 1))
        {
            Advance(other.Run, 5);
            other.Run.Save(CheckpointPath);
        }

        Assert.Throws<CheckpointMismatchException>(() => session.Run.Restore(CheckpointPath));
        Assert.Equal(before, TinyLstm.Bits(session.Model));
        Assert.Equal(3, session.Run.Step);
    }

    [Fact]
    public void Targets_AreCountedByCluster()
    {
        using var session = new Session(_text, seed: 1);
        Advance(session.Run, 1);
        var counts = new long[3];
        session.Run.CountTargets(counts);
        Assert.Equal(session.Run.TokensPerStep, counts.Sum());
        Assert.Equal(session.Targets.Count(target => target is >= 6 and < 14), counts[1]);
    }

    private static void Advance(LstmRun run, int to)
    {
        while (run.Step < to)
        {
            if (run.Step == FallAt) run.BeginFall();
            run.Advance();
        }
    }

    private sealed class Session : IDisposable
    {
        private readonly DynamicAdaptiveSoftmax _layer;
        private readonly LstmTrainer _trainer;

        public Session(int[] text, ulong seed, int streams = TinyLstm.Streams)
        {
            _layer = TinyLstm.CreateLayer(seed);
            Model = TinyLstm.CreateAdaptive(_layer, seed);
            _trainer = new LstmTrainer(Model, text, streams, TinyLstm.Steps);
            Run = new LstmRun(_trainer, _layer, seed);
        }

        public LstmModel Model { get; }

        public LstmRun Run { get; }

        public ReadOnlySpan<long> TargetSlots => _trainer.Batch.TargetSlots;

        public IEnumerable<long> Targets => TargetSlots.ToArray();

        public void Dispose()
        {
            Run.Dispose();
            Model.Dispose();
            _layer.Dispose();
        }
    }
}
