namespace AdaptiveSoftmax;

/// <summary>
/// What a row asks of the scores of one cluster, wherever these lie: in memory, or on a device that answers for many rows at once.
/// </summary>
internal interface IClusterScores
{
    /// <summary>The tempered mass, Σ exp((score − best) / T); 0 where no token may be chosen.</summary>
    /// <param name="inverse">1 / T.</param>
    /// <param name="best">Receives the best score; −∞ where no token may be chosen.</param>
    double Mass(float inverse, out float best);

    /// <summary>Draws a token by the weights of <see cref="Mass"/>, which was asked for last.</summary>
    /// <param name="uniform">A number in [0, 1).</param>
    /// <returns>The token's place in the cluster, and its score.</returns>
    (int Row, float Score) Draw(double uniform);

    /// <summary>Offers the tokens to the best ones.</summary>
    void AddTo(TopList top);

    /// <summary>Adds the masses of the tokens by score.</summary>
    /// <param name="masses">The histogram.</param>
    /// <param name="reference">The score that weighs 1; none is higher.</param>
    /// <param name="limit">Lower scores do not matter.</param>
    void AddTo(MassHistogram masses, float reference, float limit);

    /// <summary>Offers the tokens at or above a score to a nucleus; false where they come later, with <see cref="RowDecoder.Collect"/>.</summary>
    bool TryCollect(NucleusChooser nucleus, float limit);
}
