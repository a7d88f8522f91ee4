namespace ConcertBooking.Web;

/// <summary>The settings of the pages; part of <see cref="Settings"/>.</summary>
/// <param name="Enabled">False: the API alone answers.</param>
/// <param name="ClientId">The OpenID Connect client as which the pages sign users in at <c>Auth__Authority</c>; null: they cannot.</param>
internal sealed record WebSettings(bool Enabled, string? ClientId)
{
    public static WebSettings Load(Settings.Reader read) => new(read.Flag("Web:Enabled", true), read.Optional("Web:ClientId"));
}
