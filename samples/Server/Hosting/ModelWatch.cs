namespace ServerSample;

/// <summary>
/// Takes up the model's files when they are replaced, as after a training or a migration. New requests get the new model;
/// those that run end with theirs. Files that do not fit together, or that somebody still writes, leave the model that is there.
/// </summary>
/// <param name="source">The files, and what loads them.</param>
/// <param name="seen">How they <see cref="Look">looked</see> before the first model was loaded: what changed meanwhile is taken up too.</param>
/// <param name="models">The model that is served.</param>
/// <param name="period">How often it looks.</param>
/// <param name="time">The time.</param>
/// <param name="logger">The log.</param>
internal sealed partial class ModelWatch(IModelSource source, string seen, CurrentModel models, TimeSpan period, TimeProvider time, ILogger<ModelWatch> logger) : BackgroundService
{
    /// <summary>Times and sizes of a model's files.</summary>
    public static string Look(IModelSource source) => string.Join('\n', source.Files.Select(path =>
    {
        var file = new FileInfo(path);
        return file.Exists ? FormattableString.Invariant($"{file.LastWriteTimeUtc.Ticks} {file.Length}") : "";
    }));

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(period, time);
        var (served, before) = (seen, seen);
        while (await timer.WaitForNextTickAsync(stoppingToken))
        {
            var now = Look(source);
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

    [LoggerMessage(LogLevel.Information, "New requests are answered by the new model {Fingerprint}.")]
    private partial void LogReplaced(string fingerprint);

    [LoggerMessage(LogLevel.Error, "The model's files changed, and the former model goes on: {Reason}")]
    private partial void LogKept(string reason);
}
