using ConcertBooking.Tests.Support;
using Microsoft.Playwright;

namespace ConcertBooking.Tests.Browser;

/// <summary>Signing in at an OpenID Connect issuer, by the code flow with PKCE.</summary>
[Category("Browser"), Explicit]
public sealed class SignInTests : BrowserTests
{
    [Test]
    public async Task SignIn_AtTheIssuer_BuysAndSurvivesAReloadWithoutStoredTokens()
    {
        await using var issuer = new LoginIssuer();
        await using var service = await Rig.StartAsync(issuer.Settings);
        await Issuer.ExpectUpAsync(service, 1);
        var show = await Rig.Catalogue.AddShowAsync();
        var guest = await OpenAsync(at: service);

        await guest.GoAsync($"show/{show.ScheduleId}");
        await guest.Button("Get in line").ClickAsync();
        await guest.Button("Sign in").ClickAsync(); // to the issuer and back, to the same show
        await guest.Page.GetByText("Kim Min-ji").WaitForAsync();
        await Assert.That(guest.Page.Url).EndsWith($"/#/show/{show.ScheduleId}");
        await guest.Button("Get in line").ClickAsync();
        await guest.Page.GetByRole(AriaRole.Tab, new() { Name = "List" }).ClickAsync();
        await guest.Seat(4).ClickAsync();
        await guest.Button("Reserve these seats").ClickAsync();
        await guest.Heading("Payment").WaitForAsync();

        var stored = await guest.Page.EvaluateAsync<string>("JSON.stringify([{ ...localStorage }, { ...sessionStorage }])");
        await Assert.That(stored).DoesNotContain("eyJ");
        await guest.Page.ReloadAsync();
        await guest.Heading("Payment").WaitForAsync();
        await Assert.That(issuer.Logins).IsEqualTo(2);
    }

    [Test]
    public async Task SignIn_WithAnAnswerThatWasNotAskedFor_IsNone()
    {
        await using var issuer = new LoginIssuer { WrongNonce = true };
        await using var service = await Rig.StartAsync(issuer.Settings);
        await Issuer.ExpectUpAsync(service, 1);
        var guest = await OpenAsync(at: service);

        await guest.Page.GotoAsync($"{service.Process.Address}?code=stolen&state=foreign#/bookings");
        await guest.Heading("Sign in").WaitForAsync();
        await guest.Button("Sign in").ClickAsync();
        await Eventually.TrueAsync(() => issuer.Logins == 1);
        await guest.Heading("Sign in").WaitForAsync();
        await Assert.That(guest.Page.Url).EndsWith("/#/bookings");
    }

    [Test]
    public async Task SignIn_OnTheConsole_ComesBackToItAndNeedsTheRole()
    {
        await using var issuer = new LoginIssuer();
        await using var service = await Rig.StartAsync(issuer.Settings);
        await Issuer.ExpectUpAsync(service, 1);
        var guest = await OpenAsync(at: service);
        guest.Expect(403, "/v1/admin/");

        await guest.GoToConsoleAsync("halls");
        await guest.Button("Sign in").ClickAsync(); // to the issuer and back
        await guest.Heading("The console is for organisers").WaitForAsync();
        await Assert.That(guest.Page.Url).EndsWith("/console#/halls");
        issuer.Role = "admin";
        await guest.Button("Sign in with another account").ClickAsync();
        await guest.Button("Sign in").ClickAsync();
        await guest.Heading("Queues").WaitForAsync();
    }

    /// <summary>A token that is no longer accepted is replaced silently, and the call made again.</summary>
    [Test]
    public async Task AccessToken_ThatHasExpired_IsRenewedWithoutAWord()
    {
        var show = await Rig.Catalogue.AddShowAsync();
        var guest = await OpenAsync();
        await guest.HoldAsync(show);
        guest.Expect(401, "/v1/");
        var refused = false;
        await guest.Page.RouteAsync("**/v1/points/charges", async route =>
        {
            var headers = new Dictionary<string, string>(route.Request.Headers);
            if (!refused)
            {
                headers["authorization"] = "Bearer expired";
                refused = true;
            }

            await route.ContinueAsync(new() { Headers = headers });
        });
        await guest.Button("Add").ClickAsync();
        await guest.Page.Locator("button.primary:not([disabled])").ClickAsync();
        await guest.Heading("It’s yours").WaitForAsync();
        await Assert.That(refused).IsTrue();
    }
}
