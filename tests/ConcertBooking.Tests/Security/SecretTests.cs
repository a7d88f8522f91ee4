using ConcertBooking.Tests.Support;

namespace ConcertBooking.Tests.Security;

/// <summary>What a service prints is read by many; the suite's watch over it must be awake.</summary>
public sealed class SecretTests
{
    private static readonly Dictionary<string, string?> Settings = new()
    {
        ["Auth__SigningKey"] = "0123456789abcdef0123456789abcdef",
    };

    [Test]
    [Arguments("a key: 0123456789abcdef0123456789abcdef")]
    [Arguments("Server=127.0.0.1;Password=the-password")]
    [Arguments("token eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiI3In0.x")]
    [Arguments("Authorization: Bearer abc")]
    public async Task SecretWatch_SecretInALine_IsReported(string line)
    {
        var watch = new SecretWatch();
        watch.Watch(Settings)(line);

        await Assert.That(watch.ThrowIfLeaked).Throws<InvalidOperationException>();
    }

    [Test]
    public async Task Watch_OrdinaryLines_AreNot()
    {
        var watch = new SecretWatch();
        foreach (var line in (string[])["", "Now listening on: http://127.0.0.1:8080", "The database did not answer a request: Password"])
        {
            watch.Watch(Settings)(line);
        }

        await Assert.That(watch.ThrowIfLeaked).ThrowsNothing();
    }
}
