using ConcertBooking.Bookings;
using ConcertBooking.Concerts;
using ConcertBooking.Concerts.SeatStreams;
using ConcertBooking.Events.Consuming;
using ConcertBooking.Events.Outbox;
using ConcertBooking.Notifications;
using ConcertBooking.Payments;
using ConcertBooking.Points;
using ConcertBooking.Queue.Room;
using ConcertBooking.Queue.Streams;
using ConcertBooking.Queue.Tokens;
using ConcertBooking.Rankings;
using ConcertBooking.Reservations;
using ConcertBooking.Sales;
using ConcertBooking.Web;

namespace ConcertBooking.Hosting;

/// <summary>The serve command: registers the services, builds the middleware pipeline and runs the host.</summary>
internal static class Serve
{
    private const string MetricsPath = "/metrics";

    public static async Task<int> RunAsync(WebApplicationBuilder builder)
    {
        var settings = Settings.Load(builder.Configuration, builder.Environment);
        ListenAddresses.Check(settings.Addresses);
        AddServices(builder, settings);
        await using var app = builder.Build();
        app.Services.CheckTracing(settings, builder.Configuration);
        app.Services.GetRequiredService<Health>().ProbeAhead(); // after the last setting that could still stop the start
        Configure(app, settings);
        OpenFiles.WarnIfReduced(settings, app.Logger);
        app.Lifetime.ApplicationStarted.Register(() => _ = StartGarbage.CollectLaterAsync(app.Services.GetRequiredService<TimeProvider>()));
        await app.RunAsync();
        return 0;
    }

    private static void AddServices(WebApplicationBuilder builder, Settings settings)
    {
        builder.Logging.AddLogs(settings);
        // The port settings are already among the addresses.
        builder.WebHost.UseUrls([.. settings.Addresses.Select(static address => address.Url)])
            .UseSetting(WebHostDefaults.HttpPortsKey, "");
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.SetLimits(settings));
        builder.WebHost.UseSockets(static sockets => sockets.MaxWriteBufferSize = KestrelLimits.MaximumWriteBytes);
        var services = builder.Services;
        services.Configure<HostOptions>(host => host.ShutdownTimeout = Drain.ShutdownTimeout(settings));
        services.Configure<RouteHandlerOptions>(static routes => routes.ThrowOnBadRequest = true);
        services.AddSingleton(settings);
        services.AddSingleton(TimeProvider.System);
        services.AddSingleton<Metrics>();
        services.AddSingleton<AdmissionController>();
        services.AddSingleton<MySqlDatabase>();
        services.AddSingleton<SharedTransactions>();
        services.AddSingleton(new Schema(Slices.Procedures));
        services.AddSingleton<RedisClient>();
        services.AddSingleton<RedisClock>();
        services.AddSingleton<SingleFlight>();
        services.AddSingleton<UserWriteLimiter>();
        services.AddSingleton<IdempotentAnswers>();
        services.AddSingleton<KafkaCluster>();
        services.AddHostedService(static provider => provider.GetRequiredService<KafkaCluster>());
        services.AddSingleton<OutboxSignal>();
        services.AddSingleton<DeadLetters>();
        services.AddSingleton<ConsumerGroups>();
        services.AddSingleton<Health>();
        services.AddHostedService(static provider => provider.GetRequiredService<Health>());
        services.AddHostedService<Drain>();
        services.AddHostedService<Gauges>();
        services.AddSingleton<Queues>();
        services.AddSingleton<UsedPasses>();
        services.AddSingleton<WaitingRoomScripts>();
        services.AddSingleton<WaitingRoom>();
        services.AddSingleton<QueueTokens>();
        services.AddSingleton<ProofOfWork>();
        services.AddSingleton<ResponseCache>();
        services.AddSingleton<SeatStateCache>();
        services.AddSingleton<SeatFeeds>();
        services.AddSingleton<Balances>();
        services.AddSingleton<PointCharges>();
        services.AddSingleton<UnpaidHolds>();
        services.AddSingleton<BookingPayments>();
        services.AddSingleton<Ranking>();
        services.AddSingleton<HoldExpiry>();
        services.AddSingleton<SharedHolds>();
        services.AddSingleton<SeatHolds>();
        services.AddSingleton<SeatPictures>();
        services.AddSingleton<BestAvailableHolds>();
        services.AddSingleton<SeatRelease>();
        services.AddSingleton<HoldLimits>();
        if (settings.Api)
        {
            services.AddHostedService<SweepQueues>(); // without the API no client waits here
        }

        services.AddSingleton<QueuePositionBroadcaster>();
        services.AddHostedService(static provider => provider.GetRequiredService<QueuePositionBroadcaster>());
        if (settings.Worker)
        {
            services.AddHostedService<ExpireHolds>();
            services.AddHostedService<AdoptReservations>();
            services.AddHostedService<PurgeIdempotencyKeys>();
            services.AddSingleton<OutboxTable>();
            services.AddHostedService<OutboxRelay>();
            services.AddConsumers(settings);
        }

        services.AddTelemetry(settings);
        services.AddSingleton<AccessTokens>();
        services.AddSingleton<RequestPriority>();
        services.AddSingleton<TokenRefusals>();
        if (settings.Auth.Authority is not null)
        {
            services.AddSingleton<UserIdentities>();
            services.AddSingleton<IssuerKeys>();
            services.AddHostedService(static provider => provider.GetRequiredService<IssuerKeys>());
        }

        services.AddJson();
        services.AddValidation();
        services.AddSingleton<IProblemDetailsWriter, FrameworkProblems>();
        services.AddProblemDetails();
        services.AddDocument(ApiGuide.Tags, ApiGuide.Introduction);
        services.AddSingleton<MatcherPolicy, PortPolicy>();
        services.AddSingleton(settings.Security);
        services.AddSingleton<DistributedRateLimiter>();
        services.AddHostedService(static provider => provider.GetRequiredService<DistributedRateLimiter>());
        services.AddOrigins(settings.Security);
    }

    private static void AddConsumers(this IServiceCollection services, Settings settings)
    {
        services.AddSingleton<ConsumerParts>();
        services.AddHostedService<EventInbox>();
        services.AddHostedService<ConsumerLag>();
        services.AddHostedService<CountSales>();
        services.AddHostedService<CountSoldSeats>();
        services.AddHostedService<RebuildRankings>();
        if (settings.NotificationsWebhookUrl is not null)
        {
            services.AddHostedService<WebhookDispatcher>();
        }
    }

    private static void Configure(WebApplication app, Settings settings)
    {
        app.UseLowPriorityScheduler();
        app.UseMiddleware<SecurityHeadersMiddleware>();
        app.UseOrigins(settings.Security);
        app.UseMiddleware<ProblemMiddleware>();
        app.UseConnectionCloseWhileDraining();
        app.UseAddressRateLimit();
        app.UseMiddleware<CredentialsMiddleware>();
        app.UseMediaTypes();
        app.UseUserWriteLimiter();
        var routes = app.MapGroup("").WithHead();
        HealthRoutes.Map(routes.MapGroup("").WithHighPriority().WithMetadata(ServedOn.BothPorts));
        routes.MapPrometheusScrapingEndpoint(MetricsPath).WithHighPriority().WithMetadata(ServedOn.ManagementPort).ExcludeFromDescription();
        if (!settings.Api)
        {
            return;
        }

        if (settings.Web.Enabled)
        {
            Pages.Map(routes, settings);
        }

        Slices.Map(routes);
        routes.MapOpenApi();
        routes.MapApiReference();
    }

    /// <summary>While draining, every response closes its connection, so that no client still uses one at shutdown.</summary>
    private static void UseConnectionCloseWhileDraining(this WebApplication app)
    {
        var health = app.Services.GetRequiredService<Health>();
        app.Use((context, next) =>
        {
            if (health.IsStopping)
            {
                context.Response.Headers.Connection = "close";
            }

            return next(context);
        });
    }
}
