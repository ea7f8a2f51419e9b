using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using System.Text.Unicode;
using Microsoft.Net.Http.Headers;

namespace ServerSample;

/// <summary>Reads a request's body, and says in the interface's words what is wrong with one.</summary>
internal static class RequestReader
{
    /// <param name="request">The request.</param>
    /// <param name="type">What its body is.</param>
    /// <param name="example">Such a body.</param>
    /// <param name="time">How long its body may take to come.</param>
    /// <param name="cancellation">Says that the client has left.</param>
    /// <exception cref="ApiException">It is not what it should be, too large or too slow.</exception>
    /// <exception cref="OperationCanceledException">The client has left.</exception>
    public static async Task<T> ReadAsync<T>(HttpRequest request, JsonTypeInfo<T> type, string example, TimeSpan time, CancellationToken cancellation)
        where T : class
    {
        CheckType(request);
        using var body = new MemoryStream();
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        limit.CancelAfter(time);
        try
        {
            await request.Body.CopyToAsync(body, limit.Token);
        }
        catch (OperationCanceledException) when (!cancellation.IsCancellationRequested)
        {
            throw ApiException.BodyTooSlow(time);
        }
        catch (BadHttpRequestException exception) when (exception.StatusCode == StatusCodes.Status413PayloadTooLarge)
        {
            throw new ApiException(exception.StatusCode, "The body is larger than this server takes.", "invalid_request_error", param: null, "request_too_large");
        }
        catch (BadHttpRequestException exception)
        {
            throw new ApiException(exception.StatusCode, exception.Message, "invalid_request_error");
        }
        catch (IOException exception)
        {
            throw new OperationCanceledException("The client left before its request was whole.", exception, cancellation);
        }

        return Parse(body.GetBuffer().AsSpan(0, (int)body.Length), type, example);
    }

    private static void CheckType(HttpRequest request)
    {
        // A page of another site could send a form or plain text without asking first, but not this.
        if (!request.HasJsonContentType() || !MediaTypeHeaderValue.TryParse(request.ContentType, out var type))
            throw ApiException.UnsupportedType("The body must be JSON; send it with the header Content-Type: application/json.");
        var charset = HeaderUtilities.RemoveQuotes(type.Charset).ToString();
        if (charset.Length > 0 && !charset.Equals("utf-8", StringComparison.OrdinalIgnoreCase) && !charset.Equals("utf8", StringComparison.OrdinalIgnoreCase))
            throw ApiException.UnsupportedType($"The header Content-Type has the charset '{PrintableText.Quote(charset)}'; the body must be JSON in UTF-8. Send it so, with the header Content-Type: application/json.");
        var encoding = request.Headers.ContentEncoding.ToString();
        if (encoding.Length > 0 && !encoding.Equals("identity", StringComparison.OrdinalIgnoreCase))
            throw ApiException.UnsupportedType($"The header Content-Encoding is '{PrintableText.Quote(encoding)}'; send the body as it is, without it.");
    }

    private static T Parse<T>(ReadOnlySpan<byte> body, JsonTypeInfo<T> type, string example)
        where T : class
    {
        if (body.StartsWith(Encoding.UTF8.Preamble)) body = body[Encoding.UTF8.Preamble.Length..];
        CheckEncoding(body);
        try
        {
            return JsonSerializer.Deserialize(body, type)
                ?? throw ApiException.Invalid($"The body is null; it must be a JSON object such as {example}.");
        }
        catch (JsonException exception)
        {
            throw JsonFaults.Find(body, type.Options.MaxDepth) ?? Explain(exception, type, example);
        }
    }

    // JSON begins with a character of ASCII, which has a byte of zero beside it in UTF-16 and UTF-32.
    private static void CheckEncoding(ReadOnlySpan<byte> body)
    {
        var start = body[..Math.Min(4, body.Length)];
        if (start.Contains((byte)0) || start.StartsWith<byte>([0xff, 0xfe]) || start.StartsWith<byte>([0xfe, 0xff]))
            throw ApiException.Invalid("The body is UTF-16 or UTF-32; it must be UTF-8.", param: null, "invalid_encoding");
        if (Utf8.IsValid(body)) return;
        var position = 0;
        while (Rune.DecodeFromUtf8(body[position..], out _, out var length) == System.Buffers.OperationStatus.Done) position += length;
        throw ApiException.Invalid(string.Create(CultureInfo.InvariantCulture, $"The body is not UTF-8: its byte {position + 1}, 0x{body[position]:x2}, begins no character. Text of another encoding, such as Latin-1, must be converted first."), param: null, "invalid_encoding");
    }

    private static ApiException Explain(JsonException exception, JsonTypeInfo type, string example)
    {
        if (PropertyOf(exception, type) is { } property)
        {
            var place = exception.Path![2..];
            var within = place == property.Name ? "" : $"'{PrintableText.Quote(place)}' is not what it should be: ";
            return ApiException.Invalid($"{within}'{property.Name}' must be {Describe(property)}.", property.Name);
        }

        return ApiException.Invalid($"The body is no JSON object of the right form, at line {exception.LineNumber + 1}, byte {exception.BytePositionInLine + 1}. It should be one such as {example}.");
    }

    // The parameter at fault.
    private static JsonPropertyInfo? PropertyOf(JsonException exception, JsonTypeInfo type)
    {
        var name = exception.Path is { } path && path.StartsWith("$.", StringComparison.Ordinal) ? path[2..].Split('.', '[')[0] : null;
        return type.Properties.FirstOrDefault(property => property.Name == name);
    }

    private static string Describe(JsonPropertyInfo property)
    {
        var type = Nullable.GetUnderlyingType(property.PropertyType) ?? property.PropertyType;
        return type == typeof(string) ? "a string"
            : type == typeof(bool) ? "true or false"
            : type == typeof(float) ? "a number"
            : type == typeof(int) || type == typeof(long) ? "a whole number within its range"
            : type == typeof(StreamOptions) ? "an object such as {\"include_usage\": true}"
            : type == typeof(IReadOnlyList<ChatRequestMessage>) ? "an array of messages such as {\"role\": \"user\", \"content\": \"Hello\"}"
            : type == typeof(Dictionary<string, float>) ? "an object of token ids and numbers such as {\"50256\": -100}"
            : "of another type";
    }
}
