using System.Net;
using System.Net.Sockets;
using Microsoft.AspNetCore.Diagnostics.HealthChecks;
using Microsoft.AspNetCore.HostFiltering;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.Server.Kestrel.Transport.Sockets;
using OpenTelemetry.Metrics;
using OpenTelemetry.Resources;

namespace ServerSample;

/// <summary>Puts the server together. It listens on what its options say and on nothing else, whatever the environment holds.</summary>
internal static class CompletionServer
{
    private const int SendBufferBytes = 1 << 17;

    private static readonly TimeSpan s_headersTime = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan s_idleTime = TimeSpan.FromSeconds(60);

    // Kestrel closes a connection that is slower for longer than the grace period.
    private static readonly MinDataRate s_leastRate = new(bytesPerSecond: 1024, gracePeriod: TimeSpan.FromSeconds(10));

    /// <summary>Makes a server, which is yet to be started.</summary>
    /// <param name="model">The model, which is the server's from now on.</param>
    /// <param name="options">How it runs.</param>
    /// <param name="configureLogging">Where it logs.</param>
    /// <param name="configureServices">Replaces parts of it.</param>
    public static WebApplication Create(ServedModel model, ServerOptions options, Action<ILoggingBuilder> configureLogging, Action<IServiceCollection>? configureServices = null)
    {
        ListenAddress[] addresses = [.. options.Urls.Select(url => ListenAddress.TryParse(url, options.AllowRemote, out var error) ?? throw new ArgumentException(error, nameof(options)))];
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions { ApplicationName = typeof(CompletionServer).Assembly.GetName().Name });
        configureLogging(builder.Logging);
        builder.WebHost.UseKestrelCore().ConfigureKestrel(kestrel =>
        {
            kestrel.AddServerHeader = false;
            kestrel.Limits.MaxRequestBodySize = options.MaxBodyBytes;
            kestrel.Limits.MaxConcurrentConnections = options.MaxConnections;
            (kestrel.Limits.RequestHeadersTimeout, kestrel.Limits.KeepAliveTimeout) = (s_headersTime, s_idleTime);
            (kestrel.Limits.MinRequestBodyDataRate, kestrel.Limits.MinResponseDataRate) = (s_leastRate, s_leastRate);
            foreach (var (address, port) in addresses)
            {
                if (address is not null) kestrel.Listen(address, port);
                else kestrel.ListenLocalhost(port == 0 ? ListenAddress.FindFreeLocalPort() : port);
            }
        });
        builder.Services.Configure<SocketTransportOptions>(sockets => sockets.CreateBoundListenSocket = Listen);
        string[] hosts = options.AllowRemote ? ["*"] : [.. addresses.Select(address => address.Host).Concat(["localhost", "127.0.0.1", "[::1]"]).Distinct()];
        // A page elsewhere whose name is made to point here could otherwise read what is here.
        builder.Services.Configure<HostFilteringOptions>(filter => (filter.AllowedHosts, filter.IncludeFailureMessage) = (hosts, false));
        AddServices(builder.Services, model, options);
        configureServices?.Invoke(builder.Services);
        var app = builder.Build();
        Map(app);
        return app;
    }

    /// <summary>Has a server take up the model's files when they are replaced.</summary>
    /// <param name="services">The server's services.</param>
    /// <param name="source">The files.</param>
    /// <param name="seen">How they looked before the server's model was loaded.</param>
    /// <param name="period">How often to look.</param>
    public static void AddWatch(IServiceCollection services, IModelSource source, string seen, TimeSpan period) => services.AddHostedService(provider => new ModelWatch(
        source, seen, provider.GetRequiredService<CurrentModel>(), period, TimeProvider.System, provider.GetRequiredService<ILogger<ModelWatch>>()));

    /// <summary>Where a started server listens.</summary>
    public static IEnumerable<Uri> AddressesOf(WebApplication app) =>
        app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.Select(address => new Uri(address));

    // Connections inherit it. The system would else take megabytes for a client that does not read, where nobody counts them.
    private static Socket Listen(EndPoint endpoint)
    {
        var socket = SocketTransportOptions.CreateDefaultBoundListenSocket(endpoint);
        socket.SendBufferSize = SendBufferBytes;
        return socket;
    }

    private static void AddServices(IServiceCollection services, ServedModel model, ServerOptions options)
    {
        services.AddRoutingCore();
        services.AddCors(cors => cors.AddDefaultPolicy(policy => policy.WithOrigins([.. options.Origins]).AllowAnyHeader().WithMethods(HttpMethods.Get, HttpMethods.Head, HttpMethods.Post)
            .WithExposedHeaders("Retry-After", BurstHeaders.Policy, BurstHeaders.UnseenMass, BurstHeaders.UnseenTokens)));
        services.Configure<HostOptions>(host => host.ShutdownTimeout = options.ShutdownTime + TimeSpan.FromSeconds(10));
        services.AddSingleton(options);
        services.AddSingleton(_ => new CurrentModel(model));
        services.AddSingleton(provider =>
        {
            var models = provider.GetRequiredService<CurrentModel>();
            var live = new LiveStatistics(models.Model.Model.Layout.TailCount);
            models.Replaced += () => live.Restart(models.Model.Model.Layout.TailCount);
            return live;
        });
        services.AddSingleton(_ => new BurstWatch(options.Burst, TimeProvider.System));
        services.AddSingleton<BurstStatistics>();
        services.AddSingleton(provider => new ServerMetrics(provider.GetRequiredService<System.Diagnostics.Metrics.IMeterFactory>(), model.Id, provider.GetRequiredService<BurstWatch>(), provider.GetRequiredService<BatchEngine>));
        services.AddSingleton(provider => new DriftWatch(provider.GetRequiredService<CurrentModel>(), options.Drift, TimeProvider.System, provider.GetRequiredService<ILogger<DriftWatch>>()));
        services.AddSingleton<IEngineObserver, EngineReports>();
        services.AddSingleton<RequestReports>();
        services.AddSingleton(provider => new BatchEngine(provider.GetRequiredService<CurrentModel>(), options.MaxBatch, options.MaxQueue, options.ContestedReadTime, provider.GetRequiredService<IEngineObserver>(), provider.GetRequiredService<BurstWatch>()));
        services.AddSingleton<RequestValidator>();
        services.AddSingleton<PromptEncoder>();
        services.AddSingleton<CompletionEndpoint>();
        services.AddHostedService<Shutdown>();
        services.AddHealthChecks().AddCheck<LiveCheck>("live", tags: ["live"]).AddCheck<ReadyCheck>("ready", tags: ["ready"]);
        services.AddOpenTelemetry()
            .ConfigureResource(resource => resource.AddService("adaptive-softmax-server"))
            .WithMetrics(metrics => metrics
                .AddMeter(AdaptiveSoftmax.Instrumentation.MeterName, ServerMetrics.MeterName, "Microsoft.AspNetCore.Hosting", "Microsoft.AspNetCore.Server.Kestrel", "System.Runtime")
                .AddPrometheusExporter());
    }

    private static void Map(WebApplication app)
    {
        var created = DateTimeOffset.UtcNow.ToUnixTimeSeconds();
        app.UseStatusCodePages(context => ErrorWriter.WriteAsync(context.HttpContext, ApiException.OfStatus(context.HttpContext)));
        app.UseHostFiltering();
        // Pages of other origins are told nothing unless asked for, and of the page and the metrics never.
        if (app.Services.GetRequiredService<ServerOptions>().Origins.Count > 0) app.UseWhen(context => context.Request.Path.StartsWithSegments("/v1"), api => api.UseCors());
        app.UseRouting();
        app.MapPost("/v1/completions", context => context.RequestServices.GetRequiredService<CompletionEndpoint>().HandleAsync(context));
        app.MapPost("/v1/chat/completions", context => context.RequestServices.GetRequiredService<CompletionEndpoint>().HandleChatAsync(context));
        string[] reading = [HttpMethods.Get, HttpMethods.Head];
        app.MapMethods("/v1/models", reading, context => context.Response.WriteAsJsonAsync(new ModelList([ModelOf(context, created)]), WireFormat.Plain.ModelList));
        app.MapMethods("/v1/models/{id}", reading, (HttpContext context, string id) => ModelOf(context, created) is var model && model.Id == id
            ? context.Response.WriteAsJsonAsync(model, WireFormat.Plain.ModelInfo)
            : ErrorWriter.WriteAsync(context, RequestValidator.NoSuchModel(id, model.Id)));
        app.MapHealthChecks("/healthz", new HealthCheckOptions { Predicate = check => check.Tags.Contains("live") });
        app.MapHealthChecks("/readyz", new HealthCheckOptions { Predicate = check => check.Tags.Contains("ready") });
        app.MapPrometheusScrapingEndpoint("/metrics");
        MonitorEndpoints.Map(app);
    }

    private static ModelInfo ModelOf(HttpContext context, long created) => new(context.RequestServices.GetRequiredService<CurrentModel>().Model.Id, created, "adaptive-softmax");
}
