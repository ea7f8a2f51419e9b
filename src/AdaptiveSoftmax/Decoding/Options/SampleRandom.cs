namespace AdaptiveSoftmax;

/// <summary>
/// Where the random numbers of a sequence stand: a seed, a stream and a position. Every decoded token takes one position,
/// whatever is drawn for it, and what is drawn at a position depends on these three alone: options, policies and other rows
/// move no number. The same seed gives the same numbers on every machine and .NET version.
/// </summary>
public readonly struct SampleRandom : IEquatable<SampleRandom>
{
    // Decoding's own numbers of a position come behind those of Uniform.
    private const int PurposeShift = 32;

    private readonly ulong _start;

    /// <summary>Says where to start.</summary>
    /// <param name="seed">The seed.</param>
    /// <param name="stream">One of many independent streams of the same seed, such as the number of a sequence.</param>
    /// <param name="position">The position in the stream, such as the number of tokens decoded before; at least 0.</param>
    /// <exception cref="ArgumentOutOfRangeException">The position is negative.</exception>
    public SampleRandom(ulong seed, ulong stream = 0, long position = 0)
        : this(CountedRandom.Start(seed, stream), position)
    {
    }

    private SampleRandom(ulong start, long position)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(position);
        (_start, Position) = (start, position);
    }

    /// <summary>The tokens that were decoded before.</summary>
    public long Position { get; }

    /// <summary>The same stream at another position: an earlier one gives the same numbers once more.</summary>
    /// <param name="position">The position, at least 0.</param>
    /// <exception cref="ArgumentOutOfRangeException">The position is negative.</exception>
    public SampleRandom At(long position) => new(_start, position);

    /// <summary>The same stream one position further.</summary>
    public SampleRandom Next() => new(_start, Position + 1);

    /// <summary>A number of this position for the caller's own use, uniform in [0, 1), with 53 random bits. Decoding never uses it.</summary>
    /// <param name="index">Which one.</param>
    public double Uniform(uint index = 0) => CountedRandom.Unit(CountedRandom.Start(_start, (ulong)Position), index);

    /// <summary>A number of this position for one purpose of decoding.</summary>
    internal double For(DrawPurpose purpose, int index) =>
        CountedRandom.Unit(CountedRandom.Start(_start, (ulong)Position), ((ulong)purpose << PurposeShift) + (uint)index);

    /// <summary>The Gumbel noise of this position.</summary>
    internal GumbelNoise Noise => new(CountedRandom.Start(_start, (ulong)Position), (ulong)DrawPurpose.Noise << PurposeShift);

    /// <inheritdoc/>
    public bool Equals(SampleRandom other) => _start == other._start && Position == other.Position;

    /// <inheritdoc/>
    public override bool Equals(object? obj) => obj is SampleRandom other && Equals(other);

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(_start, Position);

    /// <summary>Whether two streams stand at the same place.</summary>
    public static bool operator ==(SampleRandom left, SampleRandom right) => left.Equals(right);

    /// <summary>Whether two streams stand at different places.</summary>
    public static bool operator !=(SampleRandom left, SampleRandom right) => !left.Equals(right);
}
