namespace ServerSample;

/// <summary>
/// Takes up the model's files when they are replaced, as after a training or a migration. New requests get the new model;
/// those that run end with theirs. Files that do not fit together, or that somebody still writes, leave the model that is there.
/// </summary>
internal sealed partial class ModelWatch(IModelSource source, CurrentModel models, TimeSpan period, TimeProvider time, ILogger<ModelWatch> logger) : BackgroundService
{
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(period, time);
        var served = Look();
        var before = served;
        while (await timer.WaitForNextTickAsync(stoppingToken))
        {
            var now = Look();
            // What changed within a period may still be written, or miss the second of two files.
            var isSettled = now == before;
            before = now;
            if (now == served || !isSettled) continue;
            served = now;
            try
            {
                // A model takes seconds to load, and belongs to nobody until it is whole.
                var next = await Task.Run(source.Load, stoppingToken);
                models.Replace(next);
                LogReplaced(next.Fingerprint);
            }
            catch (Exception exception) when (exception is not OperationCanceledException)
            {
                LogKept(exception.Message);
            }
        }
    }

    private string Look() => string.Join('\n', source.Files.Select(path =>
    {
        var file = new FileInfo(path);
        return file.Exists ? FormattableString.Invariant($"{file.LastWriteTimeUtc.Ticks} {file.Length}") : "";
    }));

    [LoggerMessage(LogLevel.Information, "New requests are answered by the new model {Fingerprint}.")]
    private partial void LogReplaced(string fingerprint);

    [LoggerMessage(LogLevel.Error, "The model's files changed, and the former model goes on: {Reason}")]
    private partial void LogKept(string reason);
}
