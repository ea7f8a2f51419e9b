using System.Text;
using System.Text.Json;
using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax;

/// <summary>What the <c>config.json</c> beside a Hugging Face checkpoint says of the output layer; null for what it does not say.</summary>
/// <param name="LogitScale">What logits are multiplied by.</param>
/// <param name="LogitSoftCap">The cap of logits.</param>
/// <param name="IsTied">Whether the output layer is the embeddings.</param>
internal sealed record ModelConfig(double? LogitScale, double? LogitSoftCap, bool? IsTied)
{
    private const string Name = "config.json";
    private const int MaximumLength = 1 << 24;

    /// <summary>Reads it.</summary>
    /// <param name="file">The weights.</param>
    /// <exception cref="WeightsFormatException">It is no JSON, or far too long.</exception>
    public static ModelConfig Read(WeightsFile file)
    {
        // A stream has a name that is no file's.
        if (!File.Exists(file.FileName)) return new ModelConfig(null, null, null);
        var path = Path.Combine(Path.GetDirectoryName(Path.GetFullPath(file.FileName))!, Name);
        if (!File.Exists(path)) return new ModelConfig(null, null, null);
        try
        {
            using var stream = RegularFile.Open(path);
            if (stream.Length > MaximumLength) throw Fault($"has {stream.Length} bytes");
            var bytes = new byte[stream.Length];
            stream.ReadExactly(bytes);
            ClearPythonNumbers(bytes);
            using var document = JsonDocument.Parse(new MemoryStream(bytes), new JsonDocumentOptions { AllowTrailingCommas = true, CommentHandling = JsonCommentHandling.Skip });
            return document.RootElement.ValueKind == JsonValueKind.Object ? Read(document.RootElement) : throw Fault("is no JSON object");
        }
        catch (InvalidDataException exception)
        {
            throw Fault(exception.Message, exception);
        }
        // A name of broken characters is found as it is looked at.
        catch (Exception exception) when (exception is JsonException or InvalidOperationException)
        {
            throw Fault($"is no valid JSON: {Excerpt.Message(exception.Message)}", exception);
        }

        WeightsFormatException Fault(string problem, Exception? inner = null) =>
            file.CreateFault(null, $"The {Name} beside it {problem}.", $"Copy {Name} again, which says how the model scales and caps its logits, or move it away.", inner);
    }

    // Python writes numbers that are not finite as JSON has them not; configurations of models with state spaces hold some.
    private static void ClearPythonNumbers(Span<byte> json)
    {
        for (var at = 0; at < json.Length; at++)
        {
            if (json[at] == '"')
            {
                for (at++; at < json.Length && json[at] != '"'; at++)
                {
                    if (json[at] == '\\') at++;
                }

                continue;
            }

            foreach (var number in (ReadOnlySpan<string>)["NaN", "Infinity", "-Infinity"])
            {
                if (json.Length - at < number.Length || !Ascii.Equals(json.Slice(at, number.Length), number)) continue;
                json.Slice(at, number.Length).Fill((byte)' ');
                json[at] = (byte)'0';
                break;
            }
        }
    }

    private static ModelConfig Read(JsonElement root)
    {
        // A model of several kinds of input has that of its text in a part of its own.
        if (root.TryGetProperty("text_config", out var text) && text.ValueKind == JsonValueKind.Object)
        {
            var (own, whole) = (ReadPart(text), ReadPart(root));
            return Check(new ModelConfig(own.LogitScale ?? whole.LogitScale, own.LogitSoftCap ?? whole.LogitSoftCap, own.IsTied ?? whole.IsTied));
        }

        return Check(ReadPart(root));
    }

    private static ModelConfig ReadPart(JsonElement part) => new(
        Positive(part, "logit_scale") ?? 1 / Positive(part, "logits_scaling"),
        Positive(part, "final_logit_softcapping"),
        part.TryGetProperty("tie_word_embeddings", out var tied) && tied.ValueKind is JsonValueKind.True or JsonValueKind.False ? tied.ValueKind == JsonValueKind.True : null);

    private static ModelConfig Check(ModelConfig config)
    {
        foreach (var (what, value) in new[] { ("logit scale", config.LogitScale), ("soft cap of logits", config.LogitSoftCap) })
        {
            if (value is < SoftmaxLayout.MinimumLogitFactor or > SoftmaxLayout.MaximumLogitFactor)
                throw new InvalidDataException(FormattableString.Invariant($"says a {what} of {value}, and those from {SoftmaxLayout.MinimumLogitFactor} to {SoftmaxLayout.MaximumLogitFactor} are known"));
        }

        return config;
    }

    private static double? Positive(JsonElement part, string name) =>
        part.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.Number && value.GetDouble() is > 0 and < double.PositiveInfinity and var number ? number : null;
}
