using ILGPU;
using ILGPU.Runtime;

namespace LanguageModelSample;

/// <summary>
/// The embeddings that a batch needs, on the device, and for the way back the places of each embedding as a chain: so its
/// gradients are summed in the order of the batch, without atomics and without a pass over the table.
/// </summary>
internal sealed class WindowRows(Accelerator accelerator, int[] embeddingRows, int tableRows) : IDisposable
{
    private readonly DeviceArray<int> _deviceRows = new(accelerator), _deviceNext = new(accelerator), _deviceFirsts = new(accelerator);
    private readonly int[] _last = CreateLast(tableRows);
    private int[] _rows = [], _next = [], _firsts = [];

    /// <summary>The row of each place in a window, [tokens, window].</summary>
    public ArrayView<int> Rows { get; private set; }

    /// <summary>The next place of the same row, or −1; [tokens, window].</summary>
    public ArrayView<int> Next { get; private set; }

    /// <summary>The places that are the first of their row.</summary>
    public ArrayView<int> Firsts { get; private set; }

    public long Bytes => _deviceRows.Bytes + _deviceNext.Bytes + _deviceFirsts.Bytes;

    /// <summary>Uploads the rows of windows.</summary>
    /// <param name="windows">Token ids, [tokens, window].</param>
    /// <param name="wantsChains">Whether gradients will be added to the rows.</param>
    public void Set(ReadOnlySpan<int> windows, bool wantsChains)
    {
        if (_rows.Length < windows.Length) (_rows, _next, _firsts) = (new int[windows.Length], new int[windows.Length], new int[windows.Length]);
        for (var i = 0; i < windows.Length; i++) _rows[i] = embeddingRows[windows[i]];
        Rows = _deviceRows.Upload(_rows.AsSpan(0, windows.Length));
        if (!wantsChains) return;
        Next = default;
        var count = 0;
        for (var i = windows.Length - 1; i >= 0; i--)
        {
            _next[i] = _last[_rows[i]];
            _last[_rows[i]] = i;
        }

        for (var i = 0; i < windows.Length; i++)
        {
            if (_last[_rows[i]] != i) continue;
            _firsts[count++] = i;
        }

        for (var i = 0; i < count; i++) _last[_rows[_firsts[i]]] = -1;
        Next = _deviceNext.Upload(_next.AsSpan(0, windows.Length));
        Firsts = _deviceFirsts.Upload(_firsts.AsSpan(0, count));
    }

    public void Dispose()
    {
        _deviceRows.Dispose();
        _deviceNext.Dispose();
        _deviceFirsts.Dispose();
    }

    private static int[] CreateLast(int rows)
    {
        var last = new int[rows];
        Array.Fill(last, -1);
        return last;
    }
}
