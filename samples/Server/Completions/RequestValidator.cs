using System.Globalization;
using System.Numerics;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using AdaptiveSoftmax;
using AdaptiveSoftmax.Extensions.AI;

namespace ServerSample;

/// <summary>A request that was checked.</summary>
/// <param name="Prompts">The prompts, whose tokens are yet to be made.</param>
/// <param name="Options">All else.</param>
internal sealed record CheckedRequest(IReadOnlyList<Prompt> Prompts, GenerationOptions Options)
{
    public int Choices => Prompts.Count * Options.ChoicesPerPrompt;
}

/// <summary>Checks a request and puts it in the model's terms.</summary>
internal sealed class RequestValidator(ServerOptions options)
{
    /// <exception cref="ApiException">Something is missing, out of range, or not supported.</exception>
    public CheckedRequest Validate(CompletionRequest request, ServedModel model)
    {
        CheckCommon(request, model);
        if (request.Suffix is { Length: > 0 }) throw ApiException.Invalid("'suffix' is not supported: the model writes from left to right only. Leave it out.", "suffix");
        if (request.BestOf is { } best && best != (request.N ?? 1)) throw ApiException.Invalid("'best_of' other than 'n' is not supported. Leave it out, and ask for as many continuations as you want by 'n'.", "best_of");
        var echo = request.Echo == true;
        var prompts = Reader(model).Read(request.Prompt);
        // A prompt alone is what programs ask for that judge a model by texts of theirs.
        var maxTokens = Within(request.MaxTokens, "max_tokens", Math.Min(WireLimits.DefaultMaxTokens, options.MaxTokens), echo ? 0 : 1, options.MaxTokens);
        int? logProbs = request.Logprobs is null ? null : Within(request.Logprobs, "logprobs", 0, 0, WireLimits.LogProbs);
        var asked = Complete(request, model, prompts, maxTokens, logProbs, []);
        return asked with { Options = asked.Options with { Echo = echo } };
    }

    /// <summary>The same of a chat.</summary>
    /// <exception cref="ApiException">Something is missing, out of range, or not supported.</exception>
    public CheckedRequest Validate(ChatCompletionRequest request, ServedModel model)
    {
        CheckCommon(request, model);
        if (request.ResponseFormat is { ValueKind: not JsonValueKind.Null } format && !(format.ValueKind == JsonValueKind.Object && format.TryGetProperty("type", out var type) && type.ValueKind == JsonValueKind.String && JsonText.Read(type, "response_format") == "text"))
            throw ApiException.Invalid("'response_format' other than {\"type\": \"text\"} is not supported. Leave it out.", "response_format");
        if (request.MaxTokens is not null && request.MaxCompletionTokens is not null) throw ApiException.Invalid("'max_tokens' and 'max_completion_tokens' are two names of one bound; give one.", "max_tokens");
        if (request.TopLogprobs is not null && request.Logprobs != true) throw ApiException.Invalid("'top_logprobs' may be given only with 'logprobs': true.", "top_logprobs");
        var prompt = Reader(model).ReadText(ChatPrompt.Of(request.Messages), "messages");
        var maxTokens = request.MaxCompletionTokens is null
            ? Within(request.MaxTokens, "max_tokens", options.MaxTokens, 1, options.MaxTokens)
            : Within(request.MaxCompletionTokens, "max_completion_tokens", options.MaxTokens, 1, options.MaxTokens);
        int? logProbs = request.Logprobs == true ? Within(request.TopLogprobs, "top_logprobs", 0, 0, WireLimits.ChatLogProbs) : null;
        var asked = Complete(request, model, [prompt], maxTokens, logProbs, PlainChatTemplate.StopSequences);
        return asked with { Options = asked.Options with { StartStops = PlainChatTemplate.StartStopSequences } };
    }

    /// <summary>Checks the tokens of prompts that are echoed.</summary>
    /// <exception cref="ApiException">Log-probs are wanted of a token that has none.</exception>
    public static void CheckEcho(GenerationOptions options, ServedModel model)
    {
        if (!options.Echo || !options.WantsLogProbs) return;
        foreach (var token in options.Prompts.SelectMany(prompt => prompt.Skip(1)))
        {
            if (!model.Writes(token)) throw ApiException.Invalid($"'echo' with 'logprobs': the prompt has token {token}, which this model never writes, so that it has no log-prob. Leave one of the two out.", "echo");
        }
    }

    private PromptReader Reader(ServedModel model) => new(model.Tokenizer.Vocabulary.Count, options.MaxPromptTokens);

    private CheckedRequest Complete(SamplingRequest request, ServedModel model, IReadOnlyList<Prompt> prompts, int maxTokens, int? logProbs, IReadOnlyList<string> stops)
    {
        var n = Within(request.N, "n", 1, 1, WireLimits.Choices);
        var choices = Math.Min(WireLimits.Choices, options.MaxBatch + options.MaxQueue);
        if ((long)n * prompts.Count > choices)
            throw ApiException.Invalid($"The request asks for {n} continuations of each of {prompts.Count} prompts; {choices} in all is the most.", "n");
        return new CheckedRequest(prompts, new GenerationOptions
        {
            ChoicesPerPrompt = n,
            MaxTokens = maxTokens,
            Seed = request.Seed is { } seed ? unchecked((ulong)seed) : BitConverter.ToUInt64(RandomNumberGenerator.GetBytes(sizeof(ulong))),
            Stops = [.. ReadStops(request.Stop), .. stops],
            WantsLogProbs = logProbs is not null,
            Decode = new DecodeOptions
            {
                Temperature = Within(request.Temperature, "temperature", 1f, 0, 2),
                TopP = ReadTopP(request.TopP),
                TopK = ReadTopK(request.TopK, model),
                MinP = Within(request.MinP, "min_p", 0f, 0, 1),
                PresencePenalty = Within(request.PresencePenalty, "presence_penalty", 0f, -2, 2),
                FrequencyPenalty = Within(request.FrequencyPenalty, "frequency_penalty", 0f, -2, 2),
                TopLogProbs = logProbs ?? 0,
                Bias = ReadBias(request.LogitBias, model),
            },
            MaxUnsent = request.Stream == true ? options.MaxUnsent : int.MaxValue,
            ReadTime = options.ReadTime,
        });
    }

    public static ApiException NoSuchModel(string id, string existing) =>
        new(StatusCodes.Status404NotFound, $"There is no model named '{PrintableText.Quote(id)}'; this server has '{existing}'.", "invalid_request_error", "model", "model_not_found");

    private static void CheckCommon(SamplingRequest request, ServedModel model)
    {
        if (IdleMembers.FindOther(request.Unknown) is { } unknown) throw Unknown(unknown);
        if (IdleMembers.FindOther(request.StreamOptions?.Unknown) is { } other) throw Unknown($"stream_options.{other}");
        if (request.Model is { } id && id != model.Id) throw NoSuchModel(id, model.Id);
        if (request.StreamOptions is not null && request.Stream != true) throw ApiException.Invalid("'stream_options' may be given only with 'stream': true.", "stream_options");
        if (request.User is { Length: > WireLimits.UserLength }) throw ApiException.Invalid($"'user' has {request.User.Length} characters; {WireLimits.UserLength} is the most.", "user");
        // It names a window of the watch for drift, in logs, metrics and on the page.
        if (request.User is { } user && PrintableText.FindUnprintable(user) is >= 0 and var position)
            throw ApiException.Invalid($"'user' has the character {PrintableText.NameOf(Rune.GetRuneAt(user, position))} at place {position}; control and format characters are not allowed in it.", "user");
    }

    private static ApiException Unknown(string name) => ApiException.Invalid($"Unrecognized request argument: {PrintableText.Quote(name)}", name, "unknown_parameter");

    private static T Within<T>(T? value, string name, T standard, T least, T most)
        where T : struct, INumber<T>
    {
        var given = value ?? standard;
        if (given >= least && given <= most) return given;
        throw ApiException.Invalid(string.Create(CultureInfo.InvariantCulture, $"'{name}' is {given}; it must be from {least} to {most}."), name);
    }

    // As vLLM has it, −1 is all tokens, and as llama.cpp has it, so is more than there are.
    private static int ReadTopK(int? value, ServedModel model) => Within(value, "top_k", 0, -1, int.MaxValue) is var k && k >= 0 && k < model.Model.Layout.VocabularySize ? k : 0;

    // A nucleus of nothing is one of the most probable token.
    private static float ReadTopP(float? value) => Math.Max(float.Epsilon, Within(value, "top_p", 1f, 0, 1));

    private static string[] ReadStops(JsonElement? value)
    {
        const string Form = "'stop' must be a string or an array of up to 4 strings.";
        string[] stops = value switch
        {
            null or { ValueKind: JsonValueKind.Null } => [],
            { ValueKind: JsonValueKind.String } single => [JsonText.Read(single, "stop")],
            { ValueKind: JsonValueKind.Array } several => [.. several.EnumerateArray().Select(each => each.ValueKind == JsonValueKind.String ? JsonText.Read(each, "stop") : throw ApiException.Invalid(Form, "stop"))],
            _ => throw ApiException.Invalid(Form, "stop"),
        };
        if (stops.Length > WireLimits.Stops) throw ApiException.Invalid($"'stop' has {stops.Length} strings; {WireLimits.Stops} is the most.", "stop");
        foreach (var stop in stops)
        {
            if (stop.Length is 0 or > WireLimits.StopLength) throw ApiException.Invalid($"'stop' has a string of {stop.Length} characters; it must have from 1 to {WireLimits.StopLength}.", "stop");
        }

        return stops;
    }

    private static TokenBias? ReadBias(Dictionary<string, float>? values, ServedModel model)
    {
        if (values is not { Count: > 0 }) return null;
        if (values.Count > WireLimits.Biases) throw ApiException.Invalid($"'logit_bias' has {values.Count} entries; {WireLimits.Biases} is the most.", "logit_bias");
        var biases = new Dictionary<int, float>();
        foreach (var (key, bias) in values)
        {
            if (!int.TryParse(key, NumberStyles.None, CultureInfo.InvariantCulture, out var token) || token >= model.Tokenizer.Vocabulary.Count)
                throw ApiException.Invalid($"'logit_bias' has the key '{PrintableText.Quote(key)}'; keys are token ids from 0 to {model.Tokenizer.Vocabulary.Count - 1}.", "logit_bias");
            if (!model.Writes(token))
                throw ApiException.Invalid($"'logit_bias' names token {token}, which this model never writes; leave it out.", "logit_bias");
            if (!biases.TryAdd(token, Within<float>(bias, "logit_bias", 0, -100, 100)))
                throw ApiException.Invalid($"'logit_bias' names token {token} twice.", "logit_bias");
        }

        return model.Head.CreateBias(biases);
    }
}
