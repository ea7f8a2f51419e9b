using System.Globalization;
using AdaptiveSoftmax.Vocabulary;
using static TorchSharp.torch;

namespace AdaptiveSoftmax.TorchSharp;

/// <summary>Sorts classes by the part of the layout that holds them, with one wait for the device. Safe to use from several threads.</summary>
/// <param name="layout">The sizes.</param>
/// <param name="owner">Who is disposed with it, for the error of a call that comes later.</param>
internal sealed class TokenGrouping(SoftmaxLayout layout, Type owner) : IDisposable
{
    // What bucketize gives: below 0, the shortlist, a tail each, past the end; and ignored ones.
    private const int Shortlist = 1;
    private readonly int _past = layout.TailCount + 2;
    private readonly int _ignored = layout.TailCount + 3;
    private readonly List<Bounds> _bounds = [];
    private bool _disposed;

    // For bucketize, and the buckets that it gives, [buckets, 1].
    private sealed record Bounds(Tensor Starts, Tensor Buckets);

    /// <summary>Groups classes.</summary>
    /// <param name="classes">The classes, int64 [N].</param>
    /// <param name="ignoreIndex">The value that stands for none; null where there is no such value.</param>
    /// <param name="name">The caller's argument, for the error.</param>
    /// <exception cref="ArgumentException">A class is out of range.</exception>
    public TokenGroups Group(Tensor classes, long? ignoreIndex, string name)
    {
        var (starts, all) = BoundsOn(classes.device);
        var buckets = bucketize(classes, starts, right: true);
        if (ignoreIndex is { } ignored) buckets = buckets.masked_fill(classes.eq(ignored), _ignored);
        var (sorted, order) = buckets.sort(stable: true);
        var counts = buckets.unsqueeze(0).eq(all).sum(1).cpu().data<long>().ToArray();
        if (counts[0] + counts[_past] > 0) throw OutOfRange(layout, classes, ignoreIndex, name);
        var active = classes.shape[0] - counts[_ignored];
        return new TokenGroups(
            order.narrow(0, 0, active), sorted.narrow(0, 0, active), counts[Shortlist], [.. Enumerable.Range(0, layout.TailCount).Select(cluster => counts[Shortlist + 1 + cluster])]);
    }

    public void Dispose()
    {
        lock (_bounds)
        {
            _disposed = true;
            foreach (var (starts, buckets) in _bounds)
            {
                starts.Dispose();
                buckets.Dispose();
            }

            _bounds.Clear();
        }
    }

    // Those of a device stay for the module's life: another thread may be at work with them.
    private Bounds BoundsOn(Device device)
    {
        lock (_bounds)
        {
            ObjectDisposedException.ThrowIf(_disposed, owner);
            if (_bounds.Find(known => ModuleArguments.IsSame(known.Starts.device, device)) is { } found) return found;
            long[] starts = [0, .. layout.Tails.Select(tail => (long)tail.Start), layout.VocabularySize];
            var made = new Bounds(
                tensor(starts, device: device).DetachFromDisposeScope(),
                arange(_ignored + 1, dtype: ScalarType.Int64, device: device).unsqueeze(1).DetachFromDisposeScope());
            _bounds.Add(made);
            return made;
        }
    }

    /// <summary>The error for classes that do not exist.</summary>
    internal static ArgumentException OutOfRange(SoftmaxLayout layout, Tensor classes, long? ignoreIndex, string name)
    {
        var found = ignoreIndex is { } ignored ? classes.masked_select(classes.ne(ignored)) : classes;
        var range = $"{found.min().item<long>()} to {found.max().item<long>()}";
        var padding = ignoreIndex is null ? "" : string.Create(CultureInfo.InvariantCulture, $", or {ignoreIndex} for a position without a class");
        return new ArgumentException(string.Create(CultureInfo.InvariantCulture, $"The classes of the {name} are from {range}; they must be from 0 to {layout.VocabularySize - 1}{padding}."), name);
    }
}

/// <summary>Positions sorted by the part of the layout that holds their class, within a part in their own order.</summary>
/// <param name="Order">The positions without the ignored ones: the shortlist's, then those of each tail, [active].</param>
/// <param name="Buckets">1 for the shortlist, i + 2 for tail i, [active].</param>
/// <param name="ShortlistCount">How many are in the shortlist.</param>
/// <param name="TailCounts">How many are in each tail.</param>
internal sealed record TokenGroups(Tensor Order, Tensor Buckets, long ShortlistCount, long[] TailCounts)
{
    /// <summary>How many have a class at all.</summary>
    public long Active => ShortlistCount + TailCounts.Sum();

    /// <summary>The column of the head that each position needs: its class, or the row of its tail.</summary>
    /// <param name="classes">The classes in sorted order.</param>
    /// <param name="shortlistSize">The shortlist's size.</param>
    public Tensor HeadColumns(Tensor classes, long shortlistSize) => where(Buckets.eq(1), classes, Buckets + (shortlistSize - 2));
}
