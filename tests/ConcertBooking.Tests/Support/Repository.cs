namespace ConcertBooking.Tests.Support;

/// <summary>Files beside the source, for tests of what is not compiled.</summary>
internal static class Repository
{
    private static readonly Lazy<string> s_root = new(FindRoot);

    public static string PathOf(string file) => Path.Combine(s_root.Value, file);

    private static string FindRoot()
    {
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            if (File.Exists(Path.Combine(folder.FullName, "ConcertBooking.slnx")))
                return folder.FullName;
        }
        throw new DirectoryNotFoundException($"No ConcertBooking.slnx above {AppContext.BaseDirectory}.");
    }
}
