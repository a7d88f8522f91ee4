using System.Runtime.InteropServices;
using ConcertBooking.DevHost;

if (args.Contains("--help"))
{
    Console.WriteLine(Host.Help);
    return 0;
}

if (args.Except(["--demo", "--fresh"]).FirstOrDefault() is { } unknown)
{
    Console.Error.WriteLine($"Unknown argument {unknown}.\n\n{Host.Help}");
    return 2;
}

using var stop = new CancellationTokenSource();
using var interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, Stop);
using var terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, Stop);
using var hangUp = PosixSignalRegistration.Create(PosixSignal.SIGHUP, Stop);

return await new Host(new Screen(Console.Out)).RunAsync(args.Contains("--demo"), args.Contains("--fresh"), stop.Token);

// The first signal ends everything in order; a second one ends this process at once, and the watchdog the rest.
void Stop(PosixSignalContext signal)
{
    signal.Cancel = !stop.IsCancellationRequested;
    _ = stop.CancelAsync();
}
