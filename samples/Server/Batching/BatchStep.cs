using AdaptiveSoftmax;

namespace ServerSample;

/// <summary>One step of the model for all active continuations: the body, then the softmax.</summary>
/// <remarks>
/// A continuation's tokens must not depend on what it shares its steps with. From five rows on the body's products take
/// their rows in blocks, and batches of the softmax always do; there each row's sums have one order, whatever stands beside
/// it. Fewer rows would go one by one, with other last bits, so small batches are filled up: a block has sixteen lanes
/// anyway, so that the rows added cost next to nothing.
/// </remarks>
internal sealed class BatchStep : IDisposable
{
    private const int LeastRows = 16;

    private readonly ServedModel _model;
    private readonly DecodeSession _session;
    private readonly int[] _windows;
    private readonly DecodeSequence[] _sequences;
    private readonly DecodedToken[] _results;

    public BatchStep(ServedModel model, int maximumRows)
    {
        _model = model;
        _session = model.Model.Softmax.CreateSession();
        _windows = new int[Math.Max(LeastRows, maximumRows) * model.Model.Window];
        _sequences = new DecodeSequence[maximumRows];
        _results = new DecodedToken[maximumRows];
    }

    /// <summary>Makes the next token of each continuation.</summary>
    /// <param name="rows">The continuations.</param>
    /// <param name="faults">What went wrong with single rows. The others have the same tokens as without them.</param>
    /// <returns>The tokens, [rows], those of faulty rows −1. They hold until the next call.</returns>
    public ReadOnlySpan<DecodedToken> Run(IReadOnlyList<GenerationSequence> rows, out IReadOnlyList<DecodeFault> faults)
    {
        var window = _model.Model.Window;
        var filled = Math.Max(LeastRows, rows.Count);
        _windows.AsSpan(rows.Count * window, (filled - rows.Count) * window).Fill(_model.Model.EndOfText);
        for (var i = 0; i < rows.Count; i++)
        {
            rows[i].Window.CopyTo(_windows.AsSpan(i * window));
            _sequences[i] = rows[i].Decode;
        }

        var hidden = _model.Model.Forward(_windows.AsSpan(0, filled * window));
        var results = _results.AsSpan(0, rows.Count);
        faults = [];
        try
        {
            _session.Sample(hidden[..(rows.Count * _model.Model.Layout.HiddenSize)], _sequences.AsSpan(0, rows.Count), results);
        }
        catch (DecodeException exception)
        {
            faults = exception.Faults;
        }

        return results;
    }

    /// <summary>The most probable tokens of a row of the last step, as many as its options ask for.</summary>
    public int CopyTop(int row, Span<TokenLogProb> tokens) => _session.CopyTopLogProbs(row, tokens);

    public void Dispose() => _session.Dispose();
}
