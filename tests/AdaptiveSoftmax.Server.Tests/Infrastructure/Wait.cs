namespace AdaptiveSoftmax.Server.Tests;

/// <summary>Waits for what comes by itself, however loaded the machine is.</summary>
internal static class Wait
{
    public static async Task UntilAsync(Func<bool> condition) => await UntilAsync(() => Task.FromResult(condition()));

    public static async Task UntilAsync(Func<Task<bool>> condition)
    {
        using var ceiling = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
        ceiling.CancelAfter(TimeSpan.FromMinutes(2));
        while (!await condition()) await Task.Delay(TimeSpan.FromMilliseconds(5), ceiling.Token);
    }
}
