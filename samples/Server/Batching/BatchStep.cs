using AdaptiveSoftmax;

namespace ServerSample;

/// <summary>One step of a model for all its active continuations: the body, then the softmax.</summary>
/// <remarks>
/// A continuation's tokens must not depend on what it shares its steps with. From five rows on the body's products take
/// their rows in blocks, and batches of the softmax always do; there each row's sums have one order, whatever stands beside
/// it. Fewer rows would go one by one, with other last bits, so small batches are filled up: a block has sixteen lanes
/// anyway, so that the rows added cost next to nothing.
/// </remarks>
internal sealed class BatchStep : IDisposable
{
    private const int LeastRows = 16;

    // What a step reads of one prompt that is echoed: as much as a full batch by the usual options.
    private const int EchoRows = 64;

    private readonly ModelLease _lease;
    private readonly DecodeSession _session;
    private readonly int[] _windows;
    private readonly DecodeSequence[] _sequences;
    private readonly DecodedToken[] _results;
    private readonly List<TokenReport> _reports = [];

    /// <param name="lease">The model, held until this is disposed of.</param>
    /// <param name="maximumRows">The continuations of a step at most.</param>
    public BatchStep(ModelLease lease, int maximumRows)
    {
        _lease = lease;
        _session = Model.Head.CreateSession();
        _windows = new int[Math.Max(EchoRows, maximumRows) * Model.Model.Window];
        _sequences = new DecodeSequence[maximumRows];
        _results = new DecodedToken[maximumRows];
    }

    public ServedModel Model => _lease.Model;

    /// <summary>The continuations that have yet to be decoded to their end. The engine's to set, under its lock.</summary>
    public int Users { get; set; }

    /// <summary>The continuations of the next step. The engine's to fill.</summary>
    public List<GenerationSequence> Rows { get; } = [];

    /// <summary>Makes the next token of each continuation of <see cref="Rows"/>.</summary>
    /// <param name="faults">What went wrong with single rows. The others have the same tokens as without them.</param>
    /// <returns>The tokens, [rows], those of faulty rows −1. They hold until the next call.</returns>
    public ReadOnlySpan<DecodedToken> Run(out IReadOnlyList<DecodeFault> faults)
    {
        var window = Model.Model.Window;
        var filled = Math.Max(LeastRows, Rows.Count);
        _windows.AsSpan(Rows.Count * window, (filled - Rows.Count) * window).Fill(Model.Model.EndOfText);
        for (var i = 0; i < Rows.Count; i++)
        {
            Rows[i].Window.CopyTo(_windows.AsSpan(i * window));
            _sequences[i] = Rows[i].Decode;
        }

        var hidden = Model.Model.Forward(_windows.AsSpan(0, filled * window));
        var results = _results.AsSpan(0, Rows.Count);
        faults = [];
        try
        {
            _session.Sample(hidden[..(Rows.Count * Model.Model.Layout.HiddenSize)], _sequences.AsSpan(0, Rows.Count), results);
        }
        catch (DecodeException exception)
        {
            faults = exception.Faults;
        }

        return results;
    }

    /// <summary>Gives out the next part of a continuation's prompt.</summary>
    /// <returns>Why the continuation ends with it; null where it goes on.</returns>
    /// <exception cref="DecodeException">A value that was read is not finite.</exception>
    public FinishReason? Echo(GenerationSequence sequence)
    {
        var echo = sequence.Echo!;
        var window = Model.Model.Window;
        var tokens = echo.Next(_windows, EchoRows);
        var logProbs = new float[tokens.Length];
        var top = new TokenLogProb[tokens.Length][];
        if (tokens.Length > 0)
        {
            var filled = Math.Max(LeastRows, tokens.Length);
            _windows.AsSpan(tokens.Length * window, (filled - tokens.Length) * window).Fill(Model.Model.EndOfText);
            var hidden = Model.Model.Forward(_windows.AsSpan(0, filled * window))[..(tokens.Length * Model.Model.Layout.HiddenSize)];
            Model.Head.LogProbOf(hidden, tokens, logProbs);
            CopyTop(hidden, top, sequence.Decode.Options.TopLogProbs);
            // A token that is among them has the one log-prob.
            for (var i = 0; i < tokens.Length; i++)
            {
                var token = tokens[i];
                if (Array.FindIndex(top[i], each => each.Token == token) is >= 0 and var place) top[i][place] = new TokenLogProb(token, logProbs[i]);
            }
        }

        _reports.Clear();
        var text = echo.Take(logProbs, top, _reports);
        return sequence.Repeat(text, _reports);
    }

    // The most probable tokens of each row.
    private void CopyTop(ReadOnlySpan<float> hidden, TokenLogProb[][] top, int count)
    {
        var (tokens, logProbs, results) = (new int[top.Length * count], new float[top.Length * count], new TopKResult[top.Length]);
        if (count > 0) _session.TopK(hidden, tokens, logProbs, results);
        for (var i = 0; i < top.Length; i++)
        {
            top[i] = new TokenLogProb[count == 0 ? 0 : results[i].Count];
            for (var j = 0; j < top[i].Length; j++) top[i][j] = new TokenLogProb(tokens[(i * count) + j], logProbs[(i * count) + j]);
        }
    }

    /// <summary>The most probable tokens of a row of the last step, as many as its options ask for.</summary>
    public int CopyTop(int row, Span<TokenLogProb> tokens) => _session.CopyTopLogProbs(row, tokens);

    public void Dispose()
    {
        _session.Dispose();
        _lease.Dispose();
    }
}
