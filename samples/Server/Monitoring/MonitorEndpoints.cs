namespace ServerSample;

/// <summary>The page and its data.</summary>
internal static class MonitorEndpoints
{
    // The page has no other source than itself and its data.
    private const string Policy = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

    private static readonly string[] s_methods = [HttpMethods.Get, HttpMethods.Head];
    private static readonly byte[] s_page = ReadPage();

    public static void Map(IEndpointRouteBuilder routes)
    {
        routes.MapMethods("/", s_methods, context =>
        {
            context.Response.ContentType = "text/html; charset=utf-8";
            context.Response.Headers.ContentSecurityPolicy = Policy;
            context.Response.Headers.XContentTypeOptions = "nosniff";
            return context.Response.Body.WriteAsync(s_page, context.RequestAborted).AsTask();
        });
        routes.MapMethods("/monitor", s_methods, context =>
        {
            context.Response.Headers.CacheControl = "no-store";
            return context.Response.WriteAsJsonAsync(TakeSnapshot(context.RequestServices), MonitorJson.Default.MonitorSnapshot, cancellationToken: context.RequestAborted);
        });
    }

    private static MonitorSnapshot TakeSnapshot(IServiceProvider services)
    {
        var (engine, live, options) = (services.GetRequiredService<BatchEngine>(), services.GetRequiredService<LiveStatistics>(), services.GetRequiredService<ServerOptions>());
        var model = services.GetRequiredService<CurrentModel>().Model;
        return new MonitorSnapshot
        {
            Model = model.Id,
            Fingerprint = model.Fingerprint,
            UptimeSeconds = live.Uptime.TotalSeconds,
            IsShuttingDown = engine.IsClosed,
            Active = engine.Active,
            MaxBatch = options.MaxBatch,
            Waiting = engine.Waiting,
            MaxQueue = options.MaxQueue,
            Paused = engine.Paused,
            Unsent = engine.Unsent,
            Live = live.Snapshot(),
            Burst = services.GetRequiredService<BurstStatistics>().Snapshot(),
            StabilityThreshold = options.Drift.StabilityThreshold,
            DivergenceThreshold = options.Drift.JensenShannonThreshold,
            Drift = services.GetRequiredService<DriftWatch>().Snapshot(),
        };
    }

    private static byte[] ReadPage()
    {
        using var stream = typeof(MonitorEndpoints).Assembly.GetManifestResourceStream("page.html")!;
        var page = new byte[stream.Length];
        stream.ReadExactly(page);
        return page;
    }
}
