using static TorchSharp.torch;

namespace AdaptiveSoftmax.TorchSharp.Tests;

/// <summary>
/// The definition of adaptive input embeddings, token by token: the class's row of its band's table, times the band's
/// projection, transposed. Nothing of the module but its parameters is used.
/// </summary>
internal static class InputReference
{
    /// <param name="bands">Each band's first class, its table [rows, width] and its projection [embedding, width].</param>
    /// <param name="classes">The classes.</param>
    /// <param name="padding">The class without a vector.</param>
    /// <returns>[classes, embedding]</returns>
    public static Tensor Embed(IReadOnlyList<(long Start, Tensor Table, Tensor Projection)> bands, IEnumerable<long> classes, long? padding = null)
    {
        var projection = bands[0].Projection;
        return stack(classes.Select(one =>
        {
            if (one == padding) return zeros(projection.shape[0], projection.dtype);
            var band = bands.Last(part => part.Start <= one);
            return (band.Table[one - band.Start].unsqueeze(0) * band.Projection).sum(1);
        }));
    }

    /// <summary>The bands of a module with parameters of its own, by their names.</summary>
    public static IReadOnlyList<(long Start, Tensor Table, Tensor Projection)> Bands(AdaptiveInput module)
    {
        var weights = module.named_parameters().ToDictionary(pair => pair.name, pair => (Tensor)pair.parameter);
        return [.. Starts(module).Select((start, i) => (start, weights[$"embeddings.{i}.0.weight"], weights[$"embeddings.{i}.1.weight"]))];
    }

    /// <summary>The bands of a module that shares a softmax's weights, by their names.</summary>
    public static IReadOnlyList<(long Start, Tensor Table, Tensor Projection)> Bands(AdaptiveInput module, AdaptiveLogSoftmaxWithLoss softmax, bool projections)
    {
        var own = module.named_parameters().ToDictionary(pair => pair.name, pair => (Tensor)pair.parameter);
        var shared = softmax.named_parameters().ToDictionary(pair => pair.name, pair => (Tensor)pair.parameter);
        return
        [
            .. Starts(module).Select((start, i) => (
                start,
                shared[i == 0 ? "head.weight" : $"tail.{i - 1}.1.weight"],
                i > 0 && projections ? shared[$"tail.{i - 1}.0.weight"].t() : own[$"embeddings.{i}.1.weight"])),
        ];
    }

    private static IEnumerable<long> Starts(AdaptiveInput module) => module.Layout.Tails.Select(tail => (long)tail.Start).Prepend(0);
}
