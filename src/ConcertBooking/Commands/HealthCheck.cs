namespace ConcertBooking.Commands;

/// <summary>Asks the service on this machine whether it lives; for a container without a shell.</summary>
internal static class HealthCheck
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(3);

    public static async Task<int> RunAsync(IConfiguration configuration)
    {
        // The management address serves livez whatever the role, and no proxy stands before this machine.
        var management = ListenAddresses.Load(configuration)[^1];
        using var http = new HttpClient(new SocketsHttpHandler { UseProxy = false }) { Timeout = Limit };
        try
        {
            using var answer = await http.GetAsync(new Uri(management.Reachable, "livez"));
            return answer.IsSuccessStatusCode ? 0 : 1;
        }
        catch (Exception exception) when (exception is HttpRequestException or TaskCanceledException)
        {
            Console.Error.WriteLine($"concert-booking: {exception.Message}");
            return 1;
        }
    }
}
