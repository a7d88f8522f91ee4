using ConcertBooking.Admin;
using ConcertBooking.Concerts;
using ConcertBooking.Events;
using ConcertBooking.Infrastructure;
using ConcertBooking.Payments;
using ConcertBooking.Points;
using ConcertBooking.Queue;
using ConcertBooking.Rankings;
using ConcertBooking.Reservations;
using Scalar.AspNetCore;

namespace ConcertBooking.Operations;

/// <summary>The service: its parts, its pipeline and the list of its slices.</summary>
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
        Configure(app, settings);
        OpenFiles.WarnOfFewer(settings, app.Logger);
        app.Lifetime.ApplicationStarted.Register(StartupMemory.Release);
        await app.RunAsync();
        return 0;
    }

    private static void AddServices(WebApplicationBuilder builder, Settings settings)
    {
        builder.Logging.AddLogs(settings);
        builder.WebHost.UseUrls([.. settings.Addresses.Select(static address => address.Url)]).UseSetting(WebHostDefaults.HttpPortsKey, ""); // they are among the addresses
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.SetLimits(settings));
        var services = builder.Services;
        services.Configure<HostOptions>(host => host.ShutdownTimeout = Drain.Limit(settings));
        services.Configure<RouteHandlerOptions>(static routes => routes.ThrowOnBadRequest = true);
        services.AddSingleton(settings);
        services.AddSingleton(TimeProvider.System);
        services.AddSingleton<Metrics>();
        services.AddSingleton<AdmissionController>();
        services.AddSingleton<MySql>();
        services.AddSingleton<Redis>();
        services.AddSingleton<RedisClock>();
        services.AddSingleton<SingleFlight>();
        services.AddSingleton<UserWriteLimiter>();
        services.AddSingleton<IdempotentAnswers>();
        services.AddSingleton<Kafka>();
        services.AddHostedService(static provider => provider.GetRequiredService<Kafka>());
        services.AddSingleton<OutboxSignal>();
        services.AddSingleton<DeadLetters>();
        services.AddSingleton<ConsumerGroups>();
        services.AddSingleton<Health>();
        services.AddHostedService(static provider => provider.GetRequiredService<Health>());
        services.AddHostedService<Drain>();
        services.AddHostedService<Gauges>();
        services.AddSingleton<Queues>();
        services.AddSingleton<UsedPasses>();
        services.AddSingleton<WaitingRoom>();
        services.AddSingleton<QueueTokens>();
        services.AddSingleton<ProofOfWork>();
        services.AddSingleton<CatalogueCache>();
        services.AddSingleton<Balances>();
        services.AddSingleton<Ranking>();
        services.AddSingleton<HoldExpiry>();
        services.AddSingleton<HoldLimits>();
        if (settings.Api)
        {
            services.AddHostedService<SweepQueues>(); // where nobody can ask, nobody's time passes
        }

        services.AddSingleton<QueuePositionBroadcaster>();
        services.AddHostedService(static provider => provider.GetRequiredService<QueuePositionBroadcaster>());
        if (settings.Worker)
        {
            services.AddHostedService<ExpireHolds>();
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
        services.AddDocument();
        services.AddSingleton<MatcherPolicy, PortPolicy>();
        services.AddGates(settings.Security);
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
        app.UseGates(settings.Security);
        app.UseMiddleware<ProblemMiddleware>();
        app.UseConnectionCloseWhileDraining();
        app.UseAddressRateLimit();
        app.UseMiddleware<CredentialsMiddleware>();
        app.UseMediaTypes();
        app.UseUserWriteLimiter();
        var routes = app.MapGroup("").WithHead();
        // Whatever else is asked, health is told, and who has a place or a seat goes on.
        var first = routes.MapGroup("").WithMetadata(new LowPriorityScheduler.HighPriority());
        HealthRoutes.Map(first.MapGroup("").WithMetadata(ServedOn.BothPorts));
        first.MapPrometheusScrapingEndpoint(MetricsPath).WithMetadata(ServedOn.ManagementPort).ExcludeFromDescription();
        if (!settings.Api)
        {
            return;
        }

        // What carries no body has nothing to be validated, and a filter would only go through its HttpContext.
        Map(first.MapGroup("").DisableValidation(), ReleaseSeat.Map, LeaveQueue.Map);
        Map(
            routes.MapGroup("").DisableValidation(),
            GetPlace.Map, WatchPlace.Map,
            ListConcerts.Map, ListSchedules.Map, ListSeats.Map, ListTopConcerts.Map, ListSoldOut.Map,
            GetReservation.Map, ListReservations.Map,
            GetPayment.Map, GetPoints.Map, ListTransactions.Map,
            GetQueue.Map, GetEvents.Map);
        Map(first, HoldSeat.Map, Pay.Map, ChargePoints.Map);
        Map(
            routes,
            IssueToken.Map,
            CreateConcert.Map, UpdateConcert.Map, CreateSchedule.Map, UpdateSchedule.Map, PutQueue.Map, ReplayEvents.Map);
        if (settings.Development && settings.Auth.Authority is null)
        {
            SignIn.Map(routes);
        }

        routes.MapOpenApi();
        routes.MapScalarApiReference("/scalar", static scalar => scalar.DisableDefaultFonts()) // they would come from elsewhere
            .WithMetadata(new Gates.OwnScripts());
    }

    private static void Map(IEndpointRouteBuilder routes, params ReadOnlySpan<Action<IEndpointRouteBuilder>> slices)
    {
        foreach (var map in slices)
        {
            map(routes);
        }
    }

    /// <summary>While draining, every answer asks its client to leave, so that none is on a connection when it is closed.</summary>
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
