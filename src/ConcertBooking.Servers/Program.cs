using ConcertBooking.Servers;

// MockKafkaProcess starts this assembly as the process in which the mock of Kafka lives.
await MockKafkaProcess.RunAsync(Console.In, Console.Out, CancellationToken.None);
