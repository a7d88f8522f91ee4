namespace ConcertBooking.Commands;

/// <summary>Brings the schema up to date.</summary>
internal static class Migrate
{
    public static async Task<int> RunAsync(IConfiguration configuration)
    {
        var schema = new Schema(Slices.Procedures);
        var applied = await schema.ApplyAsync(Settings.LoadMySql(configuration), Console.WriteLine, CancellationToken.None);
        Console.WriteLine(applied == 0 ? $"schema is at {Schema.Latest}, nothing to do" : $"schema is at {Schema.Latest}");
        return 0;
    }
}
