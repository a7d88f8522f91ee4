using ConcertBooking.Tests.Support;
using Microsoft.Playwright;
using TUnit.Core.Interfaces;

namespace ConcertBooking.Tests.Browser;

/// <summary>
/// The system's Chromium, without a window; one for the session. Without one every test of the category fails and says so.
/// </summary>
public sealed class Chromium : IAsyncInitializer, IAsyncDisposable
{
    /// <summary>Names the program, where it is none of <see cref="Usual"/>.</summary>
    public const string Setting = "CONCERT_BOOKING_CHROMIUM";

    private static readonly string[] Usual = ["/usr/bin/chromium", "/usr/bin/google-chrome"];

    private IPlaywright? _playwright;
    private IBrowser? _browser;

    public IBrowser Browser => _browser ?? throw new InvalidOperationException("Chromium is not started.");

    public async Task InitializeAsync()
    {
        var program = Environment.GetEnvironmentVariable(Setting) is { Length: > 0 } named ? named : Array.Find(Usual, File.Exists)
            ?? throw new FileNotFoundException($"The browser tests need Chromium: apt-get install chromium, or name one in {Setting}.");
        Assertions.SetDefaultExpectTimeout((float)Eventually.Patience.TotalMilliseconds);
        _playwright = await Playwright.CreateAsync();
        _browser = await _playwright.Chromium.LaunchAsync(new()
        {
            ExecutablePath = program,
            Args = Environment.UserName == "root" ? ["--no-sandbox"] : [],
        });
    }

    public async ValueTask DisposeAsync()
    {
        if (_browser is not null)
        {
            await _browser.DisposeAsync();
        }

        _playwright?.Dispose();
    }
}
