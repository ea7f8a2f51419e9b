using System.Reflection;
using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax.Tests;

/// <summary>
/// Every public method of what is disposed says so, whatever its arguments; what only describes it can still be read. A new
/// member must be named here.
/// </summary>
public sealed class DisposedMembersTests
{
    private static readonly SoftmaxLayout s_layout = SoftmaxLayout.Create(4, 12, [5, 8], [2, 1], hasHeadBias: true);

    private static readonly DecodeSequence s_sequence = new(new DynamicAdaptiveSoftmax(s_layout));

    private static readonly RetrievedTokens s_retrieved = new DynamicAdaptiveSoftmax(s_layout).CreateRetrieved();

    private static readonly Dictionary<string, Action<SoftmaxDecoder>> s_decoder = new()
    {
        ["CreateAllowMask(tokens)"] = softmax => softmax.CreateAllowMask([1]),
        ["CreateBias(values)"] = softmax => softmax.CreateBias([]),
        ["CreateDenyMask(tokens)"] = softmax => softmax.CreateDenyMask([]),
        ["CreateHistory()"] = softmax => softmax.CreateHistory(),
        ["CreateMask()"] = softmax => softmax.CreateMask(),
        ["CreateRetrieved()"] = softmax => softmax.CreateRetrieved(),
        ["CreateSession(cache)"] = softmax => softmax.CreateSession(),
        ["LogProb(hidden, output)"] = softmax => softmax.LogProb([], []),
        ["LogProbOf(hidden, token)"] = softmax => softmax.LogProbOf(new float[4], 1),
        ["LogProbOf(hidden, tokens, logProbs)"] = softmax => softmax.LogProbOf([], [], []),
        ["Perplexity(hidden, tokens)"] = softmax => softmax.Perplexity(new float[4], [1]),
        ["Predict(hidden)"] = softmax => softmax.Predict(new float[4]),
        ["Predict(hidden, tokens)"] = softmax => softmax.Predict([], []),
        ["RecordTargets(predicted, targets)"] = softmax => softmax.RecordTargets([], []),
        ["Sample(hidden, options, random, history)"] = softmax =>
        {
            var random = default(SampleRandom);
            softmax.Sample(new float[4], DecodeOptions.Default, ref random);
        },
        ["TopK(hidden, tokens, logProbs, options, history)"] = softmax => softmax.TopK(new float[4], [], []),
    };

    // No file is there, and no stream is read.
    private static readonly Dictionary<string, Action<AdaptiveSoftmaxLayer>> s_layer = new()
    {
        ["Backward(hidden, targets, hiddenGradient, options, weights, losses)"] = layer => layer.Backward([], [], []),
        ["Backward(hidden, targets, options, weights, losses)"] = layer => layer.Backward([], []),
        ["Certify(options)"] = layer => layer.Certify(),
        ["ExportOnnx(path, output, externalData, progress, cancellationToken)"] = layer => layer.ExportOnnx("none"),
        ["Forward(hidden, targets, targetLogProbs, options, weights, losses)"] = layer => layer.Forward([], [], []),
        ["Initialize(seed)"] = layer => layer.Initialize(1),
        ["Loss(hidden, targets, options, weights, losses)"] = layer => layer.Loss([], []),
        ["Quantize(options)"] = layer => layer.Quantize(),
        ["Restore(path, acceptUnmarked, prefix)"] = layer => layer.Restore("none"),
        ["Restore(stream, acceptUnmarked, prefix)"] = layer => layer.Restore(Stream.Null),
        ["RestoreAsync(path, acceptUnmarked, prefix, cancellationToken)"] = layer => Wait(layer.RestoreAsync("none")),
        ["RestoreAsync(stream, acceptUnmarked, prefix, cancellationToken)"] = layer => Wait(layer.RestoreAsync(Stream.Null)),
        ["RestoreHead(path, tensorName, cancellationToken)"] = layer => layer.RestoreHead("none"),
        ["RestoreHead(stream, tensorName, cancellationToken)"] = layer => layer.RestoreHead(Stream.Null),
        ["Save(path, prefix, format)"] = layer => layer.Save(""),
        ["Save(stream, prefix, format)"] = layer => layer.Save(Stream.Null),
        ["SaveAsync(path, prefix, format, cancellationToken)"] = layer => Wait(layer.SaveAsync("")),
        ["SaveAsync(stream, prefix, format, cancellationToken)"] = layer => Wait(layer.SaveAsync(Stream.Null)),
    };

    private static readonly Dictionary<string, Action<QuantizedSoftmax>> s_copy = new()
    {
        ["Certify(options)"] = copy => copy.Certify(),
        ["Save(path, prefix)"] = copy => copy.Save(""),
        ["Save(stream, prefix)"] = copy => copy.Save(Stream.Null),
        ["SaveAsync(path, prefix, cancellationToken)"] = copy => Wait(copy.SaveAsync("")),
        ["SaveAsync(stream, prefix, cancellationToken)"] = copy => Wait(copy.SaveAsync(Stream.Null)),
    };

    private static readonly Dictionary<string, Action<CertifiedSoftmax>> s_certified = new()
    {
        ["Save(path, prefix)"] = certified => certified.Save(""),
        ["Save(stream, prefix)"] = certified => certified.Save(Stream.Null),
        ["SaveAsync(path, prefix, cancellationToken)"] = certified => Wait(certified.SaveAsync("")),
        ["SaveAsync(stream, prefix, cancellationToken)"] = certified => Wait(certified.SaveAsync(Stream.Null)),
    };

    private static readonly Dictionary<string, Action<DecodeSession>> s_session = new()
    {
        ["CopyTopLogProbs(row, tokens)"] = session => session.CopyTopLogProbs(0, []),
        ["CopyTopLogProbs(tokens)"] = session => session.CopyTopLogProbs([]),
        ["Predict(hidden, retrieved, weight)"] = session => session.Predict(new float[4], s_retrieved, 0.5f),
        ["Sample(hidden, options, random, history)"] = session =>
        {
            var random = default(SampleRandom);
            session.Sample(new float[4], DecodeOptions.Default, ref random);
        },
        ["Sample(hidden, retrieved, weight, options, random, history)"] = session =>
        {
            var random = default(SampleRandom);
            session.Sample(new float[4], s_retrieved, 0.5f, DecodeOptions.Default, ref random);
        },
        ["Sample(hidden, sequence)"] = session => session.Sample(new float[4], s_sequence),
        ["Sample(hidden, sequences, results)"] = session => session.Sample([], [], []),
        ["TopK(contextKey, computeHidden, tokens, logProbs)"] = session => session.TopK(7, hidden => hidden.Clear(), new int[2], new float[2]),
        ["TopK(contextKey, hidden, tokens, logProbs)"] = session => session.TopK(7, new float[4], new int[2], new float[2]),
        ["TopK(hidden, retrieved, weight, tokens, logProbs, options, history)"] = session => session.TopK(new float[4], s_retrieved, 0.5f, [], []),
        ["TopK(hidden, retrieved, weight, tokens, logProbs, results, options)"] = session => session.TopK([], [], 0.5f, [], [], []),
        ["TopK(hidden, sequences, tokens, logProbs, results)"] = session => session.TopK([], [], [], [], []),
        ["TopK(hidden, tokens, logProbs, options, history)"] = session => session.TopK(new float[4], [], []),
        ["TopK(hidden, tokens, logProbs, results, options)"] = session => session.TopK([], [], [], []),
    };

    private static readonly Dictionary<string, Action<TiedEmbedding>> s_embedding = new()
    {
        ["Backward(tokens, outputGradient)"] = embedding => embedding.Backward([], []),
        ["Forward(tokens, output)"] = embedding => embedding.Forward([], []),
    };

    private static readonly Dictionary<string, Action<Parameter>> s_parameter = new()
    {
        ["Edit(change)"] = parameter => parameter.Edit(_ => { }),
        ["EditRow(row, change)"] = parameter => parameter.EditRow(0, _ => { }),
        ["GradientRow(row)"] = parameter => parameter.GradientRow(0).ToArray(),
        ["Row(row)"] = parameter => parameter.Row(0).ToArray(),
        ["Set(values)"] = parameter => parameter.Set(new float[parameter.Count]),
        ["TouchGradient()"] = parameter => parameter.TouchGradient().Clear(),
        ["TouchGradientRow(row)"] = parameter => parameter.TouchGradientRow(0).Clear(),
        ["ZeroGradient()"] = parameter => parameter.ZeroGradient(),
    };

    [Fact]
    public void Layer()
    {
        var layer = NewLayer();
        layer.Dispose();
        Check(typeof(SoftmaxDecoder), layer, s_decoder, nameof(SoftmaxDecoder.Identity), nameof(SoftmaxDecoder.Layout), nameof(SoftmaxDecoder.WeightsVersion));
        Check(typeof(AdaptiveSoftmaxLayer), layer, s_layer, nameof(AdaptiveSoftmaxLayer.Parameters));
        Check(typeof(DynamicAdaptiveSoftmax), layer, []);
    }

    [Fact]
    public void Copy()
    {
        using var layer = NewLayer();
        var copy = layer.Quantize();
        copy.Dispose();
        Check(typeof(SoftmaxDecoder), copy, s_decoder, nameof(SoftmaxDecoder.Identity), nameof(SoftmaxDecoder.Layout), nameof(SoftmaxDecoder.WeightsVersion));
        Check(typeof(QuantizedSoftmax), copy, s_copy, nameof(QuantizedSoftmax.DenseHead), nameof(QuantizedSoftmax.Precision), nameof(QuantizedSoftmax.UnusedRows), nameof(QuantizedSoftmax.WeightBytes));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void CertifiedDecoder_OrItsLayer(bool isLayersEnd)
    {
        using var layer = NewLayer();
        using var certified = layer.Certify();
        if (isLayersEnd) layer.Dispose();
        else certified.Dispose();
        Check(typeof(SoftmaxDecoder), certified, s_decoder, nameof(SoftmaxDecoder.Identity), nameof(SoftmaxDecoder.Layout), nameof(SoftmaxDecoder.WeightsVersion));
        Check(typeof(CertifiedSoftmax), certified, s_certified, nameof(CertifiedSoftmax.ScreeningBytes), nameof(CertifiedSoftmax.Statistics));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Session_OrItsLayer(bool isLayersEnd)
    {
        using var layer = NewLayer();
        using var session = layer.CreateSession(new DecodeCache(4, 2));
        session.TopK(7, new float[4], new int[2], new float[2]);
        session.Sample(new float[4], [new DecodeSequence(layer)], new DecodedToken[1]);
        if (isLayersEnd) layer.Dispose();
        else session.Dispose();
        Check(typeof(DecodeSession), session, s_session, nameof(DecodeSession.Cache), nameof(DecodeSession.Statistics));
    }

    [Fact]
    public void EmbeddingOfItsWeights()
    {
        var layer = NewLayer();
        var embedding = new TiedEmbedding(layer);
        layer.Dispose();
        Check(typeof(TiedEmbedding), embedding, s_embedding);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Parameter_OrItsLayer(bool isLayersEnd)
    {
        using var layer = NewLayer();
        var parameter = layer.Parameters[0];
        if (isLayersEnd) layer.Dispose();
        else parameter.Dispose();
        Check(
            typeof(Parameter), parameter, s_parameter, nameof(Parameter.Name), nameof(Parameter.Rows), nameof(Parameter.Columns), nameof(Parameter.IsVector), nameof(Parameter.Count),
            nameof(Parameter.GradientLayout), nameof(Parameter.RequiresGradient), nameof(Parameter.HasGradient), nameof(Parameter.TouchedRows), nameof(Parameter.Version), "Values", "Gradient");
        Assert.Throws<ObjectDisposedException>(() => parameter.Values.ToArray());
        Assert.Throws<ObjectDisposedException>(() => parameter.Gradient.ToArray());
        Assert.Throws<ObjectDisposedException>(() => parameter.RequiresGradient = true);
    }

    private static void Check<T>(Type type, T disposed, Dictionary<string, Action<T>> calls, params string[] descriptions)
    {
        const BindingFlags OwnMembers = BindingFlags.Public | BindingFlags.Instance | BindingFlags.DeclaredOnly;
        var methods = type.GetMethods(OwnMembers).Where(method => !method.IsSpecialName && method.Name is not ("Dispose" or "ToString"));
        Assert.Equal(calls.Keys.Order(StringComparer.Ordinal), methods.Select(method => $"{method.Name}({string.Join(", ", method.GetParameters().Select(parameter => parameter.Name))})").Order(StringComparer.Ordinal));
        foreach (var (name, call) in calls) Assert.True(Record.Exception(() => call(disposed)) is ObjectDisposedException, $"{type.Name}.{name} answers.");

        Assert.Equal(descriptions.Order(StringComparer.Ordinal), type.GetProperties(OwnMembers).Select(property => property.Name).Order(StringComparer.Ordinal));
        foreach (var property in type.GetProperties(OwnMembers).Where(property => !property.PropertyType.IsByRefLike)) property.GetValue(disposed);
    }

    private static DynamicAdaptiveSoftmax NewLayer() => new(s_layout, options: new AdaptiveSoftmaxOptions { Threads = 1 });

    private static void Wait(Task task) => task.GetAwaiter().GetResult();
}
