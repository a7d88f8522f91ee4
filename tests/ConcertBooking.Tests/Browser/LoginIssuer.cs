using System.Buffers.Text;
using System.Collections.Concurrent;
using System.Net;
using System.Security.Cryptography;
using System.Text;
using System.Web;
using ConcertBooking.Servers;
using ConcertBooking.Tests.Support;

namespace ConcertBooking.Tests.Browser;

/// <summary>An OpenID Connect issuer whose users are signed in already: it sends the browser straight back with a code.</summary>
internal sealed class LoginIssuer : IAsyncDisposable
{
    public const string ClientId = "booking-page";

    private readonly IssuerKey _key = IssuerKey.Rsa("login");
    private readonly HttpReceiver _receiver;
    private readonly ConcurrentDictionary<string, (string Challenge, string Nonce)> _codes = new();
    private readonly string _subject = $"guest-{Guid.NewGuid():N}";
    private int _logins;

    public LoginIssuer()
    {
        Address = $"http://127.0.0.1:{Ports.Take()}";
        _receiver = new HttpReceiver($"{Address}/", AnswerAsync);
    }

    public string Address { get; }

    /// <summary>How often a code was exchanged for tokens.</summary>
    public int Logins => Volatile.Read(ref _logins);

    /// <summary>Set: the answer has another nonce than the one that was asked with, as a replayed one would.</summary>
    public bool WrongNonce { get; set; }

    /// <summary>What its access tokens carry as <c>role</c>; null: none.</summary>
    public string? Role { get; set; }

    public Dictionary<string, string?> Settings => new()
    {
        ["ASPNETCORE_ENVIRONMENT"] = "Development",
        ["Auth__SigningKey"] = null,
        ["Auth__Authority"] = Address,
        ["Auth__Audience"] = "booking",
        ["Web__ClientId"] = ClientId,
    };

    public async ValueTask DisposeAsync()
    {
        await _receiver.DisposeAsync();
        _key.Dispose();
    }

    private async Task AnswerAsync(HttpListenerContext context)
    {
        var (request, response) = (context.Request, context.Response);
        response.Headers["Access-Control-Allow-Origin"] = "*";
        var body = request.Url!.AbsolutePath switch
        {
            "/keys" => $$"""{"keys":[{{_key.Jwk()}}]}""",
            "/authorize" => Authorize(HttpUtility.ParseQueryString(request.Url.Query), response),
            "/token" => Exchange(HttpUtility.ParseQueryString(await new StreamReader(request.InputStream).ReadToEndAsync()), response),
            _ => $$"""
                {"issuer":"{{Address}}","jwks_uri":"{{Address}}/keys","authorization_endpoint":"{{Address}}/authorize",
                 "token_endpoint":"{{Address}}/token","id_token_signing_alg_values_supported":["RS256"]}
                """,
        };
        response.ContentType = "application/json";
        await response.OutputStream.WriteAsync(Encoding.UTF8.GetBytes(body));
        response.Close();
    }

    private string Authorize(System.Collections.Specialized.NameValueCollection asked, HttpListenerResponse response)
    {
        if (asked["response_type"] != "code" || asked["client_id"] != ClientId || asked["code_challenge_method"] != "S256")
        {
            response.StatusCode = 400;
            return "";
        }

        var code = Guid.NewGuid().ToString("N");
        _codes[code] = (asked["code_challenge"]!, asked["nonce"]!);
        response.Redirect($"{asked["redirect_uri"]}?code={code}&state={Uri.EscapeDataString(asked["state"]!)}");
        return "";
    }

    private string Exchange(System.Collections.Specialized.NameValueCollection asked, HttpListenerResponse response)
    {
        var verifier = Base64Url.EncodeToString(SHA256.HashData(Encoding.ASCII.GetBytes(asked["code_verifier"] ?? "")));
        if (!_codes.TryRemove(asked["code"] ?? "", out var code) || code.Challenge != verifier || asked["client_id"] != ClientId)
        {
            response.StatusCode = 400;
            return """{"error":"invalid_grant"}""";
        }

        Interlocked.Increment(ref _logins);
        var (nonce, end) = (WrongNonce ? "another" : code.Nonce, AccessTokens.InSeconds(600));
        var common = $"\"sub\":\"{_subject}\",\"iss\":\"{Address}\",\"exp\":{end}";
        var role = Role is null ? "" : $",\"role\":\"{Role}\"";
        var access = _key.Sign($$"""{{{common}},"aud":"booking"{{role}}}""");
        var identity = _key.Sign($$"""{{{common}},"aud":"{{ClientId}}","nonce":"{{nonce}}","name":"Kim Min-ji"}""");
        return $$"""{"access_token":"{{access}}","id_token":"{{identity}}","token_type":"Bearer","expires_in":600}""";
    }
}
