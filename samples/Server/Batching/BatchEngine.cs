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

/// <summary>
/// Continuous batching: one thread steps all active continuations together. They join and leave between steps, so that
/// nobody waits for the longest answer of a batch. Others wait in a bounded queue, first come, first served.
/// </summary>
internal sealed class BatchEngine : IDisposable
{
    private readonly object _gate = new();
    private readonly LinkedList<GenerationSequence> _waiting = new();
    private readonly List<GenerationSequence> _active = [];
    private readonly TokenLogProb[] _top = new TokenLogProb[WireLimits.LogProbs];
    private readonly IEngineObserver _observer;
    private readonly BatchStep _step;
    private readonly Thread _thread;
    private readonly int _maxBatch;
    private TaskCompletionSource? _idle;
    private int _inFlight;
    private bool _isClosed;
    private bool _isStopped;

    public BatchEngine(ServedModel model, int maxBatch, int maxQueue, IEngineObserver observer)
    {
        (_maxBatch, _observer) = (maxBatch, observer);
        Capacity = maxBatch + maxQueue;
        _step = new BatchStep(model, maxBatch);
        _thread = new Thread(Run) { Name = "batching", IsBackground = true };
        _thread.Start();
    }

    /// <summary>The continuations that may be active or waiting at a time.</summary>
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
    public int Active
    {
        get
        {
            lock (_gate) return _inFlight - _waiting.Count;
        }
    }

    /// <summary>The continuations in the queue.</summary>
    public int Waiting
    {
        get
        {
            lock (_gate) return _waiting.Count;
        }
    }

    /// <summary>Takes a request, all of its continuations or none.</summary>
    public Admission Submit(Generation generation)
    {
        lock (_gate)
        {
            if (_isClosed) return Admission.Closed;
            if (_inFlight + generation.Sequences.Count > Capacity) return Admission.Full;
            _inFlight += generation.Sequences.Count;
            foreach (var sequence in generation.Sequences) sequence.Node = _waiting.AddLast(sequence);
            Monitor.Pulse(_gate);
            return Admission.Accepted;
        }
    }

    /// <summary>Ends what is left of a request. Its places are free at once; a step under way ends without it.</summary>
    public void Cancel(Generation generation)
    {
        lock (_gate)
        {
            foreach (var sequence in generation.Sequences) End(sequence);
        }
    }

    /// <summary>Takes no more requests.</summary>
    /// <returns>Ends when those taken before have ended.</returns>
    public Task CloseAsync()
    {
        lock (_gate)
        {
            _isClosed = true;
            _idle ??= new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            if (_inFlight == 0) _idle.TrySetResult();
            return _idle.Task;
        }
    }

    /// <summary>Ends every request with an error.</summary>
    public void FailAll(Exception exception)
    {
        lock (_gate)
        {
            foreach (var sequence in _waiting.Concat(_active).ToArray()) Fail(sequence, exception);
        }
    }

    public void Dispose()
    {
        lock (_gate)
        {
            _isClosed = _isStopped = true;
            foreach (var sequence in _waiting.Concat(_active).ToArray()) Fail(sequence, new ObjectDisposedException(nameof(BatchEngine)));
            Monitor.Pulse(_gate);
        }

        _thread.Join();
        _step.Dispose();
    }

    private void Run()
    {
        while (TakeBatch())
        {
            try
            {
                Step();
            }
            catch (Exception exception)
            {
                // No request may hang, and the next ones may fare better.
                _observer.StepFailed(exception);
                lock (_gate)
                {
                    foreach (var sequence in _active) Fail(sequence, exception);
                }
            }
        }
    }

    // Lets ended continuations leave and waiting ones join; waits while there are none.
    private bool TakeBatch()
    {
        lock (_gate)
        {
            while (true)
            {
                _active.RemoveAll(sequence => sequence.State != SequenceState.Active);
                while (_active.Count < _maxBatch && _waiting.First is { } first)
                {
                    Leave(first.Value);
                    first.Value.State = SequenceState.Active;
                    _active.Add(first.Value);
                }

                if (_active.Count > 0) return true;
                if (_isStopped) return false;
                Monitor.Wait(_gate);
            }
        }
    }

    private void Step()
    {
        var start = Stopwatch.GetTimestamp();
        var results = _step.Run(_active);
        _observer.Stepped(Stopwatch.GetElapsedTime(start), results);
        for (var i = 0; i < _active.Count; i++)
        {
            var (sequence, generation) = (_active[i], _active[i].Generation);
            if (generation.MarkFirstToken()) _observer.FirstToken(generation.FirstToken!.Value);
            var top = generation.Options.WantsLogProbs ? _step.CopyTop(i, _top) : 0;
            if (sequence.Accept(results[i], _top.AsSpan(0, top)) is null) continue;
            lock (_gate) End(sequence);
        }
    }

    private void Fail(GenerationSequence sequence, Exception exception)
    {
        if (sequence.State == SequenceState.Ended) return;
        sequence.Generation.Fail(exception);
        End(sequence);
    }

    private void End(GenerationSequence sequence)
    {
        if (sequence.State == SequenceState.Ended) return;
        Leave(sequence);
        sequence.State = SequenceState.Ended;
        if (--_inFlight == 0) _idle?.TrySetResult();
    }

    private void Leave(GenerationSequence sequence)
    {
        if (sequence.Node is { } node) _waiting.Remove(node);
        sequence.Node = null;
    }
}
