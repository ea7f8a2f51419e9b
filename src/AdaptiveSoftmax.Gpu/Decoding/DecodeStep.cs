using System.Numerics;
using AdaptiveSoftmax.Gpu.Kernels;
using AdaptiveSoftmax.Vocabulary;
using ILGPU;
using ILGPU.Runtime;

namespace AdaptiveSoftmax.Gpu;

/// <summary>
/// What rows of a batch ask of head and tails, and the device's answers: the products of all that ask, their scores where the
/// logits were, and of these what rows choose by. Scores stay on the device; for each row some numbers and its best tokens come back.
/// </summary>
internal sealed class DecodeStep : IDisposable
{
    private readonly Accelerator _accelerator;
    private readonly SoftmaxLayout _layout;
    private readonly DecodeLinears _linears;
    private readonly DeviceTables _tables;
    private readonly CommonKernels _common;
    private readonly RowKernelSet _kernels;
    private readonly Scratch _memory;
    private readonly DeviceMasks _masks;
    private readonly GrowingBuffer<float> _padded, _projected, _logits, _clusters, _originals;
    private readonly GrowingBuffer<int> _members, _found;
    private readonly GrowingBuffer<BatchPlan> _plan;
    private readonly GrowingBuffer<RowRequest> _requests;
    private readonly GrowingBuffer<RowShift> _shifts;
    private readonly GrowingBuffer<RowStatus> _status;
    private readonly GrowingBuffer<RowMasses> _masses;
    private readonly GrowingBuffer<long> _spread;
    private readonly GrowingBuffer<RowToken> _tokens;
    private readonly List<ScoreShift> _scoreShifts = [];
    private readonly List<RowShift> _rowShifts = [];
    private DeviceScores[] _heads = [];
    private DeviceScores[] _tails = [];
    private RowRequest[] _asked = [];
    private float[] _hostClusters = [], _hostOriginals = [];
    private int[] _hostFound = [];
    private RowStatus[] _hostStatus = [];
    private RowMasses[] _hostMasses = [];
    private long[] _hostSpread = [];
    private RowToken[] _hostTokens = [];
    private int[] _all = [];
    private ArrayView<float> _hidden;

    /// <summary>Describes the work. The layer's weights and tables stay the layer's.</summary>
    /// <param name="accelerator">The device.</param>
    /// <param name="layout">The sizes.</param>
    /// <param name="linears">The layer's weights.</param>
    /// <param name="tables">The layer's tables.</param>
    /// <param name="logitBytes">The bytes of logits that are kept at once, if that is 16 rows or more.</param>
    public DecodeStep(Accelerator accelerator, SoftmaxLayout layout, DecodeLinears linears, DeviceTables tables, long logitBytes)
    {
        (_accelerator, _layout, _linears, _tables) = (accelerator, layout, linears, tables);
        _common = KernelCache.Get(accelerator, device => new CommonKernels(device));
        _kernels = KernelCache.Get(accelerator, device => new RowKernelSet(device));
        _memory = new Scratch(accelerator);
        Traffic = new HostTraffic(accelerator);
        _padded = _memory.Add<float>("hidden vectors of rows");
        _projected = _memory.Add<float>("projected vectors of rows");
        _logits = _memory.Add<float>("the logits of rows");
        _clusters = _memory.Add<float>("log-probs of clusters of rows");
        _originals = _memory.Add<float>("log-probs of tokens with a penalty or a bias");
        _members = _memory.Add<int>("the rows of a tail");
        _found = _memory.Add<int>("the numbers of tokens found");
        _plan = _memory.Add<BatchPlan>("the plan of rows");
        _requests = _memory.Add<RowRequest>("what rows ask");
        _shifts = _memory.Add<RowShift>("penalties and biases of rows");
        _status = _memory.Add<RowStatus>("the log-sum-exp of rows");
        _masses = _memory.Add<RowMasses>("the masses of rows");
        _spread = _memory.Add<long>("the masses of rows by score");
        _tokens = _memory.Add<RowToken>("the best tokens of rows");
        _masks = new DeviceMasks(Traffic, _memory.Add<int>("masks"));
        var widest = layout.Tails.Select(tail => Sizes.Stride(tail.Size)).Append(Sizes.Stride(layout.HeadRows)).Max();
        BlockSize = (int)Math.Clamp(logitBytes / (sizeof(float) * (long)widest), BatchKernels.LeastTokens, MostRows);
    }

    /// <summary>The rows that are taken at once.</summary>
    public int BlockSize { get; }

    /// <summary>What was copied.</summary>
    public HostTraffic Traffic { get; }

    /// <summary>The bytes on the device.</summary>
    public long Bytes => _memory.Bytes;

    private AcceleratorStream Stream => _accelerator.DefaultStream;

    private static int MostRows => 1024;

    /// <summary>Takes the head of all rows of a block.</summary>
    /// <param name="hidden">The hidden vectors on the device, [rows, hidden], which stay until the block is done.</param>
    /// <param name="rows">The rows, prepared.</param>
    /// <param name="wantsDraw">Whether tokens are to be drawn.</param>
    /// <param name="failed">Receives the rows whose logits are not finite.</param>
    public void TakeHead(ArrayView<float> hidden, ReadOnlySpan<RowDecoder> rows, bool wantsDraw, List<int> failed)
    {
        _hidden = hidden;
        Reserve(rows.Length);
        _masks.Begin();
        foreach (var row in rows) _masks.Add(row.Options.Mask);
        _masks.Upload();
        _common.Pad(Stream, Launches.Threads(_accelerator, hidden.Length), hidden, _padded.View, _plan.View, rows.Length, _layout.HiddenSize);
        _linears.Head.Store(Stream, rows.Length, _padded.View, _plan.View, _tables.Outputs, _logits.View, cluster: 0);
        Take(cluster: 0, rows, _all.AsSpan(0, rows.Length), wantsDraw, failed);
    }

    /// <summary>Takes a tail of the rows that asked for it.</summary>
    /// <param name="tail">The tail.</param>
    /// <param name="rows">All rows of the block.</param>
    /// <param name="members">Those that asked.</param>
    /// <param name="failed">Receives the rows whose logits are not finite.</param>
    public void TakeTail(int tail, ReadOnlySpan<RowDecoder> rows, ReadOnlySpan<int> members, List<int> failed)
    {
        var cluster = tail + 1;
        Traffic.Upload(members, _members);
        Traffic.Upload([new BatchPlan { Count = members.Length }], _plan.View.SubView(cluster, 1));
        _common.Gather(
            Stream, Launches.Threads(_accelerator, (long)members.Length * Sizes.Stride(_layout.HiddenSize)), _hidden, _members.View, _plan.View, _padded.View, _layout.HiddenSize, cluster);
        var (projection, output) = _linears.Tails[tail];
        projection.Store(Stream, members.Length, _padded.View, _plan.View, _tables.Projections, _projected.View, cluster);
        output.Store(Stream, members.Length, _projected.View, _plan.View, _tables.Outputs, _logits.View, cluster);
        Take(cluster, rows, members, wantsDraw: false, failed);
    }

    /// <summary>Releases the memory after a step that did not end, so that one of fewer rows finds room; the next one takes it anew.</summary>
    public void Release()
    {
        _memory.Dispose();
        _masks.Forget();
    }

    public void Dispose() => _memory.Dispose();

    private void Reserve(int rows)
    {
        var widest = 0L;
        var width = 0;
        foreach (var tail in _layout.Tails) (widest, width) = (Math.Max(widest, Sizes.Stride(tail.Size)), Math.Max(width, Sizes.Stride(tail.ProjectionWidth)));
        _padded.Reserve((long)rows * Sizes.Stride(_layout.HiddenSize));
        _projected.Reserve((long)rows * width);
        _logits.Reserve(rows * Math.Max(widest, Sizes.Stride(_layout.HeadRows)));
        _clusters.Reserve((long)rows * _layout.TailCount);
        _plan.Reserve(_layout.TailCount + 1);
        _status.Reserve(rows);
        _masses.Reserve(rows);
        _spread.Reserve((long)rows * MassHistogram.Buckets);
        _found.Reserve(rows);
        _originals.Reserve(1);
        if (_heads.Length >= rows) return;
        _heads = [.. Enumerable.Range(0, rows).Select(_ => new DeviceScores())];
        _tails = [.. Enumerable.Range(0, rows).Select(_ => new DeviceScores())];
        _all = [.. Enumerable.Range(0, rows)];
        _asked = new RowRequest[rows];
    }

    private void Take(int cluster, ReadOnlySpan<RowDecoder> rows, ReadOnlySpan<int> members, bool wantsDraw, List<int> failed)
    {
        var count = members.Length;
        var size = cluster == 0 ? _layout.ShortlistSize : _layout.Tails[cluster - 1].Size;
        var weightRows = cluster == 0 ? _layout.HeadRows : size;
        var (tokens, masses) = Ask(cluster, size, rows, members);
        var arguments = new RowArguments { Cluster = cluster, Rows = count, Clusters = _layout.TailCount, MaskWords = _masks.Words, MassBits = BitsOf(weightRows) };
        var groups = Launches.Groups(_accelerator, count);
        var scores = _logits.View.Cast<Float4>();
        _kernels.Write(Stream, groups, scores, _tables.Outputs, _tables.GroupSizes, _requests.View, _masks.View, _clusters.View, _status.View, arguments);
        if (_rowShifts.Count > 0)
            _kernels.Shift(Stream, Launches.Threads(_accelerator, _rowShifts.Count), _logits.View, _tables.Outputs, _shifts.View, _originals.View, _rowShifts.Count, cluster);
        if (masses > 0) _kernels.Weigh(Stream, groups, scores, _tables.Outputs, _requests.View, _masses.View, arguments);
        if (masses > 1) _kernels.Spread(Stream, Launches.Groups(_accelerator, 2L * count), scores, _tables.Outputs, _requests.View, _masses.View, _spread.View, arguments);
        if (tokens > 0)
        {
            _tokens.Reserve(BitOperations.RoundUpToPowerOf2((uint)tokens));
            _kernels.Select(Stream, groups, scores, _tables.Outputs, _requests.View, _tokens.View, _found.View, arguments);
        }

        Traffic.Download(_status, count, ref _hostStatus);
        if (cluster == 0) Traffic.Download(_clusters, count * _layout.TailCount, ref _hostClusters);
        Traffic.Download(_originals, _rowShifts.Count, ref _hostOriginals);
        if (masses > 0) Traffic.Download(_masses, count, ref _hostMasses);
        if (masses > 1) Traffic.Download(_spread, count * MassHistogram.Buckets, ref _hostSpread);
        if (tokens > 0)
        {
            Traffic.Download(_found, count, ref _hostFound);
            Traffic.Download(_tokens, tokens, ref _hostTokens);
        }

        for (int i = 0, shift = 0; i < count; i++)
        {
            var row = rows[members[i]];
            var answers = (cluster == 0 ? _heads : _tails)[i];
            answers.Set(row.InverseTemperature, masses > 0 ? _hostMasses[i] : default);
            if (masses > 1) answers.SetSpread(_hostSpread, i * MassHistogram.Buckets, 1.0 / (1 << arguments.MassBits));
            answers.SetTokens(_hostTokens, _asked[i].First, _asked[i].Wanted == 0 ? 0 : _hostFound[i]);
            var start = cluster == 0 ? 0 : _layout.Tails[cluster - 1].Start;
            for (; shift < _rowShifts.Count && _rowShifts[shift].Row == i; shift++) row.NoteOriginal(start + _rowShifts[shift].Column, _hostOriginals[shift]);
            if (_hostStatus[i].Faults != 0 || !float.IsFinite(_hostStatus[i].LogSumExp))
            {
                row.Fail();
                failed.Add(members[i]);
            }
            else if (cluster == 0)
            {
                row.TakeHead(_hostClusters.AsSpan(i * _layout.TailCount, _layout.TailCount), answers, wantsDraw);
            }
            else
            {
                row.Accept(cluster - 1, answers);
            }
        }

        if (masses > 1) Collect(cluster, rows, members, arguments);
    }

    // Gives how many tokens all rows ask for, and the most that one asks of masses.
    private (int Tokens, int Masses) Ask(int cluster, int size, ReadOnlySpan<RowDecoder> rows, ReadOnlySpan<int> members)
    {
        var start = cluster == 0 ? 0 : _layout.Tails[cluster - 1].Start;
        var (tokens, masses) = (0, 0);
        _rowShifts.Clear();
        for (var i = 0; i < members.Length; i++)
        {
            var row = rows[members[i]];
            var mask = row.Options.Mask?.IsPartial(cluster) == true ? _masks.Add(row.Options.Mask) : -1;
            ref var request = ref _asked[i];
            request = DeviceScores.Ask(row, cluster, size, cluster == 0 ? 0 : row.Clusters[cluster - 1].LogProb, mask, tokens);
            tokens = checked(tokens + request.Wanted);
            masses = Math.Max(masses, request.Masses);
            _scoreShifts.Clear();
            row.DescribeShifts(cluster, start, size, _scoreShifts);
            foreach (var shift in _scoreShifts)
                _rowShifts.Add(new RowShift { Row = i, Column = shift.Slot - start, Factor = shift.Factor, Loss = shift.Loss, Bias = shift.Bias });
        }

        Traffic.Upload(_asked.AsSpan(0, members.Length), _requests);
        if (_rowShifts.Count > 0)
        {
            Traffic.Upload(System.Runtime.InteropServices.CollectionsMarshal.AsSpan(_rowShifts), _shifts);
            _originals.Reserve(BitOperations.RoundUpToPowerOf2((uint)_rowShifts.Count));
        }

        return (tokens, masses);
    }

    // The tokens of nuclei: first their numbers, and then so many.
    private void Collect(int cluster, ReadOnlySpan<RowDecoder> rows, ReadOnlySpan<int> members, RowArguments arguments)
    {
        var answers = cluster == 0 ? _heads : _tails;
        var count = members.Length;
        var asks = false;
        for (var i = 0; i < count; i++)
        {
            asks |= answers[i].Asked is not null;
            _asked[i] = answers[i].AskForNucleus(_asked[i], first: 0, capacity: 0);
        }

        if (!asks) return;
        Traffic.Upload(_asked.AsSpan(0, count), _requests);
        _tokens.Reserve(1);
        Select();
        Traffic.Download(_found, count, ref _hostFound);
        var total = 0;
        for (var i = 0; i < count; i++)
        {
            _asked[i] = answers[i].AskForNucleus(_asked[i], total, _hostFound[i]);
            total = checked(total + _hostFound[i]);
        }

        _tokens.Reserve(BitOperations.RoundUpToPowerOf2((uint)total));
        Traffic.Upload(_asked.AsSpan(0, count), _requests);
        Select();
        Traffic.Download(_tokens, total, ref _hostTokens);
        for (var i = 0; i < count; i++)
        {
            if (answers[i].Asked is null) continue;
            foreach (var token in _hostTokens.AsSpan(_asked[i].First, _hostFound[i])) rows[members[i]].Collect(token.Slot, token.Score);
            rows[members[i]].EndCollecting();
        }

        void Select() => _kernels.Select(
            Stream, Launches.Groups(_accelerator, count), _logits.View.Cast<Float4>(), _tables.Outputs, _requests.View, _tokens.View, _found.View, arguments);
    }

    // So that a thread's share of a row, each token of which weighs 1 at most, stays an integer.
    private static int BitsOf(int rows) => 29 - BitOperations.Log2((uint)Sizes.Tiles(rows, TileProduct.GroupSize) + 4);
}
