using System.Collections.Concurrent;
using System.Globalization;
using ConcertBooking.Tests.Support;
using Deque.AxeCore.Commons;
using Deque.AxeCore.Playwright;
using Microsoft.Playwright;

namespace ConcertBooking.Tests.Browser;

/// <summary>
/// One person with a browser. What it logs as an error, what its content policy blocks and answers that nobody expected are kept, and
/// fail the test in <see cref="ExpectNoFaultsAsync"/>.
/// </summary>
public sealed class Guest : IAsyncDisposable
{
    /// <summary>WCAG 2.2 at level AA, and what axe knows of good practice beyond it.</summary>
    private static readonly AxeRunOptions Rules = new()
    {
        RunOnly = new() { Type = "tag", Values = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"] },
    };

    private readonly ConcurrentQueue<string> _faults = new();
    private readonly ConcurrentBag<string> _expected = [];
    private readonly ConcurrentDictionary<string, bool> _repeated = new();
    private readonly string _site;

    private Guest(IBrowserContext context, IPage page, string site, long userId)
    {
        (Context, Page, _site, UserId) = (context, page, site, userId);
        page.Console += (_, message) =>
        {
            // Chromium reports a refused request as an error of its own; answers are checked below.
            if (message.Type is "error" && !message.Text.StartsWith("Failed to load resource", StringComparison.Ordinal))
            {
                _faults.Enqueue($"console: {message.Text}");
            }
        };
        page.PageError += (_, error) => _faults.Enqueue($"exception: {error}");
        page.Response += (_, response) =>
        {
            var path = new Uri(response.Url).AbsolutePath;
            var answer = $"{response.Status} {path}";
            if (response.Status >= 400 && !WillRepeat(response, path) && !_expected.Any(expected => IsLike(answer, expected)))
            {
                _faults.Enqueue($"answer: {response.Request.Method} {answer}");
            }
        };
    }

    /// <summary>
    /// Whether the page now repeats the call because Redis has missed its quarter of a second, which a machine full of browsers
    /// brings about. A second 503 in a row is a fault.
    /// </summary>
    private bool WillRepeat(IResponse response, string path)
    {
        var call = $"{response.Request.Method} {path}";
        if (response.Status is 503 && path.Contains("/queue", StringComparison.Ordinal))
        {
            return _repeated.TryAdd(call, true);
        }

        _repeated.TryRemove(call, out _);
        return false;
    }

    public IBrowserContext Context { get; }

    public IPage Page { get; }

    public long UserId { get; }

    /// <summary>How many states of the pages axe has looked at in this run.</summary>
    public static int StatesChecked => Checked.Count;

    private static readonly ConcurrentDictionary<string, bool> Checked = new();

    public static async Task<Guest> OpenAsync(Chromium chromium, Uri service, GuestOptions? options = null)
    {
        var wanted = options ?? new();
        var context = await chromium.Browser.NewContextAsync(new()
        {
            ViewportSize = new() { Width = wanted.Width, Height = wanted.Height },
            Locale = wanted.Language,
            TimezoneId = wanted.TimeZone,
            ColorScheme = wanted.Dark ? ColorScheme.Dark : ColorScheme.Light,
            ReducedMotion = ReducedMotion.Reduce,
        });
        await context.AddInitScriptAsync(
            "addEventListener('securitypolicyviolation', "
            + "event => console.error(`blocked: ${event.violatedDirective} ${event.blockedURI}`))");
        var page = await context.NewPageAsync();
        page.SetDefaultTimeout((float)Eventually.Patience.TotalMilliseconds);
        return new Guest(context, page, service.GetLeftPart(UriPartial.Authority), UserIds.Next());
    }

    /// <summary>An answer that this test brings about: its status, and a part of its path.</summary>
    public void Expect(int status, string path) => _expected.Add($"{status} {path}");

    /// <param name="place">The part of the address behind <c>#/</c>.</param>
    public Task GoAsync(string place = "") => Page.GotoAsync($"{_site}/#/{place}");

    /// <inheritdoc cref="GoAsync"/>
    public Task GoToConsoleAsync(string place = "") => Page.GotoAsync($"{_site}/console#/{place}");

    public ILocator Button(string name) => Page.GetByRole(AriaRole.Button, new() { Name = name, Exact = true });

    public ILocator Heading(string name) => Page.GetByRole(AriaRole.Heading, new() { Name = name, Exact = true });

    /// <summary>In what is shown; the live regions, which say much of it too, are outside.</summary>
    public ILocator Text(string text) => Page.Locator("main").GetByText(text);

    /// <summary>Signs in as a user whom nobody else is, where the page asks for it.</summary>
    public async Task SignInAsync(string button = "Sign in")
    {
        await Page.Locator("#user-id").FillAsync(UserId.ToString(CultureInfo.InvariantCulture));
        await Button(button).ClickAsync();
    }

    /// <summary>Goes to the show, gets in line and signs in.</summary>
    public async Task EnterAsync(Show show)
    {
        await GoAsync($"show/{show.ScheduleId}");
        await Button("Get in line").ClickAsync();
        await SignInAsync();
    }

    /// <summary>The same, and waits for the seats, as a list.</summary>
    public async Task ChooseFromListAsync(Show show)
    {
        await EnterAsync(show);
        await Page.GetByRole(AriaRole.Tab, new() { Name = "List" }).ClickAsync();
    }

    /// <summary>The cell of a seat in the list; a schedule without a hall has its seats there at once.</summary>
    public ILocator Seat(int label) =>
        Page.GetByRole(AriaRole.Gridcell).Filter(new() { HasTextRegex = new($"^{label}$") });

    /// <summary>Reserves one seat of a schedule without a hall.</summary>
    public async Task HoldAsync(Show show, int seat = 1)
    {
        await ChooseFromListAsync(show);
        await Seat(seat).ClickAsync();
        await Button("Reserve these seats").ClickAsync();
        await Heading("Payment").WaitForAsync();
    }

    /// <summary>Presses Tab until the focus is on the element of that name.</summary>
    public async Task TabToAsync(string name)
    {
        for (var presses = 0; presses < 60; presses++)
        {
            if (await Page.EvaluateAsync<string>(FocusedName) == name)
            {
                return;
            }

            await Page.Keyboard.PressAsync("Tab");
        }

        Assert.Fail($"Tab never leads to {name}.");
    }

    /// <summary>Goes to the element of that name by Tab, and presses a key there.</summary>
    public async Task PressOnAsync(string name, string key)
    {
        await TabToAsync(name);
        await Page.Keyboard.PressAsync(key);
    }

    /// <summary>Goes to the field of that name by Tab, and types over what is in it.</summary>
    public async Task TypeIntoAsync(string name, string text)
    {
        await PressOnAsync(name, "Control+A");
        await Page.Keyboard.TypeAsync(text);
    }

    private const string FocusedName =
        "(e => e.getAttribute('aria-label') ?? e.labels?.[0]?.textContent ?? e.textContent)(document.activeElement)";

    /// <summary>Keeps a picture of the state under artifacts/browser, and lets axe look at it.</summary>
    public async Task ExpectAccessibleAsync(string state)
    {
        Directory.CreateDirectory(Repository.PathOf("artifacts/browser"));
        await Page.ScreenshotAsync(new() { Path = Repository.PathOf($"artifacts/browser/{state}.png"), FullPage = true });
        var result = await Page.RunAxe(Rules);
        Checked[state] = true;
        foreach (var violation in result.Violations)
        {
            var nodes = string.Join("\n  ", violation.Nodes.Take(5).Select(static node => node.Html));
            Assert.Fail($"{state}: {violation.Id}: {violation.Help}\n  {nodes}");
        }
    }

    /// <summary>No state may be wider than the window.</summary>
    public async Task ExpectNoSidewaysScrollAsync(string state)
    {
        var (content, window) = (await WidthAsync("scrollWidth"), await WidthAsync("clientWidth"));
        await Assert.That(content).IsLessThanOrEqualTo(window).Because(state);
    }

    private Task<int> WidthAsync(string property) => Page.EvaluateAsync<int>($"document.documentElement.{property}");

    public async Task ExpectNoFaultsAsync() => await Assert.That(string.Join("\n", _faults)).IsEmpty();

    public async ValueTask DisposeAsync() => await Context.DisposeAsync();

    private static bool IsLike(string answer, string expected) =>
        answer[..3] == expected[..3] && answer.Contains(expected[4..], StringComparison.Ordinal);
}

/// <summary>What differs between people: language, window, light or dark, and where they are.</summary>
public sealed record GuestOptions(
    string Language = "en-US", int Width = 1280, int Height = 900, bool Dark = false, string TimeZone = "Asia/Seoul");
