using System.Text.Json;
using Microsoft.ML.OnnxRuntime;
using Microsoft.ML.OnnxRuntime.Tensors;

namespace AdaptiveSoftmax.Tests.Onnx;

/// <summary>An exported model in ONNX Runtime.</summary>
internal sealed class OnnxModel : IDisposable
{
    private readonly SessionOptions _options = new() { IntraOpNumThreads = 1, InterOpNumThreads = 1 };
    private readonly InferenceSession _session;

    /// <param name="path">The model.</param>
    /// <param name="profile">Where the profile begins its name; null for none.</param>
    public OnnxModel(string path, string? profile = null)
    {
        if (profile is not null)
        {
            // Nodes keep their names as long as nothing is fused.
            _options.GraphOptimizationLevel = GraphOptimizationLevel.ORT_DISABLE_ALL;
            _options.ProfileOutputPathPrefix = profile;
            _options.EnableProfiling = true;
        }

        _session = new InferenceSession(path, _options);
    }

    public IReadOnlyDictionary<string, string> Metadata => _session.ModelMetadata.CustomMetadataMap;

    public (long[] Tokens, float[] LogProbs) Predict(float[] hidden, int hiddenSize)
    {
        using var results = Run(hidden, hiddenSize);
        return ([.. Output<long>(results, "token")], [.. Output<float>(results, "log_prob")]);
    }

    public (float[] LogProbs, long[] TokenIds) LogProbs(float[] hidden, int hiddenSize)
    {
        using var results = Run(hidden, hiddenSize);
        return ([.. Output<float>(results, "log_probs")], [.. Output<long>(results, "token_ids")]);
    }

    /// <summary>The nodes that ran since the session began.</summary>
    public HashSet<string> EndProfile()
    {
        var file = _session.EndProfiling();
        using var profile = JsonDocument.Parse(File.ReadAllText(file));
        const string Suffix = "_kernel_time";
        return [.. profile.RootElement.EnumerateArray()
            .Select(entry => entry.GetProperty("name").GetString()!)
            .Where(name => name.EndsWith(Suffix, StringComparison.Ordinal))
            .Select(name => name[..^Suffix.Length])];
    }

    public void Dispose()
    {
        _session.Dispose();
        _options.Dispose();
    }

    private IDisposableReadOnlyCollection<DisposableNamedOnnxValue> Run(float[] hidden, int hiddenSize) =>
        _session.Run([NamedOnnxValue.CreateFromTensor("hidden", new DenseTensor<float>(hidden, [hidden.Length / hiddenSize, hiddenSize]))]);

    private static Tensor<T> Output<T>(IDisposableReadOnlyCollection<DisposableNamedOnnxValue> results, string name) => results.Single(result => result.Name == name).AsTensor<T>();
}
