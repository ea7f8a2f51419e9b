namespace AdaptiveSoftmax;

/// <summary>What is known of one tail of one hidden vector.</summary>
internal struct ClusterState
{
    /// <summary>The cluster's log-prob.</summary>
    public float LogProb;

    /// <summary>No score of the tail is above this; −∞ where no token may be chosen.</summary>
    public float Bound;

    /// <summary>Whether some scores differ from their log-probs.</summary>
    public bool IsTouched;

    /// <summary>Whether the tail was computed.</summary>
    public bool IsVisited;

    /// <summary>Whether the tail was computed for this row before; with retrieved tokens it may be once more, which counts no second time.</summary>
    public bool IsCounted;

    /// <summary>Between these lies the log of the tempered mass; they are equal once the tail was computed.</summary>
    public double LeastLogMass, MostLogMass;

    /// <summary>The log of the mass by which a draw takes the tail: the greatest that it can have, and its true one once a draw fell on it.</summary>
    public double DrawLogMass;

    /// <summary>With retrieved tokens, once its mass was measured: the best score, and the log of the mass relative to it.</summary>
    public float Best;

    /// <inheritdoc cref="Best"/>
    public double RelativeLogMass;

    /// <summary>A token drawn from the tail when it was computed, for the case that a draw falls on the tail: the token of the tail, and its score.</summary>
    public int DrawnRow;

    /// <inheritdoc cref="DrawnRow"/>
    public float DrawnScore;
}
