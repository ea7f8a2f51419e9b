using System.Numerics;

namespace AdaptiveSoftmax.Benchmarks;

/// <summary>The largest of weight · hidden, with nothing around it: a loop over rows on all threads.</summary>
internal sealed class FullProduct(Parameter weight) : IDisposable
{
    private readonly ThreadLocal<float[]> _hidden = new(() => new float[weight.Columns]);
    private readonly (float Value, int Row)[] _best = new (float, int)[Environment.ProcessorCount];

    public int Predict(ReadOnlySpan<float> hidden)
    {
        var vector = _hidden.Value!;
        hidden.CopyTo(vector);
        var rows = (weight.Rows + _best.Length - 1) / _best.Length;
        Parallel.For(0, _best.Length, part => _best[part] = FindBest(vector, part * rows, Math.Min((part + 1) * rows, weight.Rows)));
        return _best.MaxBy(best => best.Value).Row;
    }

    public void Dispose() => _hidden.Dispose();

    private (float Value, int Row) FindBest(float[] hidden, int start, int end)
    {
        var best = (Value: float.NegativeInfinity, Row: start);
        for (var row = start; row < end; row++)
        {
            var value = Dot(weight.Row(row), hidden);
            if (value > best.Value) best = (value, row);
        }

        return best;
    }

    // Four sums at a time, so that no addition waits for the one before.
    private static float Dot(ReadOnlySpan<float> row, ReadOnlySpan<float> hidden)
    {
        var size = Vector<float>.Count;
        Vector<float> a = default, b = default, c = default, d = default;
        var i = 0;
        for (; i <= row.Length - (4 * size); i += 4 * size)
        {
            a = Vector.FusedMultiplyAdd(new Vector<float>(row[i..]), new Vector<float>(hidden[i..]), a);
            b = Vector.FusedMultiplyAdd(new Vector<float>(row[(i + size)..]), new Vector<float>(hidden[(i + size)..]), b);
            c = Vector.FusedMultiplyAdd(new Vector<float>(row[(i + (2 * size))..]), new Vector<float>(hidden[(i + (2 * size))..]), c);
            d = Vector.FusedMultiplyAdd(new Vector<float>(row[(i + (3 * size))..]), new Vector<float>(hidden[(i + (3 * size))..]), d);
        }

        var sum = Vector.Sum((a + b) + (c + d));
        for (; i < row.Length; i++) sum += row[i] * hidden[i];
        return sum;
    }
}
