namespace AdaptiveSoftmax;

/// <summary>What a certified decoder has done so far, over all threads.</summary>
/// <param name="Predictions">The hidden vectors that were screened.</param>
/// <param name="ScreenedRows">The rows of head and tails whose int8 logits were computed for them.</param>
/// <param name="RescoredRows">The rows among them that were read in float32 because their bound did not exclude them.</param>
/// <param name="Float32Tails">The tails that were computed in float32 because their log-sum-exp decided.</param>
/// <param name="Float32Predictions">The hidden vectors that were left to the float32 layer because too many rows were too close.</param>
public readonly record struct CertifiedStatistics(long Predictions, long ScreenedRows, long RescoredRows, long Float32Tails, long Float32Predictions)
{
    /// <summary>The fraction of screened rows that were read in float32; 0 before the first prediction.</summary>
    public double RescoredShare => ScreenedRows == 0 ? 0 : (double)RescoredRows / ScreenedRows;
}
