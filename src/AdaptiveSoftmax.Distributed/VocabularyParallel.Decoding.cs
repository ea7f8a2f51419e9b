namespace AdaptiveSoftmax.Distributed;

// Decoding where each rank has hidden vectors of its own.
public sealed partial class VocabularyParallel
{
    // Ranks that decode with different layers are told so by it.
    private readonly int _number;
    private DecodingRounds? _rounds;

    /// <summary>
    /// Until what it returns is disposed, each rank decodes hidden vectors of its own: as many as it has, by whatever calls of this
    /// layer and of its sessions, in its own order, or none. Disposing answers the other ranks until all of them dispose.
    /// </summary>
    /// <remarks>
    /// Results have the bits of a whole layer for the same call. Options, masks, histories and random numbers stay with their rank, and
    /// so does an exception of one of its calls, unless it comes while ranks compute for each other, as of memory that is lacking: then
    /// every later call of this layer says so on its rank. Of several layers one at a time decodes so, on all ranks the same. For each cut cluster that a vector needs, the vector goes to all ranks, in the
    /// cluster's own width, and of its logits those of the other ranks' rows come back, to its rank alone. A rank that computes
    /// something else in between lets those wait that ask. Nothing may be trained in the meantime.
    /// </remarks>
    /// <returns>What ends it, on every rank.</returns>
    /// <exception cref="InvalidOperationException">It has begun already, or has failed half way before.</exception>
    /// <exception cref="ObjectDisposedException">The layer is disposed.</exception>
    /// <exception cref="RankMismatchException">A call in the meantime, or the disposal: another rank makes another call.</exception>
    public IDisposable DecodeGathered()
    {
        ThrowIfBusy();
        return _rounds = new DecodingRounds(_collectives, _number, _layers.Cuts, Pool, DecodeBlockSize);
    }

    // The other ranks would take what it asks for what it decodes.
    private void ThrowIfBusy()
    {
        ThrowIfDisposed();
        _rounds?.ThrowIfFailed();
        if (_rounds is { IsOpen: true })
            throw new InvalidOperationException(FormattableString.Invariant($"Rank {_collectives.Rank} decodes hidden vectors of its own; dispose what {nameof(DecodeGathered)} returned, on every rank, before anything else."));
    }
}
