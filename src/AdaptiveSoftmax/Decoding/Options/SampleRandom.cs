namespace AdaptiveSoftmax;

/// <summary>
/// The random numbers of one sequence, by counting: number i is a hash of seed, stream and i. The same seed gives the same
/// numbers on every machine and .NET version, and a copy goes on where its original stood.
/// </summary>
public struct SampleRandom : IEquatable<SampleRandom>
{
    private readonly ulong _start;
    private ulong _count;

    /// <summary>Starts a stream of random numbers.</summary>
    /// <param name="seed">The seed.</param>
    /// <param name="stream">One of many independent streams of the same seed, such as the number of a sequence.</param>
    public SampleRandom(ulong seed, ulong stream = 0) => _start = CountedRandom.Start(seed, stream);

    /// <summary>The next number, uniform in [0, 1), with 53 random bits.</summary>
    public double NextDouble() => CountedRandom.Unit(_start, _count++);

    /// <inheritdoc/>
    public readonly bool Equals(SampleRandom other) => _start == other._start && _count == other._count;

    /// <inheritdoc/>
    public override readonly bool Equals(object? obj) => obj is SampleRandom other && Equals(other);

    /// <inheritdoc/>
    public override readonly int GetHashCode() => HashCode.Combine(_start, _count);

    /// <summary>Whether two streams stand at the same place.</summary>
    public static bool operator ==(SampleRandom left, SampleRandom right) => left.Equals(right);

    /// <summary>Whether two streams stand at different places.</summary>
    public static bool operator !=(SampleRandom left, SampleRandom right) => !left.Equals(right);
}
