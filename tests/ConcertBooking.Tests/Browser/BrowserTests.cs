using ConcertBooking.Tests.Support;

namespace ConcertBooking.Tests.Browser;

/// <summary>Tests of the pages in a real browser, each with people of its own, on an instance where anybody may sign in.</summary>
public abstract class BrowserTests : SharedRigTests
{
    private static readonly SemaphoreSlim Starting = new(1);
    private static Instance? _shared;

    private readonly List<Guest> _guests = [];

    [ClassDataSource<Chromium>(Shared = SharedType.PerTestSession)]
    public required Chromium Chromium { get; init; }

    /// <summary>The settings of an instance that people may use without an issuer of tokens.</summary>
    protected static Dictionary<string, string?> Development(params (string Name, string? Value)[] more) =>
        new(more.Select(static setting => KeyValuePair.Create(setting.Name, setting.Value)))
        {
            ["ASPNETCORE_ENVIRONMENT"] = "Development",
        };

    /// <summary>An instance for all tests that need no settings of their own; it ends with the rig.</summary>
    protected async Task<Instance> ServiceAsync()
    {
        await Starting.WaitAsync();
        try
        {
            return _shared ??= await Rig.StartAsync(Development());
        }
        finally
        {
            Starting.Release();
        }
    }

    protected async Task<Guest> OpenAsync(GuestOptions? options = null, Instance? at = null)
    {
        var guest = await Guest.OpenAsync(Chromium, (at ?? await ServiceAsync()).Process.Address, options);
        _guests.Add(guest);
        return guest;
    }

    [After(Test)]
    public async Task CloseAsync()
    {
        foreach (var guest in _guests)
        {
            await using (guest)
            {
                await guest.ExpectNoFaultsAsync();
            }
        }
    }
}
