using System.Buffers;
using System.Text.Json;

namespace ServerSample;

/// <summary><c>POST /v1/completions</c>.</summary>
internal sealed partial class CompletionEndpoint(ServedModel model, BatchEngine engine, RequestValidator validator, RequestReports reports, ILogger<CompletionEndpoint> logger)
{
    public async Task HandleAsync(HttpContext context)
    {
        try
        {
            var request = await RequestReader.ReadAsync(context.Request, context.RequestAborted);
            await AnswerAsync(context, request);
        }
        catch (ApiException exception)
        {
            reports.Refused(exception.Status);
            await ErrorWriter.WriteAsync(context, exception);
        }
        catch (OperationCanceledException) when (context.RequestAborted.IsCancellationRequested)
        {
            // Nobody is there to be told.
        }
        catch (Exception exception) when (!context.Response.HasStarted)
        {
            LogFailure(exception);
            await ErrorWriter.WriteAsync(context, ApiException.Internal());
        }
    }

    private async Task AnswerAsync(HttpContext context, CompletionRequest request)
    {
        var generation = new Generation(model, validator.Validate(request));
        switch (engine.Submit(generation))
        {
            case Admission.Full: throw ApiException.Full(engine.Capacity);
            case Admission.Closed: throw ApiException.ShuttingDown();
        }

        var outcome = Outcome.Cancelled;
        try
        {
            // A client that leaves frees its places at once, wherever the answer stands.
            await using var leaving = context.RequestAborted.Register(() => engine.Cancel(generation));
            var builder = new ResponseBuilder(model, generation);
            if (request.Stream == true) await StreamAsync(context, generation, builder, request.StreamOptions?.IncludeUsage == true);
            else await WriteAsync(context, generation, builder);
            outcome = Outcome.Completed;
        }
        catch (Exception exception) when (exception is not OperationCanceledException)
        {
            outcome = Outcome.Failed;
            if (exception is not ApiException) LogFailure(exception);
            var error = exception as ApiException ?? ApiException.Internal();
            if (context.Response.HasStarted) await WriteLastErrorAsync(context, error);
            else await ErrorWriter.WriteAsync(context, error);
        }
        finally
        {
            engine.Cancel(generation);
            reports.Ended(generation, outcome, request.User);
        }
    }

    private static async Task WriteAsync(HttpContext context, Generation generation, ResponseBuilder builder)
    {
        var pieces = new List<TextPiece>();
        await foreach (var piece in generation.Pieces.ReadAllAsync(context.RequestAborted)) pieces.Add(piece);
        await context.Response.WriteAsJsonAsync(builder.Whole(pieces), WireFormat.Plain.CompletionResponse, cancellationToken: context.RequestAborted);
    }

    private static async Task StreamAsync(HttpContext context, Generation generation, ResponseBuilder builder, bool withUsage)
    {
        var cancellation = context.RequestAborted;
        // An error that comes before the first text still has a status of its own.
        await generation.Pieces.WaitToReadAsync(cancellation);
        context.Response.ContentType = "text/event-stream";
        context.Response.Headers.CacheControl = "no-cache";
        do
        {
            // All that is there goes out at once.
            while (generation.Pieces.TryRead(out var piece)) WriteEvent(context, builder.Part(piece));
            await context.Response.BodyWriter.FlushAsync(cancellation);
        }
        while (await generation.Pieces.WaitToReadAsync(cancellation));

        if (withUsage) WriteEvent(context, builder.UsagePart());
        context.Response.BodyWriter.Write("data: [DONE]\n\n"u8);
        await context.Response.BodyWriter.FlushAsync(cancellation);
    }

    private static void WriteEvent(HttpContext context, CompletionResponse part) =>
        WriteEvent(context, JsonSerializer.SerializeToUtf8Bytes(part, WireFormat.Plain.CompletionResponse));

    private static void WriteEvent(HttpContext context, ReadOnlySpan<byte> json)
    {
        var writer = context.Response.BodyWriter;
        writer.Write("data: "u8);
        writer.Write(json);
        writer.Write("\n\n"u8);
    }

    // The status of a stream is sent long since; its client finds the error in its place, and no [DONE].
    private static async Task WriteLastErrorAsync(HttpContext context, ApiException error)
    {
        WriteEvent(context, JsonSerializer.SerializeToUtf8Bytes(error.Response, WireFormat.Plain.ErrorResponse));
        await context.Response.BodyWriter.FlushAsync(context.RequestAborted);
    }

    [LoggerMessage(LogLevel.Error, "A request failed.")]
    private partial void LogFailure(Exception exception);
}
