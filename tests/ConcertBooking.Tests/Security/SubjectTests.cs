using System.Globalization;
using ConcertBooking.Servers;
using ConcertBooking.Tests.Support;
using MySqlConnector;

namespace ConcertBooking.Tests.Security;

/// <summary>Which user a subject of an issuer is: any text may be one (<c>Auth__Authority</c>).</summary>
public sealed class SubjectTests : SharedRigTests
{
    private const long FirstMapped = 1L << 52;
    private const string Points = "/v1/points";

    private static readonly string[] Forms =
    [
        "{0}", "{0} ", "auth0|{0}", "ada.{0}@example.com", "Ada.{0}@example.com", "ádá.{0}", "{0}\\ud83c\\udfb5", "00{0}", "-{0}", "{0}.5",
        "' OR '1'='1 {0}",
    ];

    [Test]
    public async Task Subject_OfAnyForm_IsOneUserAtEveryInstance()
    {
        using var key = IssuerKey.Rsa("r1");
        await using var issuer = new Issuer(key);
        await using var one = await issuer.StartServiceAsync(Rig);
        await using var two = await issuer.StartServiceAsync(Rig);
        var unique = $"{UserIds.Next()}0000000000"; // too large to be an id
        var subjects = Forms.Append("{0}" + new string('x', 255 - unique.Length)).Append("{0}")
            .Select(form => form.Replace("{0}", unique, StringComparison.Ordinal)).Distinct().Append($"{Guid.NewGuid()}").ToArray();

        foreach (var (index, subject) in subjects.Index())
        {
            await ChargedAsync(Caller(one, key, issuer, subject), 1_000 + index);
        }

        foreach (var (index, subject) in subjects.Index())
        {
            await Assert.That(await Caller(two, key, issuer, subject).BalanceAsync()).IsEqualTo(1_000 + index).Because(subject);
        }

        var ids = await Rig.Database.ColumnAsync<long>(
            "SELECT user_id FROM user_identity WHERE issuer = @issuer", ("@issuer", issuer.Address));
        await Assert.That(ids).Count().IsEqualTo(subjects.Length);
        foreach (var id in ids)
        {
            await Assert.That(id).IsGreaterThanOrEqualTo(FirstMapped).And.IsLessThan(2 * FirstMapped); // exact in JavaScript
        }
    }

    [Test]
    public async Task Subject_FirstSeenByManyAtTwoInstances_IsOneUser()
    {
        using var key = IssuerKey.Ec("e1");
        await using var issuer = new Issuer(key);
        await using var one = await issuer.StartServiceAsync(Rig);
        await using var two = await issuer.StartServiceAsync(Rig);
        var subjects = Enumerable.Range(0, 5).Select(_ => $"{Guid.NewGuid()}").ToArray();

        await Task.WhenAll(subjects.SelectMany(subject => Enumerable.Range(0, 6).Select(number =>
            ChargedAsync(Caller(number % 2 == 0 ? one : two, key, issuer, subject), 1))));

        foreach (var subject in subjects)
        {
            await Assert.That(await Caller(two, key, issuer, subject).BalanceAsync()).IsEqualTo(6);
            await Assert.That(await RowsAsync(subject)).IsEqualTo(1);
        }
    }

    [Test]
    public async Task Subject_APositiveInteger_IsThatUser()
    {
        using var key = IssuerKey.Rsa("r1");
        await using var issuer = new Issuer(key);
        await using var service = await issuer.StartServiceAsync(Rig);
        var user = Rig.NewVisitor();
        (await user.ChargeAsync(700)).Expect(201);

        await Assert.That(await Caller(service, key, issuer, $"{user.UserId}").BalanceAsync()).IsEqualTo(700);
        await Assert.That(await Caller(service, key, issuer, $"0{user.UserId}").BalanceAsync()).IsEqualTo(0);
        await Assert.That(await RowsAsync($"{user.UserId}")).IsEqualTo(0);

        // Of the range that is given to others.
        var mapped = $"{FirstMapped + UserIds.Next()}";
        (await Caller(service, key, issuer, mapped).GetAsync(Points)).Expect(200);
        await Assert.That(await RowsAsync(mapped)).IsEqualTo(1);
        var beyond = $"{3 * FirstMapped + UserIds.Next()}";
        (await Caller(service, key, issuer, beyond).GetAsync(Points)).Expect(200);
        await Assert.That(await RowsAsync(beyond)).IsEqualTo(0);
    }

    /// <summary>The id that the subject gets elsewhere belongs to somebody here.</summary>
    [Test]
    public async Task Subject_WhoseIdAUserHasAlready_GetsAnother()
    {
        using var key = IssuerKey.Rsa("r1");
        await using var issuer = new Issuer(key);
        var subject = $"{Guid.NewGuid()}";
        await using var elsewhere = await Rig.StartAloneAsync(issuer.Settings);
        await using var here = await Rig.StartAloneAsync(issuer.Settings);
        await Issuer.ExpectUpAsync(elsewhere, 1);
        await Issuer.ExpectUpAsync(here, 1);
        (await Caller(elsewhere, key, issuer, subject).GetAsync(Points)).Expect(200);
        var id = await elsewhere.Database.ScalarAsync<long>("SELECT user_id FROM user_identity");
        await here.Database.ExecuteAsync("INSERT INTO user_point_balance (user_id, balance) VALUES (@id, 5000)", ("@id", id));

        await Assert.That(await Caller(here, key, issuer, subject).BalanceAsync()).IsEqualTo(0);

        await Assert.That(await here.Database.ScalarAsync<long>("SELECT user_id FROM user_identity")).IsNotEqualTo(id);
    }

    [Test]
    [Arguments("")]
    [Arguments(" ")]
    [Arguments("\\ud800")]
    [Arguments("256")]
    public async Task Subject_ThatIsNone_Returns401AndIsNoFault(string subject)
    {
        using var key = IssuerKey.Rsa("r1");
        await using var issuer = new Issuer(key);
        await using var service = await issuer.StartServiceAsync(Rig);
        var text = int.TryParse(subject, CultureInfo.InvariantCulture, out var length) ? new string('x', length) : subject;

        (await Caller(service, key, issuer, text).GetAsync(Points)).ExpectProblem(401, "unauthorized");
        var without = key.Sign($$"""{"iss":"{{issuer.Address}}","aud":"booking","exp":{{AccessTokens.InSeconds(60)}}}""");
        (await service.Api.GetAsync(Points, ("Authorization", $"Bearer {without}"))).ExpectProblem(401, "unauthorized");

        await Eventually.TrueAsync(
            () => service.Process.Output.Any(static line => line.Contains("Refused an access token: its sub", StringComparison.Ordinal)));
    }

    /// <summary>Who a stranger is nobody can say then; who is known goes on, here to a refusal that needs no MySQL.</summary>
    [Test]
    public async Task Subject_WhileMySqlIsGone_UnknownGets503_KnownGoesOn()
    {
        using var key = IssuerKey.Rsa("r1");
        await using var issuer = new Issuer(key);
        var connection = new MySqlConnectionStringBuilder(Rig.Database.ConnectionString);
        var (host, port) = (connection.Server, (int)connection.Port);
        var wayPort = Ports.Take();
        var way = new TcpProxy(host, port, wayPort);
        (connection.Server, connection.Port) = ("127.0.0.1", (uint)wayPort);
        await using var service = await issuer.StartServiceAsync(Rig, (MySqlServers.Setting, connection.ConnectionString));
        var (known, unknown) = (Caller(service, key, issuer, $"{Guid.NewGuid()}"), Caller(service, key, issuer, $"{Guid.NewGuid()}"));
        (await known.GetAsync(Points)).Expect(200);

        await way.DisposeAsync();

        (await unknown.GetAsync("/v1/admin/queues/main")).ExpectProblem(503, "database_unavailable").ExpectRetryAfter();
        (await known.GetAsync("/v1/admin/queues/main")).ExpectProblem(403, "forbidden");
        await using var back = new TcpProxy(host, port, wayPort);
        await Eventually.GetAsync(() => unknown.GetAsync(Points), static reply => reply.Status == 200);
    }

    /// <summary>A busy machine may answer 503; a repeat with the same key charges once.</summary>
    private static async Task ChargedAsync(Visitor caller, long amount)
    {
        var key = Visitor.NewKey();
        (await Eventually.GetAsync(
            () => caller.ChargeAsync(amount, key), static reply => reply.Status is not (503 or 409))).Expect(201);
    }

    private Task<long> RowsAsync(string subject) =>
        Rig.Database.ScalarAsync<long>("SELECT COUNT(*) FROM user_identity WHERE subject = @subject", ("@subject", subject));

    private static Visitor Caller(Instance service, IssuerKey key, Issuer issuer, string subject) =>
        new(service.Api, 0, key.Sign(issuer.Claims(subject: subject)));
}
