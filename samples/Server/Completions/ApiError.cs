using System.Globalization;

namespace ServerSample;

/// <summary>A request that is refused, as OpenAI's interface says it.</summary>
/// <param name="status">The HTTP status.</param>
/// <param name="message">What is wrong and how to mend it. Characters that are not printable, which may come from the request, are escaped.</param>
/// <param name="type">The kind of error.</param>
/// <param name="param">The parameter at fault, if it is one.</param>
/// <param name="code">The error's name for programs, if it has one.</param>
internal sealed class ApiException(int status, string message, string type, string? param = null, string? code = null) : Exception(PrintableText.Escape(message))
{
    public int Status => status;

    /// <summary>The seconds after which to try again; 0 where that is open.</summary>
    public int RetryAfter { get; init; }

    public ErrorResponse Response => new(new ErrorBody(Message, type, param is null ? null : PrintableText.Quote(param), code));

    public static ApiException Invalid(string message, string? param = null, string? code = null) =>
        new(StatusCodes.Status400BadRequest, message, "invalid_request_error", param, code);

    public static ApiException Full(int capacity) =>
        new(StatusCodes.Status429TooManyRequests, $"The server works on {capacity} continuations at a time, those that wait and those that are yet to be read included, and has no place left. Try again later, or ask for fewer at once.", "requests", param: null, "rate_limit_exceeded") { RetryAfter = 1 };

    public static ApiException ShuttingDown() =>
        new(StatusCodes.Status503ServiceUnavailable, "The server is shutting down.", "server_error", param: null, "shutting_down") { RetryAfter = 5 };

    public static ApiException Unread(UnreadException exception) =>
        new(StatusCodes.Status408RequestTimeout, string.Create(CultureInfo.InvariantCulture, $"The answer waited for its client to read for {exception.Waited.TotalSeconds:F1} s in all, which is the most{(exception.IsContested ? " while others find no place" : "")}; it ends here."), "invalid_request_error", param: null, "answer_not_read");

    public static ApiException BodyTooSlow(TimeSpan time) =>
        new(StatusCodes.Status408RequestTimeout, string.Create(CultureInfo.InvariantCulture, $"The body did not come within {time.TotalSeconds} s, which is the most."), "invalid_request_error", param: null, "request_timeout");

    public static ApiException UnsupportedType(string message) =>
        new(StatusCodes.Status415UnsupportedMediaType, message, "invalid_request_error", param: null);

    public static ApiException Faulty() =>
        new(StatusCodes.Status500InternalServerError, "The model has no next token for this text: a weight, or what it makes of the text, is not a finite number. Other requests are not touched; the server's log says where it is.", "server_error", param: null, "model_not_finite");

    public static ApiException Internal() =>
        new(StatusCodes.Status500InternalServerError, "The server failed to answer; its log says why.", "server_error");

    /// <summary>What is said where nothing else has answered.</summary>
    public static ApiException OfStatus(HttpContext context) => OfStatus(context.Response.StatusCode, context.Request);

    private static ApiException OfStatus(int status, HttpRequest request) => status switch
    {
        // Only the host filter refuses so without a word.
        StatusCodes.Status400BadRequest => new(status, $"The header Host names '{PrintableText.Quote(request.Host.Value ?? "")}', which is no name of this server. Ask it by the address that it listens on.", "invalid_request_error", param: null, "unknown_host"),
        StatusCodes.Status404NotFound => new(status, $"There is nothing at {PrintableText.Quote(request.Path)}. Completions are made by POST /v1/completions, answers of a chat by POST /v1/chat/completions.", "invalid_request_error", param: null, "unknown_url"),
        StatusCodes.Status405MethodNotAllowed => new(status, $"{PrintableText.Quote(request.Path)} does not take this method.", "invalid_request_error", param: null, "method_not_allowed"),
        _ => new(status, $"The request was refused with status {status}.", status < 500 ? "invalid_request_error" : "server_error"),
    };
}
