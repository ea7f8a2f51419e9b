namespace ServerSample;

/// <summary>A request that is refused, as OpenAI's interface says it.</summary>
/// <param name="status">The HTTP status.</param>
/// <param name="message">What is wrong and how to mend it.</param>
/// <param name="type">The kind of error.</param>
/// <param name="param">The parameter at fault, if it is one.</param>
/// <param name="code">The error's name for programs, if it has one.</param>
internal sealed class ApiException(int status, string message, string type, string? param = null, string? code = null) : Exception(message)
{
    public int Status => status;

    /// <summary>The seconds after which to try again; 0 where that is open.</summary>
    public int RetryAfter { get; init; }

    public ErrorResponse Response => new(new ErrorBody(Message, type, param, code));

    public static ApiException Invalid(string message, string? param = null, string? code = null) =>
        new(StatusCodes.Status400BadRequest, message, "invalid_request_error", param, code);

    public static ApiException Full(int capacity) =>
        new(StatusCodes.Status429TooManyRequests, $"The server works on {capacity} continuations at a time, queue included, and has no place left. Try again later, or ask for fewer at once.", "requests", param: null, "rate_limit_exceeded") { RetryAfter = 1 };

    public static ApiException ShuttingDown() =>
        new(StatusCodes.Status503ServiceUnavailable, "The server is shutting down.", "server_error", param: null, "shutting_down") { RetryAfter = 5 };

    public static ApiException Internal() =>
        new(StatusCodes.Status500InternalServerError, "The server failed to answer; its log says why.", "server_error");

    public static ApiException OfStatus(int status, string path) => status switch
    {
        StatusCodes.Status404NotFound => new(status, $"There is nothing at {path}. Completions are made by POST /v1/completions.", "invalid_request_error", param: null, "unknown_url"),
        StatusCodes.Status405MethodNotAllowed => new(status, $"{path} does not take this method.", "invalid_request_error", param: null, "method_not_allowed"),
        _ => new(status, $"The request was refused with status {status}.", status < 500 ? "invalid_request_error" : "server_error"),
    };
}
