using System.Globalization;

namespace ConcertBooking.DevHost;

/// <param name="Buyers">How many come.</param>
/// <param name="Service">Where the service is.</param>
/// <param name="Stay">How long they stay at most.</param>
internal sealed record CrowdOptions(int Buyers, Uri Service, TimeSpan Stay)
{
    public const string Name = "--crowd";

    private const int MostBuyers = 5_000, LeastSeconds = 10, MostSeconds = 600;

    /// <returns>Null when an argument is wrong; <paramref name="problem"/> says which.</returns>
    public static CrowdOptions? Parse(string[] arguments, out string problem)
    {
        var options = new CrowdOptions(0, new($"http://localhost:{Host.Port}/"), TimeSpan.FromMinutes(1));
        for (var index = 0; index < arguments.Length; index += 2)
        {
            var value = index + 1 < arguments.Length ? arguments[index + 1] : "";
            var number = int.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out var whole) ? whole : 0;
            switch (arguments[index])
            {
                case Name when number is >= 1 and <= MostBuyers:
                    options = options with { Buyers = number };
                    break;
                case "--seconds" when number is >= LeastSeconds and <= MostSeconds:
                    options = options with { Stay = TimeSpan.FromSeconds(number) };
                    break;
                case "--at" when Uri.TryCreate(value, UriKind.Absolute, out var at)
                    && at is { Scheme: "http" or "https", PathAndQuery: "/" }:
                    options = options with { Service = at };
                    break;
                default:
                    problem = $"{Name} takes a number of buyers from 1 to {MostBuyers:N0}, and --seconds {LeastSeconds}-{MostSeconds} and "
                        + $"--at ADDRESS; not \"{arguments[index]} {value}\".";
                    return null;
            }
        }

        problem = "";
        return options;
    }
}
