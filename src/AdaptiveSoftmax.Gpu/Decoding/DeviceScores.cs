using AdaptiveSoftmax.Gpu.Kernels;

namespace AdaptiveSoftmax.Gpu;

/// <summary>The scores of one cluster of a row that stay on the device: its answers to what the row asked.</summary>
internal sealed class DeviceScores : IClusterScores
{
    private static readonly float s_least = MathF.BitIncrement(RowScores.Forbidden);

    private float _inverse;
    private RowMasses _masses;
    private long[] _spread = [];
    private double _spreadUnit;
    private RowToken[] _tokens = [];
    private (int Start, int Length) _spreadAt, _tokensAt;

    /// <summary>The lowest score that a nucleus asked for, whose tokens are yet to come; null where none did.</summary>
    public float? Asked { get; private set; }

    /// <summary>What a row asks.</summary>
    /// <param name="row">The row.</param>
    /// <param name="cluster">The cluster.</param>
    /// <param name="size">Its tokens.</param>
    /// <param name="logProb">Its log-prob.</param>
    /// <param name="mask">The mask's number on the device.</param>
    /// <param name="first">The place of its tokens.</param>
    public static RowRequest Ask(RowDecoder row, int cluster, int size, float logProb, int mask, int first)
    {
        var number = (ulong)(row.TokenUniform(cluster) * (1L << 53)) << 11;
        return new RowRequest
        {
            LogProb = logProb,
            Inverse = row.InverseTemperature,
            Uniform = (uint)(number >> 32),
            UniformRest = (uint)number,
            // The head's own: a row may still have that of the step before.
            Top = cluster == 0 || float.IsNaN(row.TopOfMasses) ? RowScores.Forbidden : row.TopOfMasses,
            Mask = mask,
            Masses = row.NeedsMassesByScore ? 2 : row.NeedsMasses || row.NeedsNormalizer ? 1 : 0,
            Wanted = Math.Min(row.TopCapacity, size),
            Least = s_least,
            First = first,
            Capacity = Math.Min(row.TopCapacity, size),
        };
    }

    /// <summary>What a nucleus asks behind that.</summary>
    /// <param name="request">The request before.</param>
    /// <param name="first">The place of its tokens.</param>
    /// <param name="capacity">Their number; 0 where it is asked for.</param>
    public RowRequest AskForNucleus(RowRequest request, int first, int capacity)
    {
        request.Wanted = Asked is null ? 0 : int.MaxValue;
        request.Least = MathF.Max(s_least, Asked ?? s_least);
        (request.First, request.Capacity) = (first, capacity);
        return request;
    }

    /// <summary>Takes the answers; those that were not asked for are not read.</summary>
    /// <param name="inverse">1 / T.</param>
    /// <param name="masses">The masses.</param>
    public void Set(float inverse, RowMasses masses)
    {
        (_inverse, _masses, Asked) = (inverse, masses, null);
        (_spreadAt, _tokensAt) = (default, default);
    }

    /// <summary>Takes the masses by score.</summary>
    /// <param name="spread">Those of all rows.</param>
    /// <param name="start">Where the row's begin.</param>
    /// <param name="unit">What 1 of them weighs.</param>
    public void SetSpread(long[] spread, int start, double unit) => (_spread, _spreadAt, _spreadUnit) = (spread, (start, MassHistogram.Buckets), unit);

    /// <summary>Takes the best tokens.</summary>
    /// <param name="tokens">Those of all rows.</param>
    /// <param name="start">Where the row's begin.</param>
    /// <param name="count">Their number.</param>
    public void SetTokens(RowToken[] tokens, int start, int count) => (_tokens, _tokensAt) = (tokens, (start, count));

    /// <inheritdoc/>
    public double Mass(float inverse, out float best)
    {
        best = _masses.Best > RowScores.Forbidden ? _masses.Best : float.NegativeInfinity;
        return best == float.NegativeInfinity ? 0 : (inverse == _inverse ? _masses.Tempered : _masses.Plain) * RowScores.Unit;
    }

    /// <inheritdoc/>
    public (int Row, float Score) Draw(double uniform) => (_masses.Drawn, _masses.DrawnScore);

    /// <inheritdoc/>
    public unsafe void AddTo(TopList top)
    {
        foreach (var token in _tokens.AsSpan(_tokensAt.Start, _tokensAt.Length))
        {
            var score = token.Score;
            top.AddRange(&score, 1, token.Slot);
        }
    }

    /// <inheritdoc/>
    public void AddTo(MassHistogram masses, float reference, float limit) =>
        masses.Add(_spread.AsSpan(_spreadAt.Start, _spreadAt.Length), _spreadUnit * Math.Exp(((double)_masses.Best - reference) * _inverse));

    /// <inheritdoc/>
    public bool TryCollect(NucleusChooser nucleus, float limit)
    {
        Asked = limit;
        return false;
    }
}
