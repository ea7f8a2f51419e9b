using System.Text.Json;
using System.Text.Json.Serialization.Metadata;

namespace ServerSample;

/// <summary>Reads a request's body, and says in the interface's words what is wrong with one.</summary>
internal static class RequestReader
{
    private const string Example = "{\"prompt\": \"Once upon a time\"}";

    /// <exception cref="ApiException">It is not what it should be, or too large.</exception>
    public static async Task<CompletionRequest> ReadAsync(HttpRequest request, CancellationToken cancellation)
    {
        // A page of another site could send a form or plain text without asking first, but not this.
        if (!request.HasJsonContentType())
            throw new ApiException(StatusCodes.Status415UnsupportedMediaType, "The body must be JSON; send it with the header Content-Type: application/json.", "invalid_request_error");
        try
        {
            return await JsonSerializer.DeserializeAsync(request.Body, WireJson.Default.CompletionRequest, cancellation)
                ?? throw ApiException.Invalid($"The body is null; it must be a JSON object such as {Example}.");
        }
        catch (JsonException exception)
        {
            throw Explain(exception);
        }
        catch (BadHttpRequestException exception) when (exception.StatusCode == StatusCodes.Status413PayloadTooLarge)
        {
            throw new ApiException(exception.StatusCode, "The body is larger than this server takes.", "invalid_request_error", param: null, "request_too_large");
        }
        catch (BadHttpRequestException exception)
        {
            throw new ApiException(exception.StatusCode, exception.Message, "invalid_request_error");
        }
    }

    private static ApiException Explain(JsonException exception)
    {
        var name = exception.Path is { } path && path.StartsWith("$.", StringComparison.Ordinal) ? path[2..].Split('.', '[')[0] : null;
        var property = WireJson.Default.CompletionRequest.Properties.FirstOrDefault(property => property.Name == name);
        if (property is not null) return ApiException.Invalid($"'{exception.Path![2..]}' must be {Describe(property)}, and be given once.", name);
        return ApiException.Invalid($"The body is no JSON object of the right form, at line {exception.LineNumber + 1}, byte {exception.BytePositionInLine + 1}. It should be one such as {Example}.");
    }

    private static string Describe(JsonPropertyInfo property)
    {
        var type = Nullable.GetUnderlyingType(property.PropertyType) ?? property.PropertyType;
        return type == typeof(string) ? "a string"
            : type == typeof(bool) ? "true or false"
            : type == typeof(float) ? "a number"
            : type == typeof(int) || type == typeof(long) ? "a whole number within its range"
            : type == typeof(StreamOptions) ? "an object such as {\"include_usage\": true}"
            : type == typeof(Dictionary<string, float>) ? "an object of token ids and numbers such as {\"50256\": -100}"
            : "of another type";
    }
}
