using System.Globalization;
using AdaptiveSoftmax.Gpu;
using AdaptiveSoftmax.Vocabulary;
using ILGPU;
using ILGPU.Runtime;

namespace AdaptiveSoftmax.GpuBench;

/// <summary>
/// Layers to decode with and hidden vectors, of which shares of 10 and 5 % visit the tails. Calls take one window of the
/// vectors after the other, so that those of few tokens have these shares as well.
/// </summary>
internal sealed class DecodeWorkload : IDisposable
{
    /// <summary>The hidden vectors.</summary>
    public const int Vectors = 512;

    // Decoding one token reads the head, 34 MB at a hidden size of 1,024; the cache holds 50.
    private const int Copies = 8;

    private readonly SoftmaxLayout _layout;
    private readonly GpuSoftmaxDecoder[] _layers;
    private readonly bool[][][] _visits;
    private readonly MemoryBuffer1D<float, Stride1D.Dense> _hidden;
    private readonly MemoryBuffer1D<int, Stride1D.Dense> _tokens;

    /// <summary>Makes layers that visit the tails as often in whichever precision.</summary>
    /// <param name="accelerator">The device.</param>
    /// <param name="layout">The sizes.</param>
    /// <param name="isBFloat16">Whether weights are in bfloat16.</param>
    public DecodeWorkload(Accelerator accelerator, SoftmaxLayout layout, bool isBFloat16)
    {
        _layout = layout;
        var work = new Workload(accelerator, layout, Copies, GpuOptions.Default);
        var hidden = Workload.Hidden(Vectors, layout.HiddenSize);
        _visits = [.. Enumerable.Range(0, Copies).Select(copy => TailVisits.Scale(work[copy], hidden))];
        _layers = [.. Enumerable.Range(0, Copies).Select(copy => (GpuSoftmaxDecoder)(isBFloat16 ? Narrow(work[copy]) : work[copy]))];
        if (isBFloat16) work.Dispose();
        _hidden = accelerator.Allocate1D(hidden);
        _tokens = accelerator.Allocate1D<int>(Vectors);
    }

    public long WorkingBytes => _layers[0].WorkingBytes;

    /// <summary>How many calls of so many tokens differ from each other; at least one for each copy.</summary>
    public static int Calls(int tokens) => Math.Max(Copies, Vectors / tokens);

    /// <summary>The layer of a call.</summary>
    public GpuSoftmaxDecoder Layer(int call) => _layers[call % Copies];

    /// <summary>The hidden vectors of a call.</summary>
    public ArrayView<float> Hidden(int call, int tokens) => _hidden.View.SubView((long)First(call, tokens) * _layout.HiddenSize, (long)tokens * _layout.HiddenSize);

    /// <summary>Where the predictions of a call go.</summary>
    public ArrayView<int> Tokens(int tokens) => _tokens.View.SubView(0, tokens);

    /// <summary>The shares of the tokens of all calls that visit the tails.</summary>
    public string DescribeVisits(int tokens) => "tails visited by " + string.Join(" and ", TailVisits.Shares.Select((_, tail) =>
    {
        var visitors = Enumerable.Range(0, Calls(tokens)).Sum(call => _visits[call % Copies][tail].AsSpan(First(call, tokens), tokens).Count(true));
        return string.Create(CultureInfo.InvariantCulture, $"{100.0 * visitors / (Calls(tokens) * tokens):F1} %");
    })) + " of tokens";

    public void Dispose()
    {
        foreach (var layer in _layers) layer.Dispose();
        _hidden.Dispose();
        _tokens.Dispose();
    }

    private static GpuQuantizedSoftmax Narrow(GpuAdaptiveSoftmax layer)
    {
        using var host = new DynamicAdaptiveSoftmax(layer.Layout);
        layer.CopyTo(host);
        using var small = host.Quantize(new QuantizationOptions { Head = WeightPrecision.BFloat16, Tails = WeightPrecision.BFloat16 });
        return new GpuQuantizedSoftmax(layer.Accelerator, small);
    }

    private static int First(int call, int tokens) => call % (Vectors / tokens) * tokens;
}
