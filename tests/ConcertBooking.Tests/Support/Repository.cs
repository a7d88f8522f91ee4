namespace ConcertBooking.Tests.Support;

/// <summary>Files beside the source, for tests of what is not compiled.</summary>
internal static class Repository
{
    private static readonly Lazy<string> Root = new(FindRoot);

    public static string PathOf(string file) => Path.Combine(Root.Value, file);

    private static string FindRoot()
    {
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            if (File.Exists(Path.Combine(folder.FullName, "ConcertBooking.slnx")))
            {
                return folder.FullName;
            }
        }
        throw new DirectoryNotFoundException($"No ConcertBooking.slnx above {AppContext.BaseDirectory}.");
    }

    /// <summary>The .cs files below a folder of the repository, without what the build made.</summary>
    public static IEnumerable<string> SourceFiles(string folder) =>
        Directory.EnumerateFiles(PathOf(folder), "*.cs", SearchOption.AllDirectories)
            .Where(static file => !file.Contains("/obj/", StringComparison.Ordinal) && !file.Contains("/bin/", StringComparison.Ordinal));
}
