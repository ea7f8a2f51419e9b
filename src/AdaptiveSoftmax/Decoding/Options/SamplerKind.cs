namespace AdaptiveSoftmax;

/// <summary>How a token is drawn from the distribution that temperature and filters leave.</summary>
public enum SamplerKind
{
    /// <summary>By one uniform number and the running sum of probabilities, which needs every log-prob of the clusters a draw falls on.</summary>
    Inversion,

    /// <summary>
    /// By the largest sum of score and T times Gumbel noise, which is a draw from the same distribution and needs no normaliser: the noise
    /// of a token is −log(−log u), with u a hash of seed, stream, position and slot, and a score is the stored logit plus biases and less
    /// penalties, in float64; of equal sums the lower slot wins. For a softmax without tails. With
    /// <see cref="DecodeOptions.LogProbError"/> above 0 a <see cref="CertifiedSoftmax"/> draws the same token as the weights that it
    /// certifies, from bounds. Other tokens than <see cref="Inversion"/> draws.
    /// </summary>
    Gumbel,
}
