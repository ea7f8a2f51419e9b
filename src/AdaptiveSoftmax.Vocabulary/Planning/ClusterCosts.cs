namespace AdaptiveSoftmax.Vocabulary;

/// <summary>The cost of heads of one hidden size, ready to be asked for any number of rows.</summary>
/// <param name="fixedTime">The nanoseconds that do not depend on the rows.</param>
/// <param name="rowTime">The nanoseconds of a row.</param>
/// <param name="farRowTime">The nanoseconds of a row whose weights no cache holds, or 0.</param>
/// <param name="machine">How fast weights are read, where that can be the limit.</param>
/// <param name="reads">How often a step reads them.</param>
/// <param name="hiddenSize">The hidden size.</param>
/// <param name="selection">What keeping the best tokens costs.</param>
internal sealed class HeadCosts(double fixedTime, double rowTime, double farRowTime, MachineProfile? machine, int reads, int hiddenSize, SelectionCosts selection)
{
    /// <summary>The nanoseconds of a head.</summary>
    /// <param name="rows">Its rows.</param>
    /// <param name="bytesBetween">What else is read from one reading of its weights to the next.</param>
    public double CostOf(double rows, double bytesBetween = 0)
    {
        if (machine is null) return fixedTime + (rows * rowTime) + selection.CostOf(rows);
        var distance = BytesOf(rows) + bytesBetween;
        var row = farRowTime > rowTime ? rowTime + (machine.FarShare(distance) * (farRowTime - rowTime)) : rowTime;
        return fixedTime + Math.Max(rows * row, reads * machine.Memory.Read(BytesOf(rows), distance)) + selection.CostOf(rows);
    }

    public double BytesOf(double rows) => rows * hiddenSize * sizeof(float);
}

/// <summary>What it costs to keep the best tokens of a row while it is read.</summary>
/// <param name="KeptTime">The nanoseconds of keeping one.</param>
/// <param name="TopK">How many are kept in the end.</param>
/// <param name="Tokens">The rows.</param>
internal readonly record struct SelectionCosts(double KeptTime, int TopK, double Tokens)
{
    public double CostOf(double rows)
    {
        if (TopK == 0) return 0;
        var kept = Math.Min(TopK, rows);
        return Tokens * KeptTime * kept * (1 + Log(rows / kept));
    }

    // The library's logarithm is not the same bits on every platform; straight between powers of two this one is near enough.
    private static double Log(double ratio)
    {
        const double LogOfTwo = 0.6931471805599453;
        var doublings = 0;
        for (; ratio >= 2; ratio /= 2) doublings++;
        return (doublings + ratio - 1) * LogOfTwo;
    }
}

/// <summary>The cost of tails of one width, ready to be asked for any size and any visits.</summary>
internal sealed class TailCosts
{
    private readonly ProductTimes _times;
    private readonly ProductTimes? _farTimes;
    private readonly MachineProfile? _machine;
    private readonly double _fixedTime;
    private readonly double _updateTime;
    private readonly int _width;
    private readonly int _leastTogether;
    private readonly SelectionCosts _selection;
    private readonly double[] _outputRow;
    private readonly double[] _projection;
    private readonly double[] _farOutputRow = [];
    private readonly double[] _farProjection = [];
    private readonly double _projectionWeights;
    private readonly double _projectionRead;

    public TailCosts(ProductTimes times, ProductTimes? farTimes, MachineProfile? machine, double fixedTime, double updateTime, int width, int hiddenSize, int leastTogether, SelectionCosts selection)
    {
        (_leastTogether, _selection) = (leastTogether, selection);
        (_times, _farTimes, _machine, _fixedTime, _updateTime, _width) = (times, farTimes, machine, fixedTime, updateTime, width);
        _outputRow = times.AtWidth(width);
        _projection = times.AtWidth(hiddenSize);
        for (var i = 0; i < _projection.Length; i++) _projection[i] *= width;
        if (farTimes is not null)
        {
            _farOutputRow = farTimes.AtWidth(width);
            _farProjection = farTimes.AtWidth(hiddenSize);
            for (var i = 0; i < _farProjection.Length; i++) _farProjection[i] *= width;
        }

        _projectionWeights = (double)width * hiddenSize;
        _projectionRead = machine?.Memory.Read(_projectionWeights * sizeof(float)) ?? 0;
    }

    /// <summary>Whether each step launches the tail's kernels, which a step that does not visit it waits for too: those of a device.</summary>
    public bool IsAlwaysLaunched { get; init; }

    public double BytesOf(double size) => ((size * _width) + _projectionWeights) * sizeof(float);

    /// <summary>The expected nanoseconds of a step: for those that visit the tail, projection, output and update.</summary>
    /// <param name="size">The tokens of the tail.</param>
    /// <param name="visits">How often it is visited.</param>
    /// <param name="bytesBetween">What else is read from one visit to the next; null to take each weight as if it were read alone.</param>
    public double CostOf(double size, TailVisits visits, double? bytesBetween = null)
    {
        var launches = (IsAlwaysLaunched ? 1 : visits.Visited) * _fixedTime;
        if (visits.Visited == 0) return launches;
        var (batch, part) = _times.PlaceOf(Math.Max(visits.Tokens, _leastTogether));
        var output = size * ProductTimes.Between(_outputRow, batch, part);
        var projection = ProductTimes.Between(_projection, batch, part);
        if (_machine is not null)
        {
            var outputBytes = size * _width * sizeof(float);
            if (_farTimes is not null)
            {
                var (farBatch, farPart) = _farTimes.PlaceOf(Math.Max(visits.Tokens, _leastTogether));
                output += Wait(outputBytes, output, size * ProductTimes.Between(_farOutputRow, farBatch, farPart));
                projection += Wait(_projectionWeights * sizeof(float), projection, ProductTimes.Between(_farProjection, farBatch, farPart));
            }

            output = Math.Max(output, bytesBetween is { } between ? _machine.Memory.Read(outputBytes, BytesOf(size) + between) : _machine.Memory.Read(outputBytes));
            projection = Math.Max(projection, bytesBetween is { } others ? _machine.Memory.Read(_projectionWeights * sizeof(float), BytesOf(size) + others) : _projectionRead);
        }

        var selection = visits.Tokens * _selection.CostOf(size);
        return launches + (visits.Visited * (projection + output + selection + (_updateTime * (_projectionWeights + (size * _width)))));

        double Wait(double bytes, double near, double far) => far > near ? _machine.FarShare(bytesBetween is { } between ? BytesOf(size) + between : bytes) * (far - near) : 0;
    }
}
