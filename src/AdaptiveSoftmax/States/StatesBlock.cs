namespace AdaptiveSoftmax;

/// <summary>Consecutive rows of a <see cref="StatesFile"/>, in memory.</summary>
/// <remarks>A block that <see cref="StatesFile.ReadBlocks"/> gives holds until the next one is asked for.</remarks>
public sealed class StatesBlock
{
    private float[] _hidden = [];
    private int[] _targets = [];
    private int[] _domains = [];
    private float[] _losses = [];
    private int _hiddenSize;
    private bool _hasDomains, _hasLosses;

    /// <summary>The file's row that the block begins with.</summary>
    public long Start { get; private set; }

    /// <summary>The number of rows n.</summary>
    public int Count { get; private set; }

    /// <summary>The hidden vectors, [n, hidden], all finite.</summary>
    public ReadOnlySpan<float> Hidden => HiddenRoom;

    /// <summary>The token id that followed each, [n].</summary>
    public ReadOnlySpan<int> Targets => TargetRoom;

    /// <summary>The domain of each by its place in <see cref="StatesFile.Domains"/>, [n]; empty where the file has none.</summary>
    public ReadOnlySpan<int> Domains => DomainRoom;

    /// <summary>The loss that the model had for each target, [n]; empty where the file has none.</summary>
    public ReadOnlySpan<float> Losses => LossRoom;

    internal Span<float> HiddenRoom => _hidden.AsSpan(0, Count * _hiddenSize);

    internal Span<int> TargetRoom => _targets.AsSpan(0, Count);

    internal Span<int> DomainRoom => _domains.AsSpan(0, _hasDomains ? Count : 0);

    internal Span<float> LossRoom => _losses.AsSpan(0, _hasLosses ? Count : 0);

    /// <summary>Makes room for rows of a file.</summary>
    internal void Reserve(StatesFile file, long start, int count)
    {
        (Start, Count, _hiddenSize, _hasDomains, _hasLosses) = (start, count, file.HiddenSize, file.Domains.Count > 0, file.HasLosses);
        if (_hidden.Length < count * _hiddenSize) _hidden = new float[count * _hiddenSize];
        if (_targets.Length < count) _targets = new int[count];
        if (_hasDomains && _domains.Length < count) _domains = new int[count];
        if (_hasLosses && _losses.Length < count) _losses = new float[count];
    }
}
