using System.ComponentModel;
using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax;

// The output layer of somebody else's model, without float32 weights beside it.
public sealed partial class QuantizedSoftmax
{
    private QuantizedSoftmax(SoftmaxIdentity identity, Func<int, int> slotOf, Func<int, int> tokenOf, DenseHead denseHead, QuantizedCluster head, WeightPrecision precision, AdaptiveSoftmaxOptions? options)
        : base(identity, options)
    {
        (_slotOf, _tokenOf) = (slotOf, tokenOf);
        (_head, _tails) = (head, []);
        Precision = new QuantizationOptions { Head = precision };
        DenseHead = denseHead;
    }

    /// <summary>The head of a checkpoint that was loaded; null where this is the copy of a layer.</summary>
    public DenseHead? DenseHead { get; }

    /// <summary>
    /// The rows of the checkpoint's head that are no token of the vocabulary, as models have them for round sizes: they are not in
    /// memory and never chosen.
    /// </summary>
    public int UnusedRows => DenseHead is null ? 0 : DenseHead.Rows - Layout.VocabularySize;

    /// <summary>What the <c>LoadHead</c> of generated classes calls.</summary>
    /// <param name="path">The model.</param>
    /// <param name="identity">The sizes and the vocabulary.</param>
    /// <param name="slotOf">The slot of a token id, or −1.</param>
    /// <param name="tokenOf">The token id of a slot.</param>
    /// <param name="options">How it runs.</param>
    /// <param name="tensorName">The whole name of the weight; null to look for it.</param>
    /// <param name="precision">The precision to keep it in; null for the one that it is stored in.</param>
    /// <param name="cancellationToken">Ends it.</param>
    [EditorBrowsable(EditorBrowsableState.Never)]
    public static QuantizedSoftmax LoadHead(
        string path,
        SoftmaxIdentity identity,
        Func<int, int> slotOf,
        Func<int, int> tokenOf,
        AdaptiveSoftmaxOptions? options = null,
        string? tensorName = null,
        WeightPrecision? precision = null,
        CancellationToken cancellationToken = default)
    {
        options?.Check();
        using var file = WeightsFile.Open(path);
        return LoadHead(file, identity, slotOf, tokenOf, options, tensorName, precision, cancellationToken);
    }

    /// <inheritdoc cref="LoadHead(string, SoftmaxIdentity, Func{int, int}, Func{int, int}, AdaptiveSoftmaxOptions?, string?, WeightPrecision?, CancellationToken)"/>
    /// <param name="stream">The model.</param>
    /// <param name="identity">The sizes and the vocabulary.</param>
    /// <param name="slotOf">The slot of a token id, or −1.</param>
    /// <param name="tokenOf">The token id of a slot.</param>
    /// <param name="options">How it runs.</param>
    /// <param name="tensorName">The whole name of the weight; null to look for it.</param>
    /// <param name="precision">The precision to keep it in; null for the one that it is stored in.</param>
    /// <param name="cancellationToken">Ends it.</param>
    [EditorBrowsable(EditorBrowsableState.Never)]
    public static QuantizedSoftmax LoadHead(
        Stream stream,
        SoftmaxIdentity identity,
        Func<int, int> slotOf,
        Func<int, int> tokenOf,
        AdaptiveSoftmaxOptions? options = null,
        string? tensorName = null,
        WeightPrecision? precision = null,
        CancellationToken cancellationToken = default)
    {
        options?.Check();
        using var file = WeightsFile.Open(stream);
        return LoadHead(file, identity, slotOf, tokenOf, options, tensorName, precision, cancellationToken);
    }

    private static unsafe QuantizedSoftmax LoadHead(
        WeightsFile file,
        SoftmaxIdentity identity,
        Func<int, int> slotOf,
        Func<int, int> tokenOf,
        AdaptiveSoftmaxOptions? options,
        string? tensorName,
        WeightPrecision? precision,
        CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(identity);
        ArgumentNullException.ThrowIfNull(slotOf);
        ArgumentNullException.ThrowIfNull(tokenOf);
        var head = DenseHead.Find(file, tensorName);
        var layout = identity.Layout;
        var reader = new DenseHeadReader(file, head, layout, tokenOf);
        var kept = precision ?? FindPrecision(head);
        new QuantizationOptions { Head = kept }.Check(clusters: 0);
        var weight = new QuantizedMatrix(layout.VocabularySize, layout.HiddenSize, kept);
        var bias = layout.HasHeadBias ? new NativeFloats(layout.VocabularySize) : null;
        try
        {
            var view = weight.View;
            var isStored = reader.Precision == kept && head.Weight.Type != SafetensorsTypes.Float64;
            reader.ReadWeight(
                (slot, values, stored) =>
                {
                    if (isStored)
                    {
                        view.StoreRow(slot, stored);
                        return;
                    }

                    if (kept == WeightPrecision.Float16 && Vectors.LargestMagnitude(values, layout.HiddenSize) > RowRounding.LargestFloat16)
                        throw file.CreateFault(head.Weight.Name, FormattableString.Invariant($"The row of token {tokenOf(slot)} holds a number beyond {RowRounding.LargestFloat16}, float16's largest."), "Keep it as it is stored, or in bfloat16.");
                    view.StoreRow(slot, values);
                },
                cancellationToken);
            if (bias is not null) reader.ReadBias(bias.Pointer);
            return new QuantizedSoftmax(identity, slotOf, tokenOf, head, new QuantizedCluster(projection: null, weight, bias, LogitMap.Of(layout)), kept, options);
        }
        catch
        {
            weight.Dispose();
            bias?.Dispose();
            throw;
        }
    }

    // Views of PyTorch in another order are read in float32 and rounded back, which is exact.
    private static WeightPrecision FindPrecision(DenseHead head) => head.Weight.Type switch
    {
        SafetensorsTypes.BFloat16 => WeightPrecision.BFloat16,
        SafetensorsTypes.Float16 => WeightPrecision.Float16,
        _ => WeightPrecision.Float32,
    };
}
