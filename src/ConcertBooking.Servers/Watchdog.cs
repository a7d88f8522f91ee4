using System.Diagnostics;

namespace ConcertBooking.Servers;

/// <summary>
/// Watchdog that cleans up what this process started when it dies without doing so itself (kill -9, a crash). A shell reads
/// the list from a pipe; when the pipe closes, everything still on the list is ended. Linux's parent-death signal does not
/// work here: it follows the thread that forked, and pool threads come and go.
/// </summary>
internal static class Watchdog
{
    private const string Script = """
        trap '' INT TERM HUP
        set -f
        IFS='
        '
        list=
        while read -r line; do
          item=${line#?}
          others=
          for one in $list; do [ "$one" = "$item" ] || others="$others$one$IFS"; done
          list=$others
          case $line in +*) list="$list$item$IFS" ;; esac
        done
        for one in $list; do
          case $one in
            Process:*) kill -KILL "-${one#Process:}" || kill -KILL "${one#Process:}" ;;
            Container:*) docker rm --force --volumes "${one#Container:}" ;;
          esac
        done
        for one in $list; do
          case $one in
            Volume:*) docker volume rm "${one#Volume:}" ;;
            Path:*) rm -rf -- "${one#Path:}" ;;
          esac
        done
        """;

    private static readonly Lock Gate = new();
    private static Process? _shell;

    public static void Add(WatchedKind kind, string name) => Send('+', kind, name);

    public static void Remove(WatchedKind kind, string name) => Send('-', kind, name);

    private static void Send(char sign, WatchedKind kind, string name)
    {
        if (OperatingSystem.IsWindows())
        {
            return;
        }

        lock (Gate)
        {
            _shell ??= Start();
            try
            {
                _shell.StandardInput.WriteLine($"{sign}{kind}:{name}");
                _shell.StandardInput.Flush();
            }
            catch (IOException)
            {
                // The watchdog was killed: everything works without it, only a kill -9 of this process would not clean up.
            }
        }
    }

    private static Process Start()
    {
        // The outputs are discarded, or the shell would hold the terminal or pipe of a process that has ended.
        var start = new ProcessStartInfo("/bin/sh") { RedirectStandardInput = true };
        start.ArgumentList.Add("-c");
        start.ArgumentList.Add($"exec >/dev/null 2>&1\n{Script}");
        return Process.Start(ChildProcess.InOwnSession(start)) ?? throw new InvalidOperationException("/bin/sh did not start.");
    }
}

/// <summary>What the watchdog knows how to end or delete.</summary>
internal enum WatchedKind
{
    Process,
    Container,
    Volume,
    Path,
}
