namespace AdaptiveSoftmax.Vocabulary;

/// <summary>
/// The files that a run writes, so that whoever leaves it behind takes back what is not complete and knows what is. A disk may
/// take seconds to flush a large file, and no token reaches a thread that waits for it.
/// </summary>
internal sealed class WriteJournal
{
    private static readonly AsyncLocal<WriteJournal?> s_current = new();

    private readonly Lock _gate = new();
    private readonly HashSet<WrittenFile> _open = [];
    private readonly List<string> _written = [];
    private bool _isClosed;

    /// <summary>The journal of the run that calls; null where nobody keeps one.</summary>
    public static WriteJournal? Current => s_current.Value;

    /// <summary>Begins a journal for whatever the caller starts from here on.</summary>
    public static WriteJournal Begin() => s_current.Value = new WriteJournal();

    /// <summary>Enters a file that is begun.</summary>
    /// <exception cref="OperationCanceledException">The run was left behind.</exception>
    public void Add(WrittenFile file)
    {
        lock (_gate)
        {
            ThrowIfClosed();
            _open.Add(file);
        }
    }

    /// <summary>Makes a file's content its own, unless the run was left behind.</summary>
    /// <exception cref="OperationCanceledException">The run was left behind.</exception>
    public void Complete(WrittenFile file, string path, Action rename)
    {
        lock (_gate)
        {
            ThrowIfClosed();
            rename();
            _open.Remove(file);
            _written.Add(path);
        }
    }

    /// <summary>Takes out a file that was given up.</summary>
    public void Remove(WrittenFile file)
    {
        lock (_gate) _open.Remove(file);
    }

    /// <summary>Leaves the run behind: what is not complete is deleted, and nothing is completed any more.</summary>
    /// <returns>The files that are complete.</returns>
    public IReadOnlyList<string> Close()
    {
        lock (_gate)
        {
            _isClosed = true;
            foreach (var file in _open) file.DeleteTemporary();
            _open.Clear();
            return [.. _written];
        }
    }

    private void ThrowIfClosed()
    {
        if (_isClosed) throw new OperationCanceledException("The run was left behind before this file was complete.");
    }
}
