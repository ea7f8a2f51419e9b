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

    // What a reported log-prob is rounded by, relative to what it is computed from.
    private const double Rounding = 1.0 / (1 << 22);

    private double _middle;

    /// <summary>How far below their bounds logits may be.</summary>
    public ScreenErrors Errors { get; protected set; }

    /// <summary>How far the sum of exponentials that is computed of the stored weights may be from the true one, relative to it.</summary>
    public double SumError { get; protected set; }

    /// <summary>What was screened and read since this was made.</summary>
    public abstract CertifiedStatistics Statistics { get; }

    /// <summary>Bounds the logits of a hidden vector.</summary>
    /// <param name="scratch">Lends the memory of the bounds.</param>
    /// <param name="hidden">The hidden vector, [hidden].</param>
    /// <param name="isFirst">False where the bounds of the call before left too many rows open, and closer ones are wanted.</param>
    /// <param name="isClosest">Whether only the closest bounds are of use, since a sum over all rows hangs on them.</param>
    /// <returns>Whether bounds hold; else the stored weights decode.</returns>
    public abstract bool TryBegin(Scratch scratch, float* hidden, bool isFirst, bool isClosest);

    /// <summary>Whether sums over all rows can be bounded, and have been close enough of late where only the closest bounds are of use; to be asked once a call.</summary>
    public abstract bool MayBoundMasses(bool isClosest);

    /// <summary>Whether the closest bounds may give log-probs so close, as far as the vector and the weights' rounding say: whatever was decoded before.</summary>
    /// <param name="hidden">The hidden vector, [hidden].</param>
    /// <param name="error">How far log-probs may be from the exact ones.</param>
    public abstract bool MayBoundLogProbs(float* hidden, float error);

    /// <summary>Bounds the logits of a block of hidden vectors, as products of a block round them.</summary>
    /// <param name="scratch">Lends the memory of the bounds.</param>
    /// <param name="hidden">Hidden vectors, [any, hidden].</param>
    /// <param name="rows">Which of them, at most <see cref="MostRows"/>.</param>
    /// <param name="isClosest">Whether only the closest bounds are of use.</param>
    public abstract void BeginBlock(Scratch scratch, float* hidden, ReadOnlySpan<int> rows, bool isClosest);

    /// <summary>Goes on to a vector of the block.</summary>
    /// <param name="at">Its place in the block; ascending.</param>
    /// <returns>Whether its bounds hold.</returns>
    public abstract bool TryBeginRow(int at);

    /// <summary>The decoding has ended.</summary>
    /// <param name="isDecided">Whether the bounds sufficed.</param>
    /// <param name="hangsOnMasses">Whether the choice or its log-prob hung on a sum over all rows.</param>
    /// <param name="isClosest">Whether only the closest bounds were of use.</param>
    public abstract void End(bool isDecided, bool hangsOnMasses, bool isClosest);

    /// <summary>Reports log-probs by the middle of what the log-sum-exp lies between.</summary>
    /// <param name="least">It is not below this.</param>
    /// <param name="most">Nor above this.</param>
    /// <param name="error">How far log-probs may be from the exact ones.</param>
    /// <returns>Whether they are close enough.</returns>
    public bool TryReport(double least, double most, float error)
    {
        _middle = (least + most) / 2;
        return ((most - least) / 2) + ((LargestLogit + Math.Abs(_middle)) * Rounding) <= error;
    }

    public override float LogProb(float logit) => (float)(logit - _middle);

    /// <summary>Log-probs are not known before the log-sum-exp is.</summary>
    protected void ForgetLogProbs() => _middle = double.NaN;
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
