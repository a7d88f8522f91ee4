using ConcertBooking.DevHost.Servers;

if (args is [MockKafkaProcess.Command])
{
    await MockKafkaProcess.RunAsync(Console.In, Console.Out, CancellationToken.None);
    return 0;
}
return 1;
