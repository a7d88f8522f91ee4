using System.Globalization;

namespace ConcertBooking.Commands;

/// <summary>Signs an access token with <c>Auth__SigningKey</c>: how to get the first admin without an issuer.</summary>
internal static class SignToken
{
    private const int MaximumMinutes = 30 * 24 * 60;

    public static int Run(IConfiguration configuration, string[] arguments)
    {
        long user = 0;
        var (minutes, role) = (30L, (string?)null);
        for (var index = 0; index < arguments.Length; index += 2)
        {
            var value = index + 1 < arguments.Length ? arguments[index + 1] : "";
            var number = long.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out var parsed) ? parsed : 0;
            var known = arguments[index] switch
            {
                "--user" when number >= 1 => (user = number) > 0,
                "--minutes" when number is >= 1 and <= MaximumMinutes => (minutes = number) > 0,
                "--role" when value is "admin" or "cashier" => (role = value).Length > 0,
                _ => false,
            };
            if (!known)
            {
                return ReportUsage();
            }
        }

        if (user == 0)
        {
            return ReportUsage();
        }

        var read = new Settings.Reader(configuration);
        if (read.Optional("Auth:Authority") is not null)
        {
            throw new SettingException("Auth__Authority", "names who signs the access tokens; get one there");
        }

        var settings = AuthSettings.Load(read, development: false); // a generated key would be useless
        var claim = role switch { "admin" => settings.AdminRole, "cashier" => settings.CashierRole, _ => null };
        Console.WriteLine(AccessTokenSigner.Sign(settings, user, claim, TimeProvider.System.GetUtcNow(), TimeSpan.FromMinutes(minutes)));
        return 0;
    }

    private static int ReportUsage()
    {
        Console.Error.WriteLine($"concert-booking: token takes --user ID, --role admin|cashier and --minutes 1-{MaximumMinutes}");
        return 2;
    }
}
