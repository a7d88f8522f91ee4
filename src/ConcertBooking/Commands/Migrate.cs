namespace ConcertBooking.Commands;

/// <summary>Brings the schema up to date; with <c>--prune</c>, also drops the stored procedures of other builds.</summary>
internal static class Migrate
{
    private const string Prune = "--prune";

    public static async Task<int> RunAsync(IConfiguration configuration, string[] arguments)
    {
        if (arguments is not ([] or [Prune]))
        {
            Console.Error.WriteLine($"concert-booking: migrate takes nothing but {Prune}");
            return 2;
        }

        var schema = new Schema(Slices.Procedures);
        var connectionString = Settings.LoadMySql(configuration);
        var changes = await schema.ApplyAsync(connectionString, Console.WriteLine);
        if (arguments is [Prune])
        {
            changes += await schema.PruneAsync(connectionString, Console.WriteLine);
        }

        Console.WriteLine(changes == 0 ? $"schema is at {Schema.Latest}, nothing to do" : $"schema is at {Schema.Latest}");
        return 0;
    }
}
