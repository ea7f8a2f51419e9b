using System.Buffers;
using System.Text.Json;

namespace ServerSample;

/// <summary><c>POST /v1/completions</c> and <c>POST /v1/chat/completions</c>.</summary>
internal sealed partial class CompletionEndpoint(CurrentModel models, ServerOptions options, BatchEngine engine, RequestValidator validator, PromptEncoder encoder, RequestReports reports, ILogger<CompletionEndpoint> logger)
{
    private const string Example = "{\"prompt\": \"Once upon a time\"}";
    private const string ChatExample = "{\"messages\": [{\"role\": \"user\", \"content\": \"Hello\"}]}";

    /// <summary>Answers a request for completions.</summary>
    public Task HandleAsync(HttpContext context) => HandleAsync(context, async () =>
    {
        var request = await RequestReader.ReadAsync(context.Request, WireJson.Default.CompletionRequest, Example, options.BodyTime, context.RequestAborted);
        await AnswerAsync(context, request, model => validator.Validate(request, model), (generation, countsEvents) => new ResponseBuilder(generation, options.Burst, countsEvents));
    });

    /// <summary>Answers a request for the next message of a chat.</summary>
    public Task HandleChatAsync(HttpContext context) => HandleAsync(context, async () =>
    {
        var request = await RequestReader.ReadAsync(context.Request, WireJson.Default.ChatCompletionRequest, ChatExample, options.BodyTime, context.RequestAborted);
        await AnswerAsync(context, request, model => validator.Validate(request, model), (generation, countsEvents) => new ChatResponseBuilder(generation, options.Burst, countsEvents));
    });

    private async Task HandleAsync(HttpContext context, Func<Task> answer)
    {
        try
        {
            await answer();
        }
        catch (ApiException exception)
        {
            reports.Refused(exception.Status);
            await ErrorWriter.WriteAsync(context, exception);
        }
        catch (OperationCanceledException)
        {
            // Nobody is there to be told.
        }
        catch (Exception exception) when (!context.Response.HasStarted)
        {
            LogFailure(exception);
            await ErrorWriter.WriteAsync(context, ApiException.Internal());
        }
    }

    private async Task AnswerAsync(HttpContext context, SamplingRequest request, Func<ServedModel, CheckedRequest> validate, Func<Generation, bool, AnswerBuilder> createBuilder)
    {
        // What is replaced meanwhile lives until this answer has ended.
        using var lease = models.Take();
        var asked = validate(lease.Model);
        // To make tokens of a prompt costs more than to refuse it.
        Check(engine.Ask(asked.Choices));
        var prompts = await encoder.EncodeAsync(asked.Prompts, lease.Model.Tokenizer, context.RequestAborted);
        var wanted = asked.Options with { Prompts = prompts };
        RequestValidator.CheckEcho(wanted, lease.Model);
        var generation = new Generation(lease, wanted);
        Check(engine.Submit(generation));

        var outcome = Outcome.Cancelled;
        try
        {
            // A client that leaves frees its places at once, wherever the answer stands.
            await using var leaving = context.RequestAborted.Register(() => engine.Release(generation));
            var withUsage = request.StreamOptions?.IncludeUsage == true;
            var builder = createBuilder(generation, withUsage);
            if (request.Stream == true) await StreamAsync(context, generation, builder, withUsage);
            else await WriteAsync(context, generation, builder);
            outcome = Outcome.Completed;
        }
        catch (UnreadException exception)
        {
            outcome = Outcome.Unread;
            engine.Release(generation);
            // What is written stands behind what the client has yet to read, and nobody waits for it here.
            if (request.Stream == true) WriteEvent(context, ApiException.Unread(exception));
        }
        catch (Exception exception) when (exception is not OperationCanceledException)
        {
            outcome = Outcome.Failed;
            engine.Release(generation);
            if (exception is not ApiException) LogFailure(exception);
            var error = exception as ApiException ?? (exception is FaultyRowException ? ApiException.Faulty() : ApiException.Internal());
            // The status of a stream is sent long since; its client finds the error in its place, and no [DONE].
            if (context.Response.HasStarted) WriteEvent(context, error);
            else await ErrorWriter.WriteAsync(context, error);
        }
        finally
        {
            engine.Release(generation);
            reports.Ended(generation, outcome, request.User);
        }
    }

    private void Check(Admission admission)
    {
        switch (admission)
        {
            case Admission.Full: throw ApiException.Full(engine.Capacity);
            case Admission.Closed: throw ApiException.ShuttingDown();
        }
    }

    private async Task WriteAsync(HttpContext context, Generation generation, AnswerBuilder builder)
    {
        var pieces = new List<TextPiece>();
        await foreach (var piece in generation.Pieces.ReadAllAsync(context.RequestAborted)) pieces.Add(piece);
        var answer = builder.Whole(pieces);
        BurstHeaders.Write(context.Response, CompletionDecoding.Of(generation, options.Burst), generation.CompletionTokens);
        context.Response.ContentType = "application/json; charset=utf-8";
        await generation.Reading.SendAsync(token => context.Response.Body.WriteAsync(answer, token).AsTask(), context.RequestAborted);
        // The end of the body is yet to come, so that a client that asks again has its place back.
        engine.Release(generation);
    }

    private async Task StreamAsync(HttpContext context, Generation generation, AnswerBuilder builder, bool withUsage)
    {
        var (cancellation, writer, time) = (context.RequestAborted, context.Response.BodyWriter, generation.Reading);
        // An error that comes before the first text still has a status of its own.
        await generation.Pieces.WaitToReadAsync(cancellation);
        context.Response.ContentType = "text/event-stream";
        context.Response.Headers.CacheControl = "no-cache";
        // nginx would gather events otherwise.
        context.Response.Headers["X-Accel-Buffering"] = "no";
        BurstHeaders.Write(context.Response, CompletionDecoding.Of(generation, options.Burst), tokens: null);
        do
        {
            // All that is there goes out at once.
            var pieces = 0;
            for (; generation.Pieces.TryRead(out var piece); pieces++)
            {
                foreach (var part in builder.Parts(piece)) WriteEvent(context, part);
            }

            await time.FlushAsync(writer, cancellation);
            if (generation.MarkSent(pieces)) engine.Resume(generation);
        }
        while (await generation.Pieces.WaitToReadAsync(cancellation));

        engine.Release(generation);
        if (withUsage) WriteEvent(context, builder.UsagePart());
        writer.Write("data: [DONE]\n\n"u8);
        await time.FlushAsync(writer, cancellation);
    }

    private static void WriteEvent(HttpContext context, ApiException error) =>
        WriteEvent(context, JsonSerializer.SerializeToUtf8Bytes(error.Response, WireFormat.Plain.ErrorResponse));

    private static void WriteEvent(HttpContext context, ReadOnlySpan<byte> json)
    {
        var writer = context.Response.BodyWriter;
        writer.Write("data: "u8);
        writer.Write(json);
        writer.Write("\n\n"u8);
    }

    [LoggerMessage(LogLevel.Error, "A request failed.")]
    private partial void LogFailure(Exception exception);
}
