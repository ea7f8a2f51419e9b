namespace AdaptiveSoftmax;

/// <summary>
/// The logits of a softmax without tails for one hidden vector: upper bounds of all, and each one by itself where it is asked for.
/// </summary>
internal abstract unsafe class LogitSource
{
    /// <summary>The tokens.</summary>
    public int Rows { get; protected set; }

    /// <summary>A bound of each row's logit, [rows]. Who decodes may raise and lower them as scores differ from logits.</summary>
    public float* Upper { get; protected set; }

    /// <summary>No bound of a tile of rows is above this, [tiles].</summary>
    public float* Bound { get; protected set; }

    /// <summary>The rows of a tile.</summary>
    public int RowsPerTile { get; protected set; }

    /// <summary>No logit, and no bound, has a larger magnitude.</summary>
    public double LargestLogit { get; protected set; }

    /// <summary>The log-sum-exp where it is known; else NaN.</summary>
    public float LogSumExp { get; protected set; }

    /// <summary>A bound of a row's logit that may be closer.</summary>
    public abstract float Refine(int row);

    /// <summary>A row's logit.</summary>
    public abstract float Logit(int row);

    /// <summary>The log-prob that is reported for a logit.</summary>
    public abstract float LogProb(float logit);
}

/// <summary>A source whose bounds come from smaller copies of the weights.</summary>
internal abstract unsafe class ScreenedLogits : LogitSource
{
    /// <summary>The most vectors of a block.</summary>
    public const int MostRows = 16;

    /// <summary>How far below their bounds logits may be.</summary>
    public ScreenErrors Errors { get; protected set; }

    /// <summary>How far the sum of exponentials that is computed of the stored weights may be from the true one, relative to it.</summary>
    public double SumError { get; protected set; }

    /// <summary>Bounds the logits of a hidden vector.</summary>
    /// <param name="scratch">Lends the memory of the bounds.</param>
    /// <param name="hidden">The hidden vector, [hidden].</param>
    /// <param name="logProbError">How far reported log-probs may be from the exact ones; +∞ where none is wanted.</param>
    /// <param name="isFirst">False where the bounds of the call before left too many rows open, and closer ones are wanted.</param>
    /// <param name="isClosest">Whether only the closest bounds are of use, since masses hang on all of them.</param>
    /// <returns>Whether bounds hold and log-probs are close enough; else the stored weights decode.</returns>
    public abstract bool TryBegin(Scratch scratch, float* hidden, float logProbError, bool isFirst, bool isClosest);

    /// <summary>Whether masses can be bounded, and have been close enough of late where only the closest bounds are of use; to be asked once a call.</summary>
    public abstract bool MayBoundMasses(bool isClosest);

    /// <summary>Bounds the logits of a block of hidden vectors, as products of a block round them; for no log-probs.</summary>
    /// <param name="scratch">Lends the memory of the bounds.</param>
    /// <param name="hidden">The hidden vectors, [count, hidden].</param>
    /// <param name="count">Their number, at most <see cref="MostRows"/>.</param>
    /// <param name="isClosest">Whether only the closest bounds are of use.</param>
    public abstract void BeginBlock(Scratch scratch, float* hidden, int count, bool isClosest);

    /// <summary>Goes on to a vector of the block.</summary>
    /// <returns>Whether its bounds hold.</returns>
    public abstract bool TryBeginRow(int row);

    /// <summary>The decoding has ended.</summary>
    /// <param name="isDecided">Whether the bounds sufficed.</param>
    /// <param name="hangsOnMasses">Whether the choice hung on a sum over all rows.</param>
    public abstract void End(bool isDecided, bool hangsOnMasses);
}

/// <summary>Logits that were all computed.</summary>
internal sealed unsafe class ComputedLogits : LogitSource
{
    private const int TileSize = 512;
    private float* _logits;

    /// <summary>Takes the logits in.</summary>
    /// <param name="scratch">Lends the memory of the bounds.</param>
    /// <param name="logits">The logits, [rows], which stay as they are.</param>
    /// <param name="rows">Their number.</param>
    /// <param name="logSumExp">Their log-sum-exp.</param>
    public void Begin(Scratch scratch, float* logits, int rows, float logSumExp)
    {
        _logits = logits;
        (Rows, RowsPerTile, LogSumExp) = (rows, TileSize, logSumExp);
        Upper = scratch.Floats(rows);
        Bound = scratch.Floats((rows + TileSize - 1) / TileSize);
        new ReadOnlySpan<float>(logits, rows).CopyTo(new Span<float>(Upper, rows));
        LargestLogit = Vectors.LargestMagnitude(logits, rows);
        for (var first = 0; first < rows; first += TileSize) Bound[first / TileSize] = SoftmaxKernel.Maximum(logits + first, Math.Min(TileSize, rows - first));
    }

    public override float Refine(int row) => _logits[row];

    public override float Logit(int row) => _logits[row];

    public override float LogProb(float logit) => BestScore.Of(logit, LogSumExp, cluster: 0);
}
