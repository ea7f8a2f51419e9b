using AdaptiveSoftmax.Tests;
using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax.Gpu.Tests.Decoding;

// Layers to decode with, and what their results are held against.
public abstract partial class DecodeSessionTests
{
    private void ForEach(Action<DecodeCase> check)
    {
        // Before sampling, which would take the skip of a missing device for a failure.
        _ = Accelerator;
        DecodeCase.ForEach(Cases, check, threads: 1);
    }

    private protected void CheckAgainstTheCpu(DynamicAdaptiveSoftmax host, Func<int, DecodeOptions> options, int rows)
    {
        using var layer = CopyOf(host);
        using var session = layer.CreateSession();
        using var onCpu = host.CreateSession();
        DecodeSequence[] sequences = [.. Enumerable.Range(0, rows).Select(row => new DecodeSequence(host, options(row), (ulong)row))];
        DecodeSequence[] same = [.. sequences.Select(sequence => sequence.Fork(sequence.Random))];
        var (results, expected) = (new DecodedToken[rows], new DecodedToken[rows]);
        session.Sample(Hidden(host, rows), sequences, results);
        onCpu.Sample(Hidden(host, rows), same, expected);
        Assert.InRange(Enumerable.Range(0, rows).Count(row => results[row].Token != expected[row].Token), 0, 1);
    }

    private static void CheckTop(ReferenceDecoder reference, DecodeOptions options, double[] model, int[] tokens, float[] logProbs, TopKResult result)
    {
        var (order, scores) = (reference.Order(), reference.Scores());
        var reported = options.LogProbs == LogProbKind.Model ? model : reference.Adjusted();
        Assert.Equal(Math.Min(tokens.Length, order.Length), result.Count);
        Assert.Equal(result.Count, tokens[..result.Count].Distinct().Count());
        for (var i = 0; i < result.Count; i++)
        {
            Assert.Equal(scores[order[i]], scores[tokens[i]], Tolerance);
            Assert.Equal(reported[tokens[i]], logProbs[i], Tolerance);
        }

        Assert.All(tokens[result.Count..], token => Assert.Equal(-1, token));
    }

    private static void CheckTopLogProbs(GpuDecodeSession session, DecodeSession onCpu, int row, int count)
    {
        var (top, expected) = (new TokenLogProb[count + 1], new TokenLogProb[count + 1]);
        Assert.Equal(onCpu.CopyTopLogProbs(row, expected), session.CopyTopLogProbs(row, top));
        for (var i = 0; i <= count; i++)
        {
            if (expected[i].Token < 0) Assert.Equal(expected[i], top[i]);
            else if (expected[i].Token == top[i].Token) Assert.Equal(expected[i].LogProb, top[i].LogProb, Tolerance);
        }
    }

    private protected GpuAdaptiveSoftmax CopyOf(DynamicAdaptiveSoftmax host, GpuOptions? options = null)
    {
        var layer = new DynamicGpuSoftmax(Accelerator, host.Layout, seed: 1, options);
        for (var i = 0; i < host.Parameters.Count; i++) layer.Parameters[i].CopyFrom(host.Parameters[i]);
        return layer;
    }

    private protected static DynamicAdaptiveSoftmax Sharpened(SoftmaxLayout layout, ulong seed, float scale)
    {
        var layer = new DynamicAdaptiveSoftmax(layout, seed);
        foreach (var parameter in layer.Parameters)
        {
            foreach (ref var value in parameter.WritableValues) value *= scale;
        }

        return layer;
    }

    private protected static float[] Hidden(DynamicAdaptiveSoftmax layer, int rows) => [.. Enumerable.Range(0, rows * layer.Layout.HiddenSize).Select(i => 2 * MathF.Sin(i * i))];

    private static IReadOnlyList<DecodeFault> Catch(Action call)
    {
        try
        {
            call();
            return [];
        }
        catch (DecodeException exception)
        {
            return exception.Faults;
        }
    }
}
