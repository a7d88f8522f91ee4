using System.Runtime.InteropServices;
using ConcertBooking.DevHost;

if (args.Contains("--help"))
{
    Console.WriteLine(Host.Help);
    return 0;
}

var screen = new Screen(Console.Out);
var (crowd, problem) = args.Contains(CrowdOptions.Name)
    ? (CrowdOptions.Parse(args, out var wrong), wrong)
    : (null, args.Except(["--demo", "--fresh"]).FirstOrDefault() is { } unknown ? $"Unknown argument {unknown}." : "");
if (problem.Length > 0)
{
    Console.Error.WriteLine($"{problem}\n\n{Host.Help}");
    return 2;
}

using var stop = new CancellationTokenSource();
using var interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, Stop);
using var terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, Stop);
using var hangUp = PosixSignalRegistration.Create(PosixSignal.SIGHUP, Stop);

return crowd is not null
    ? await new Crowd(crowd, screen).RunAsync(stop.Token)
    : await new Host(screen).RunAsync(args.Contains("--demo"), args.Contains("--fresh"), stop.Token);

// The first signal ends everything in order; a second one ends this process at once, and the watchdog the rest.
void Stop(PosixSignalContext signal)
{
    signal.Cancel = !stop.IsCancellationRequested;
    _ = stop.CancelAsync();
}
