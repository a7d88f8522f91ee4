using System.Globalization;
using System.Text;
using ConcertBooking.Tests.Support;

namespace ConcertBooking.Tests.Security;

/// <summary>
/// Requests made from the OpenAPI document and broken on purpose, each in a way that must be refused: never a 5xx,
/// never a word of what is inside, never a changed row, and memory that stays.
/// </summary>
public sealed class FuzzTests : SharedRigTests
{
    /// <summary>Bytes of a body that are on their way before any answer can come.</summary>
    private const int SentAtOnce = 1024;

    private const int Workers = 8;

    [Test]
    public Task Fuzz_OfEveryCall_ChangesNothingAndLeaksNothing() => RunAsync(3_000);

    [Test, Explicit, Category("Long")]
    public Task Fuzz_OfEveryCall_TwentyThousandTimes() => RunAsync(20_000);

    private async Task RunAsync(int requests)
    {
        var seed = int.TryParse(Environment.GetEnvironmentVariable("FUZZ_SEED"), CultureInfo.InvariantCulture, out var wanted)
            ? wanted : Random.Shared.Next();
        Console.WriteLine($"FUZZ_SEED={seed}");
        await using var service = await Rig.StartAloneAsync(new Dictionary<string, string?>
        {
            ["ConnectionStrings__Kafka"] = null,
            ["Holds__Seconds"] = "3600",
        });
        var show = await service.Catalogue.AddShowAsync();
        var victim = await new Visitor(service.Api, UserIds.Next(), "").WithTokenAsync(Rig, show);
        (await victim.ChargeAsync(1_000_000)).Expect(201);
        (await victim.HoldAsync(show, 1)).Expect(201);
        var calls = await FuzzCall.ReadAsync(service.Api);
        await Assert.That(calls.Count).IsGreaterThan(20);
        // The service's own writes: each queue is marked as entered once, and write_check is written again and again.
        await Rig.NewVisitor(service).EnteredAsync(null);
        await Eventually.TrueAsync(
            async () => await service.Database.ScalarAsync<long>("SELECT COUNT(*) FROM queue WHERE entered_at IS NULL") == 0);
        var before = await ChecksumsAsync(service.Database);

        // The first tenth warms up; from then on memory must stay.
        await FireAsync(service, calls, victim, seed, requests / 10);
        var early = service.Process.ResidentMegabytes;
        await FireAsync(service, calls, victim, seed + Workers, requests - (requests / 10));

        await Assert.That(service.Process.ResidentMegabytes).IsLessThan(early + 60);
        var after = await ChecksumsAsync(service.Database);
        foreach (var (table, sum) in before)
        {
            await Assert.That(after[table]).IsEqualTo(sum).Because($"no refused request may change {table} (FUZZ_SEED={seed})");
        }

        await Assert.That(service.Process.Output.Where(line => line.Contains("Unhandled", StringComparison.Ordinal))).IsEmpty();
    }

    private async Task FireAsync(LoneInstance service, IReadOnlyList<FuzzCall> calls, Visitor victim, int seed, int requests)
    {
        var secrets = new[]
        {
            "   at ", "Exception", "System.", "SELECT ", "INSERT ", "UPDATE ", "MySql", "Redis", "StackExchange", "127.0.0.1", "localhost",
            Environment.MachineName, Rig.SigningKey, Rig.QueueTokenKey,
        };
        await Task.WhenAll(Enumerable.Range(0, Workers).Select(worker => Task.Run(async () =>
        {
            var fuzzer = new Fuzzer(new Random(seed + worker), calls, victim, Rig.Admin.AccessToken, Rig.NewKey());
            using var http = new HttpClient(
                new SocketsHttpHandler
                {
                    AllowAutoRedirect = false,
                    UseCookies = false,
                    UseProxy = false,
                    RequestHeaderEncodingSelector = (_, _) => Encoding.UTF8
                });
            for (var i = 0; i < requests / Workers; i++)
            {
                using var request = fuzzer.Next(service.Api.Address);
                request.Headers.ConnectionClose = true; // what a refused body leaves on a connection is not the next request's affair
                FuzzAnswer? answer;
                try
                {
                    // On a busy machine Redis may not answer within its quarter of a second: the same request again, until it does.
                    answer = await Eventually.GetAsync(
                        () => SendAsync(http, Fuzzer.Copy(request)), static answer => answer is not { IsQueueUnavailable: true });
                }
                catch (HttpRequestException exception)
                {
                    throw new InvalidOperationException($"FUZZ_SEED={seed} worker {worker} request {i}: {Fuzzer.Show(request)}", exception);
                }

                if (answer is not { } known)
                {
                    continue;
                }

                var leaked = secrets.FirstOrDefault(secret => known.Text.Contains(secret, StringComparison.OrdinalIgnoreCase));
                var bare = known.Status >= 400 && request.Method != HttpMethod.Head && known.MediaType != "application/problem+json"
                    && known.Text.Length > 0;
                if (known.Status >= 500 || bare || (leaked is not null && known.Status >= 400))
                {
                    Assert.Fail(
                        $"FUZZ_SEED={seed} worker {worker} request {i}: {Fuzzer.Show(request)}\n→ {known.Status} {leaked}\n{known.Text}");
                }
            }
        })));
    }

    /// <returns>Null when it was answered and closed while it was still sending: too much, or to a call that reads no body.</returns>
    private static async Task<FuzzAnswer?> SendAsync(HttpClient http, HttpRequestMessage request)
    {
        HttpResponseMessage response;
        try
        {
            response = await http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead);
        }
        catch (HttpRequestException) when (request.Content?.Headers.ContentLength > SentAtOnce)
        {
            return null;
        }

        using var answer = response;
        var mediaType = answer.Content.Headers.ContentType?.MediaType;
        var text = mediaType == "text/event-stream" ? "" : await answer.Content.ReadAsStringAsync();
        return new FuzzAnswer((int)answer.StatusCode, mediaType, text);
    }

    private sealed record FuzzAnswer(int Status, string? MediaType, string Text)
    {
        public bool IsQueueUnavailable => Status == 503 && Text.Contains("\"queue_unavailable\"", StringComparison.Ordinal);
    }

    private static async Task<Dictionary<string, long>> ChecksumsAsync(Database database)
    {
        var sums = new Dictionary<string, long>();
        foreach (var table in await database.ColumnAsync<string>(
            "SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE() AND table_type = 'BASE TABLE' AND "
                + "table_name <> 'write_check'"))
        {
            await using var connection = await database.OpenAsync();
            await using var command = new MySqlConnector.MySqlCommand($"CHECKSUM TABLE `{table}`", connection);
            await using var reader = await command.ExecuteReaderAsync();
            await reader.ReadAsync();
            sums[table] = reader.GetInt64(1);
        }
        return sums;
    }
}

internal static class FuzzVisitors
{
    /// <summary>The same user with a token of the rig's key, admitted to the show.</summary>
    public static Task<Visitor> WithTokenAsync(this Visitor visitor, Rig rig, Show show) =>
        new Visitor(visitor.Api, visitor.UserId, AccessTokens.For(rig.SigningKey, visitor.UserId)).AdmittedAsync(show);
}
