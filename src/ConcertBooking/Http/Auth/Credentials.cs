
namespace ConcertBooking.Http.Auth;

/// <summary>The credential that a route needs.</summary>
internal enum Credential
{
    AccessToken,
    Admin,
    Cashier,
    QueueToken,
}

/// <summary>
/// Authentication and authorization: checks the credential of a request before its body is read. The caller's identity comes
/// from here alone, never from a body.
/// </summary>
internal sealed class CredentialsMiddleware(
    RequestDelegate next, AccessTokens accessTokens, QueueTokens queueTokens, DistributedRateLimiter rateLimiter)
{
    public async Task InvokeAsync(HttpContext context)
    {
        switch (context.GetEndpoint()?.Metadata.GetMetadata<CredentialUse>()?.Needed)
        {
            case Credential.QueueToken:
                if (queueTokens.Read(context, out var queueToken) is { } problem)
                {
                    await problem.ExecuteAsync(context);
                    return;
                }

                if (rateLimiter.TryAcquire(RateLimitKey.User(queueToken.UserId)) is > 0 and var wait)
                {
                    await (Problems.TooManyRequests with { RetryAfterSeconds = wait }).ExecuteAsync(context);
                    return;
                }

                break;
            case { } needed:
                var (user, refusal) = await accessTokens.ReadAsync(context);
                context.Request.Headers.Authorization = default; // long tokens of waiting requests would hold megabytes
                if (user is null)
                {
                    if (refusal == Problems.Unauthorized)
                    {
                        context.Response.Headers.WWWAuthenticate = "Bearer";
                    }

                    await refusal!.ExecuteAsync(context);
                    return;
                }

                if (needed is Credential.Admin && !user.IsAdmin || needed is Credential.Cashier && !user.IsCashier)
                {
                    await Problems.Forbidden.ExecuteAsync(context);
                    return;
                }

                // A cashier is one account that acts for all users; its address still counts.
                if (!user.IsCashier && rateLimiter.TryAcquire(RateLimitKey.User(user.Id)) is > 0 and var seconds)
                {
                    await (Problems.TooManyRequests with { RetryAfterSeconds = seconds }).ExecuteAsync(context);
                    return;
                }

                context.Features.Set(user);
                break;
            case null:
                break;
        }

        await next(context);
    }
}

/// <summary>Endpoint metadata: the credential that the route needs.</summary>
internal sealed record CredentialUse(Credential Needed);

/// <summary>
/// The priority of a request (<see cref="LowPriorityScheduler"/>): high for a request to an endpoint marked so, with a credential
/// known to be valid. A pass itself proves that its user was admitted; an access token must have been verified before. So
/// waiting and unknown clients are refused at low priority, however often they call.
/// </summary>
internal sealed class RequestPriority(AccessTokens accessTokens, QueueTokens queueTokens, RedisClock clock)
{
    public bool IsHighPriority(HttpContext context) =>
        context.GetEndpoint()?.Metadata is { } endpoint && endpoint.GetMetadata<LowPriorityScheduler.HighPriority>() is not null
        && endpoint.GetMetadata<CredentialUse>()?.Needed switch
        {
            null => true,
            Credential.QueueToken => queueTokens.Read(context, out var token) is null && token.AdmittedUntil > clock.NowMilliseconds,
            _ => accessTokens.WasVerified(context),
        };
}

/// <summary>The verified queue token, as a feature of its request.</summary>
internal sealed record QueueCaller(QueueToken Token);

internal static class Credentials
{
    /// <summary>The caller of a route that needs an access token.</summary>
    public static long UserId(this HttpContext context) => context.Features.Get<User>()!.Id;

    /// <summary>The caller of a route that needs either credential.</summary>
    public static long CallerId(this HttpContext context) => context.Features.Get<User>()?.Id ?? context.QueueToken().UserId;

    /// <summary>The verified queue token of a route that needs one; whether it still holds a place is decided by Redis.</summary>
    public static QueueToken QueueToken(this HttpContext context) => context.Features.Get<QueueCaller>()!.Token;
}
