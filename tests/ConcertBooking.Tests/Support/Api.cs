using System.Net;
using System.Net.Http.Headers;
using System.Text;

namespace ConcertBooking.Tests.Support;

/// <summary>Plain HTTP to one address of one instance. All share one connection pool.</summary>
public sealed class Api(Uri address)
{
    private static readonly HttpClient Http = new(new SocketsHttpHandler
    {
        // A test's own activity would make all its requests one trace.
        ActivityHeadersPropagator = null,
        AllowAutoRedirect = false,
        AutomaticDecompression = DecompressionMethods.None,
        UseCookies = false,
        UseProxy = false,
        // The service closes a connection that has sent nothing for longer.
        PooledConnectionIdleTimeout = TimeSpan.FromSeconds(5),
    })
    { Timeout = TimeSpan.FromSeconds(30) };

    public Uri Address { get; } = address;

    public Task<Reply> GetAsync(string path, params (string Name, string Value)[] headers) =>
        SendAsync(HttpMethod.Get, path, null, headers);

    /// <param name="method">Any, also a wrong one.</param>
    /// <param name="path">With its query.</param>
    /// <param name="json">Sent as it is; null for no body.</param>
    /// <param name="headers">Sent as they are, unchecked. <c>Content-Type</c> replaces the body's.</param>
    public async Task<Reply> SendAsync(HttpMethod method, string path, string? json = null, params (string Name, string Value)[] headers)
    {
        using var request = new HttpRequestMessage(method, new Uri(Address, path));
        if (json is not null)
        {
            request.Content = new ByteArrayContent(Encoding.UTF8.GetBytes(json))
            {
                Headers = { ContentType = new MediaTypeHeaderValue("application/json") },
            };
        }

        foreach (var (name, value) in headers)
        {
            if (name == "Content-Type")
            {
                request.Content!.Headers.Remove(name);
                request.Content.Headers.TryAddWithoutValidation(name, value);
            }
            else
            {
                request.Headers.TryAddWithoutValidation(name, value);
            }
        }

        using var response = await Http.SendAsync(request);
        var body = await response.Content.ReadAsByteArrayAsync();
        return new Reply(method, request.RequestUri!, (int)response.StatusCode, response.Headers, response.Content.Headers, body);
    }
}
