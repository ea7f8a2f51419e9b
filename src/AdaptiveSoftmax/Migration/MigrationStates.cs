namespace AdaptiveSoftmax;

/// <summary>The states files of a migration: which states are fitted over, and which are judged.</summary>
internal sealed class MigrationStates : IDisposable
{
    // One in so many is kept to judge by, where there is no file for that.
    private const int JudgedShare = 4;
    private const int Rows = 256;

    private readonly StatesFile? _fit;
    private readonly StatesFile? _judge;
    private readonly MigrationOptions _options;

    /// <summary>Opens the files that the options name, for a source and a target.</summary>
    /// <param name="options">The options.</param>
    /// <param name="hiddenSize">The hidden size.</param>
    /// <param name="isToken">Whether an id is one of either vocabulary.</param>
    public MigrationStates(MigrationOptions options, int hiddenSize, Func<int, bool> isToken)
    {
        _options = options;
        try
        {
            _fit = Open(options.StatesPath);
            _judge = Open(options.JudgeStatesPath);
        }
        catch
        {
            Dispose();
            throw;
        }

        StatesFile? Open(string? path)
        {
            if (path is null) return null;
            var file = StatesFile.Open(path);
            try
            {
                file.Require(hiddenSize, isToken);
                return file;
            }
            catch
            {
                file.Dispose();
                throw;
            }
        }
    }

    /// <summary>The file that is fitted over.</summary>
    public StatesFile? File => _fit;

    /// <summary>Whether a state of it is kept to judge by.</summary>
    public bool IsJudged(long row) => _judge is null && row % JudgedShare == JudgedShare - 1;

    /// <summary>The states to fit over, made up from the source where there is no file.</summary>
    public FitStates ReadFit(WorkerPool pool, SoftmaxWeights source, double[] counts, CancellationToken cancellationToken) => _fit is null
        ? FitStates.Invent(pool, source, counts, _options.FitStates)
        : FitStates.Read(pool, _fit, _options.FitStates, IsJudged, cancellationToken);

    /// <summary>Gives the judged states in blocks: hidden vectors and targets.</summary>
    public IEnumerable<(ReadOnlyMemory<float> Hidden, int[] Targets)> ReadJudged()
    {
        if ((_judge ?? _fit) is not { } file) yield break;
        var step = _judge is null ? JudgedShare : 1;
        var most = Math.Min(file.Count / step, _options.JudgeStates);
        var (hidden, targets) = (new List<float>(), new List<int>());
        var block = new StatesBlock();
        for (var i = 0L; i < most; i++)
        {
            // Evenly spread over those that may be judged.
            var row = ((long)((Int128)i * (file.Count / step) / most) * step) + step - 1;
            file.Read(row, 1, block);
            hidden.AddRange(block.Hidden);
            targets.AddRange(block.Targets);
            if (targets.Count < Rows && i + 1 < most) continue;
            yield return (hidden.ToArray(), [.. targets]);
            hidden.Clear();
            targets.Clear();
        }
    }

    public void Dispose()
    {
        _fit?.Dispose();
        _judge?.Dispose();
    }
}
