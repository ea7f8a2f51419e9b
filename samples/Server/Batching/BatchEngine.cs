using System.Diagnostics;
using AdaptiveSoftmax;

namespace ServerSample;

/// <summary>What became of a request at the engine's door.</summary>
internal enum Admission
{
    Accepted,

    /// <summary>Batch and queue are full.</summary>
    Full,

    /// <summary>The server is shutting down.</summary>
    Closed,
}

/// <summary>The next token of one continuation could not be found.</summary>
/// <param name="fault">Why.</param>
internal sealed class FaultyRowException(DecodeFault fault) : Exception(fault.Message);

/// <summary>
/// Continuous batching: one thread steps all active continuations together. They join and leave between steps, so that
/// nobody waits for the longest answer of a batch. Others wait in a bounded queue, first come, first served. One whose
/// client does not keep up leaves the batch until it does. Each keeps its place until its answer is sent, or until another
/// finds none while it waits for its client. While a model is being replaced, those that began with the former one are
/// stepped beside those of its successor.
/// </summary>
internal sealed class BatchEngine : IDisposable
{
    private readonly object _gate = new();
    private readonly LinkedList<GenerationSequence> _waiting = new();
    private readonly List<GenerationSequence> _active = [];
    private readonly List<GenerationSequence> _paused = [];
    private readonly HashSet<Generation> _taken = [];
    private readonly int[] _places = new int[Enum.GetValues<SequenceState>().Length];
    private readonly TokenLogProb[] _top = new TokenLogProb[WireLimits.ChatLogProbs];
    private readonly IEngineObserver _observer;
    private readonly CurrentModel _models;
    private readonly List<BatchStep> _steps = [];
    private readonly List<BatchStep> _running = [];
    private readonly Thread _thread;
    private readonly BurstWatch _burst;
    private readonly int _maxBatch;
    private readonly TimeSpan _patience;
    private TaskCompletionSource? _idle;
    private bool _isClosed;
    private bool _isStopped;

    /// <param name="models">The models.</param>
    /// <param name="maxBatch">The continuations that share a step at most.</param>
    /// <param name="maxQueue">The continuations that have a place beside them at most.</param>
    /// <param name="patience">How long an answer may wait for its client, in all, where others find no place.</param>
    /// <param name="observer">Who is told of steps.</param>
    /// <param name="burst">Tells whether there is a burst.</param>
    public BatchEngine(CurrentModel models, int maxBatch, int maxQueue, TimeSpan patience, IEngineObserver observer, BurstWatch burst)
    {
        (_models, _maxBatch, _patience, _observer, _burst) = (models, maxBatch, patience, observer, burst);
        Capacity = maxBatch + maxQueue;
        models.Replaced += WakeUp;
        _thread = new Thread(Run) { Name = "batching", IsBackground = true };
        _thread.Start();
    }

    /// <summary>The continuations that have a place at a time: in the batch, in the queue, or with an answer that is not sent.</summary>
    public int Capacity { get; }

    /// <summary>Whether no more requests are taken.</summary>
    public bool IsClosed
    {
        get
        {
            lock (_gate) return _isClosed;
        }
    }

    /// <summary>Whether the thread that steps is there.</summary>
    public bool IsAlive => _thread.IsAlive;

    /// <summary>The continuations in the batch.</summary>
    public int Active => Count(SequenceState.Active);

    /// <summary>The continuations in the queue.</summary>
    public int Waiting => Count(SequenceState.Waiting);

    /// <summary>The continuations that wait for their client to read.</summary>
    public int Paused => Count(SequenceState.Paused);

    /// <summary>The continuations that are made, but not yet sent.</summary>
    public int Unsent => Count(SequenceState.Ended);

    /// <summary>What would become of a request of so many continuations now.</summary>
    public Admission Ask(int continuations)
    {
        lock (_gate)
        {
            if (_isClosed) return Admission.Closed;
            MakeRoom(continuations);
            return Taken + continuations > Capacity ? Admission.Full : Admission.Accepted;
        }
    }

    /// <summary>Takes a request, all of its continuations or none.</summary>
    public Admission Submit(Generation generation)
    {
        lock (_gate)
        {
            if (Ask(generation.Sequences.Count) is not Admission.Accepted and var refusal) return refusal;
            generation.Step = StepOf(generation.Lease);
            _taken.Add(generation);
            foreach (var sequence in generation.Sequences)
            {
                Move(sequence, SequenceState.Waiting);
                sequence.WaitingSince = Stopwatch.GetTimestamp();
                sequence.Node = _waiting.AddLast(sequence);
            }

            Monitor.Pulse(_gate);
            return Admission.Accepted;
        }
    }

    /// <summary>Frees the places of a request, whose answer is sent or not wanted. What is left of it ends; a step under way ends without it.</summary>
    public void Release(Generation generation)
    {
        lock (_gate)
        {
            _taken.Remove(generation);
            foreach (var sequence in generation.Sequences) Move(sequence, SequenceState.Outside);
            if (Taken == 0) _idle?.TrySetResult();
        }
    }

    /// <summary>Goes on with a request whose client has read. It waits before those that were never active.</summary>
    public void Resume(Generation generation)
    {
        lock (_gate)
        {
            generation.IsHeldUp = false;
            for (var i = generation.Sequences.Count - 1; i >= 0; i--)
            {
                var sequence = generation.Sequences[i];
                if (sequence.State != SequenceState.Paused) continue;
                Move(sequence, SequenceState.Waiting);
                sequence.WaitingSince = Stopwatch.GetTimestamp();
                sequence.Node = _waiting.AddFirst(sequence);
            }

            Monitor.Pulse(_gate);
        }
    }

    /// <summary>Takes no more requests.</summary>
    /// <returns>Ends when those taken before are answered.</returns>
    public Task CloseAsync()
    {
        lock (_gate)
        {
            _isClosed = true;
            _idle ??= new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            if (Taken == 0) _idle.TrySetResult();
            return _idle.Task;
        }
    }

    /// <summary>Ends every request with an error.</summary>
    public void FailAll(Exception exception)
    {
        lock (_gate)
        {
            foreach (var sequence in _waiting.Concat(_active).Concat(_paused).ToArray()) Fail(sequence, exception);
        }
    }

    public void Dispose()
    {
        lock (_gate)
        {
            _isClosed = _isStopped = true;
            FailAll(new ObjectDisposedException(nameof(BatchEngine)));
            Monitor.Pulse(_gate);
        }

        _thread.Join();
        _models.Replaced -= WakeUp;
        foreach (var step in _steps) step.Dispose();
    }

    // A model that was replaced may be held by its idle steps alone.
    private void WakeUp()
    {
        lock (_gate) Monitor.Pulse(_gate);
    }

    private int Count(SequenceState state)
    {
        lock (_gate) return _places[(int)state];
    }

    private void Run()
    {
        while (TakeBatch())
        {
            foreach (var step in _running)
            {
                try
                {
                    Run(step);
                }
                catch (Exception exception)
                {
                    // No request may hang, and the next ones may fare better.
                    _observer.StepFailed(exception);
                    foreach (var sequence in step.Rows) Fail(sequence, exception);
                }
            }
        }
    }

    // Lets ended and paused continuations leave and waiting ones join; waits while there are none.
    private bool TakeBatch()
    {
        lock (_gate)
        {
            while (true)
            {
                foreach (var sequence in _active)
                {
                    if (sequence.State != SequenceState.Active || !sequence.Generation.HoldUp()) continue;
                    Move(sequence, SequenceState.Paused);
                    _paused.Add(sequence);
                }

                _active.RemoveAll(sequence => sequence.State != SequenceState.Active);
                while (_active.Count < _maxBatch && _waiting.First is { Value: var first })
                {
                    Move(first, SequenceState.Active);
                    _active.Add(first);
                }

                RetireSteps();
                if (_active.Count > 0)
                {
                    AssignRows();
                    LookForBurst();
                    return true;
                }

                if (_burst.Rest()) _observer.BurstChanged(false);
                if (_isStopped) return false;
                Monitor.Wait(_gate);
            }
        }
    }

    private void Run(BatchStep step)
    {
        Echo(step);
        if (step.Rows.Count == 0) return;
        var start = Stopwatch.GetTimestamp();
        foreach (var sequence in step.Rows) sequence.Follow(_burst.Policy);
        var results = step.Run(out var faults);
        var duration = Stopwatch.GetElapsedTime(start);
        _observer.Stepped(duration, faults.Count == 0 ? results : [.. results.ToArray().Where(result => result.Token >= 0)], _burst.IsBurst);
        // What goes wrong with one continuation ends its request and no other.
        foreach (var fault in faults) Fail(step.Rows[fault.Row], new FaultyRowException(fault));
        for (var i = 0; i < step.Rows.Count; i++)
        {
            if (results[i].Token < 0) continue;
            try
            {
                Accept(step, i, results[i]);
            }
            catch (Exception exception)
            {
                Fail(step.Rows[i], exception);
            }
        }
    }

    // Of prompts that are echoed the one that came first is read on. The others stand still meanwhile, as nobody who is decoded does.
    private void Echo(BatchStep step)
    {
        if (step.Rows.Find(row => row.IsEchoing) is not { } sequence) return;
        try
        {
            if (step.Echo(sequence) is not null) End(sequence);
        }
        catch (DecodeException exception)
        {
            Fail(sequence, new FaultyRowException(exception.Faults[0]));
        }
        catch (Exception exception)
        {
            Fail(sequence, exception);
        }

        step.Rows.RemoveAll(row => row.IsEchoing || row.State == SequenceState.Ended);
    }

    private void End(GenerationSequence sequence)
    {
        lock (_gate)
        {
            if (sequence.State == SequenceState.Active) Move(sequence, SequenceState.Ended);
        }
    }

    private void Accept(BatchStep step, int row, DecodedToken token)
    {
        var (sequence, generation) = (step.Rows[row], step.Rows[row].Generation);
        generation.Decoded.Add(token, _burst.IsBurst);
        if (generation.MarkFirstToken()) _observer.FirstToken(generation.FirstToken!.Value);
        var top = generation.Options.WantsLogProbs ? step.CopyTop(row, _top) : 0;
        if (sequence.Accept(token, _top.AsSpan(0, top)) is not null) End(sequence);
    }

    private void Fail(GenerationSequence sequence, Exception exception)
    {
        lock (_gate)
        {
            if (sequence.State is SequenceState.Outside or SequenceState.Ended) return;
            sequence.Generation.Fail(exception);
            Move(sequence, SequenceState.Ended);
        }
    }

    // All below is under the lock.
    // Answers that nobody reads give their places to those who would, the slowest client's first; none does in vain.
    private void MakeRoom(int continuations)
    {
        var missing = Taken + continuations - Capacity;
        if (missing <= 0) return;
        Generation[] unread = [.. _taken.Where(generation => generation.Reading.Waiting > _patience).OrderByDescending(generation => generation.Reading.Waiting)];
        if (unread.Sum(PlacesOf) < missing) return;
        foreach (var generation in unread.TakeWhile(_ => Taken + continuations > Capacity))
        {
            Release(generation);
            generation.Reading.End();
        }

        static int PlacesOf(Generation generation) => generation.Sequences.Count(sequence => sequence.State != SequenceState.Outside);
    }

    private int Taken => _places.Sum() - _places[(int)SequenceState.Outside];

    private void Move(GenerationSequence sequence, SequenceState state)
    {
        if (sequence.Node is { } node) _waiting.Remove(node);
        sequence.Node = null;
        if (sequence.State == SequenceState.Paused) _paused.Remove(sequence);
        _places[(int)sequence.State]--;
        _places[(int)state]++;
        if (sequence.Generation.Step is { } step) step.Users += (IsUser(state) ? 1 : 0) - (IsUser(sequence.State) ? 1 : 0);
        sequence.State = state;
    }

    private static bool IsUser(SequenceState state) => state is SequenceState.Waiting or SequenceState.Active or SequenceState.Paused;

    private BatchStep StepOf(ModelLease lease)
    {
        if (_steps.Find(step => step.Model == lease.Model) is { } existing) return existing;
        var step = new BatchStep(lease.Share(), _maxBatch);
        _steps.Add(step);
        return step;
    }

    // Only the thread that steps may: nobody else knows that none is under way.
    private void RetireSteps()
    {
        var current = _models.Model;
        for (var i = _steps.Count - 1; i >= 0; i--)
        {
            if (_steps[i].Users > 0 || _steps[i].Model == current) continue;
            _steps[i].Dispose();
            _steps.RemoveAt(i);
        }
    }

    // The queue is a few hundred long at most. One that waited for its client stands before those that have waited for longer.
    private void LookForBurst()
    {
        if (_burst.Options is null) return;
        var now = Stopwatch.GetTimestamp();
        var longest = _waiting.Count == 0 ? TimeSpan.Zero : Stopwatch.GetElapsedTime(_waiting.Min(sequence => sequence.WaitingSince), now);
        if (_burst.Look(_waiting.Count, longest)) _observer.BurstChanged(_burst.IsBurst);
    }

    private void AssignRows()
    {
        foreach (var step in _steps) step.Rows.Clear();
        foreach (var sequence in _active) sequence.Generation.Step!.Rows.Add(sequence);
        _running.Clear();
        _running.AddRange(_steps.Where(step => step.Rows.Count > 0));
    }
}
