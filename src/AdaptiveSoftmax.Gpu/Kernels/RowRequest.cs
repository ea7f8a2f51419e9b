using System.Runtime.InteropServices;

namespace AdaptiveSoftmax.Gpu.Kernels;

/// <summary>What a row asks of one cluster.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct RowRequest
{
    /// <summary>The cluster's log-prob.</summary>
    public float LogProb;

    /// <summary>1 / T.</summary>
    public float Inverse;

    /// <summary>The number of a draw, in [0, 1): 32 bits of it and 32 more.</summary>
    public uint Uniform;

    /// <inheritdoc cref="Uniform"/>
    public uint UniformRest;

    /// <summary>The score at which masses by score begin; <see cref="RowScores.Forbidden"/> for the best one.</summary>
    public float Top;

    /// <summary>The mask's number; −1 for none.</summary>
    public int Mask;

    /// <summary>Whether the tempered masses are asked for: 1, and 2 with those by score.</summary>
    public int Masses;

    /// <summary>How many of the best tokens are asked for, at least 0; the largest number for all.</summary>
    public int Wanted;

    /// <summary>The lowest score that is asked for.</summary>
    public float Least;

    /// <summary>The place of its tokens among those of all rows.</summary>
    public int First;

    /// <summary>The tokens that there is room for.</summary>
    public int Capacity;
}

/// <summary>A token whose score differs from its log-prob: see <see cref="ScoreShift"/>.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct RowShift
{
    /// <summary>The row of the launch.</summary>
    public int Row;

    /// <summary>The token's place in the cluster.</summary>
    public int Column;

    public float Factor;

    public float Loss;

    public float Bias;
}

/// <summary>The log-sum-exp of a row, and how many of its logits are not finite.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct RowStatus
{
    public float LogSumExp;

    public int Faults;
}

/// <summary>The masses of a row, as integers: so many <see cref="RowScores.Unit"/>.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct RowMasses
{
    /// <summary>Σ exp((score − best) / T).</summary>
    public long Tempered;

    /// <summary>Σ exp(score − best).</summary>
    public long Plain;

    /// <summary>The best score; <see cref="RowScores.Forbidden"/> where no token may be chosen.</summary>
    public float Best;

    /// <summary>A token drawn by the tempered masses: its place in the cluster.</summary>
    public int Drawn;

    /// <summary>Its score.</summary>
    public float DrawnScore;

    /// <summary>Fills up to 8 bytes.</summary>
    public int Padding;
}

/// <summary>A token and its score.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct RowToken
{
    public int Slot;

    public float Score;
}

/// <summary>Sizes of a launch over rows of scores.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct RowArguments
{
    /// <summary>The cluster: 0 for the head, i + 1 for tail i.</summary>
    public int Cluster;

    /// <summary>The rows.</summary>
    public int Rows;

    /// <summary>The tail clusters.</summary>
    public int Clusters;

    /// <summary>The words of a mask.</summary>
    public int MaskWords;

    /// <summary>Bits behind the point of masses by score.</summary>
    public int MassBits;
}
