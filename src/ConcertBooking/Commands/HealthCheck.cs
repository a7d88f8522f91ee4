namespace ConcertBooking.Commands;

/// <summary>Liveness probe of the service on this machine, for a container without a shell.</summary>
internal static class HealthCheck
{
    private static readonly TimeSpan Timeout = TimeSpan.FromSeconds(3);

    public static async Task<int> RunAsync(IConfiguration configuration)
    {
        // The management address serves livez whatever the role, and a proxy is never used for this machine.
        var management = ListenAddresses.Load(configuration)[^1];
        using var http = new HttpClient(new SocketsHttpHandler { UseProxy = false }) { Timeout = Timeout };
        try
        {
            using var answer = await http.GetAsync(new Uri(management.LocalUri, "livez"));
            return answer.IsSuccessStatusCode ? 0 : 1;
        }
        catch (Exception exception) when (exception is HttpRequestException or TaskCanceledException)
        {
            Console.Error.WriteLine($"concert-booking: {exception.Message}");
            return 1;
        }
    }
}
