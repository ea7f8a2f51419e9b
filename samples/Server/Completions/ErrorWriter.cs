using System.Globalization;

namespace ServerSample;

/// <summary>Errors in the interface's form.</summary>
internal static class ErrorWriter
{
    public static Task WriteAsync(HttpContext context, ApiException error)
    {
        context.Response.StatusCode = error.Status;
        if (error.RetryAfter > 0) context.Response.Headers.RetryAfter = error.RetryAfter.ToString(CultureInfo.InvariantCulture);
        return context.Response.WriteAsJsonAsync(error.Response, WireFormat.Plain.ErrorResponse, cancellationToken: context.RequestAborted);
    }
}
