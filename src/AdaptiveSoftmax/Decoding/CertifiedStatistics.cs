namespace AdaptiveSoftmax;

/// <summary>What certified decoding has done so far: of a decoder, over all threads, or of one session.</summary>
/// <param name="Predictions">The hidden vectors that were screened.</param>
/// <param name="ScreenedRows">The rows of head and tails that were screened for them from end to end; a head is twice where so many rows passed int4 that int8 read all.</param>
/// <param name="Int4Rows">The rows whose int4 logits were computed.</param>
/// <param name="Int8Rows">The rows whose int8 logits were computed: where int4 stands first, those that it left.</param>
/// <param name="RescoredRows">The rows that were read as they are stored because no bound excluded them.</param>
/// <param name="StoredTails">The tails that the stored weights computed because their log-sum-exp decided.</param>
/// <param name="StoredPredictions">The hidden vectors that were left to the stored weights because too many rows were too close.</param>
public readonly record struct CertifiedStatistics(long Predictions, long ScreenedRows, long Int4Rows, long Int8Rows, long RescoredRows, long StoredTails, long StoredPredictions)
{
    /// <summary>Those of <see cref="Predictions"/> that hung on a sum over all rows: draws of a nucleus without top-k, choices under a repetition penalty, and log-probs.</summary>
    public long MassPredictions { get; init; }

    /// <summary>Those of <see cref="MassPredictions"/> that were left to the stored weights, since bounds of the sum left them open.</summary>
    public long StoredMassPredictions { get; init; }

    /// <summary>The fraction of screened rows that were read as they are stored; 0 before the first prediction.</summary>
    public double RescoredShare => ScreenedRows == 0 ? 0 : (double)RescoredRows / ScreenedRows;
}
