using System.Diagnostics;
using System.Globalization;
using ConcertBooking.Servers;
using ConcertBooking.Tests.Support;
using StackExchange.Redis;

namespace ConcertBooking.Tests.Chaos;

/// <summary>Breaks one thing after another, as its seed says. What is down comes up again by itself after a while.</summary>
internal sealed class FaultLoop(int seed, Fleet fleet, ServerSet servers, TcpProxy mysql, TcpProxy redis, Action<string> log)
{
    private readonly Random _random = new(seed);
    private readonly Stopwatch _clock = new();

    public int Count { get; private set; }

    public async Task RunAsync(TimeSpan time)
    {
        _clock.Start();
        while (_clock.Elapsed < time)
        {
            await PauseAsync(200, 1500);
            Count++;
            await (_random.Next(12) switch
            {
                < 3 => KillInstanceAsync(),
                3 => RestartMySqlAsync(),
                4 => RestartRedisAsync(),
                5 => EmptyRedisAsync(),
                6 => FreezeAsync("Redis", servers.Redis.PauseAsync, servers.Redis.ResumeAsync),
                7 => FreezeAsync("MySQL", servers.MySql.PauseAsync, servers.MySql.ResumeAsync),
                8 => FreezeInstanceAsync(),
                9 => CutAsync("MySQL", mysql),
                10 => CutAsync("Redis", redis),
                _ => LoseAnswersAsync(),
            });
        }
    }

    /// <summary>Everything up and nothing in the way.</summary>
    public async Task RestoreAsync()
    {
        mysql.LoseAnswers = false;
        await servers.MySql.StartAsync();
        await servers.Redis.StartAsync();
        await Task.WhenAll(fleet.Members.Select(member => member.StartAsync()));
    }

    private async Task KillInstanceAsync()
    {
        var number = _random.Next(fleet.Members.Count);
        Log($"kill -9 of instance {number}");
        await fleet.Members[number].KillAsync();
        await PauseAsync(0, 500);
        // MySQL may be away just then: it must come up all the same.
        await fleet.Members[number].StartAsync(waitFor: "/livez");
    }

    private async Task RestartMySqlAsync()
    {
        var kill = _random.Next(2) == 0;
        Log(kill ? "kill -9 of MySQL" : "MySQL stopped");
        await (kill ? servers.MySql.KillAsync() : servers.MySql.StopAsync());
        await PauseAsync(0, 2000);
        await servers.MySql.StartAsync();
        Log("MySQL started");
    }

    private async Task RestartRedisAsync()
    {
        Log("Redis stopped");
        await servers.Redis.StopAsync();
        await PauseAsync(0, 3000);
        await servers.Redis.StartAsync();
        Log("Redis started, empty");
    }

    private async Task EmptyRedisAsync()
    {
        Log("FLUSHALL");
        await using var connection = await ConnectionMultiplexer.ConnectAsync($"{servers.Redis.ConnectionString},allowAdmin=true");
        await connection.GetServers()[0].FlushAllDatabasesAsync();
    }

    private async Task FreezeAsync(string name, Func<CancellationToken, Task> pause, Func<CancellationToken, Task> resume)
    {
        Log($"{name} frozen");
        await pause(CancellationToken.None);
        await PauseAsync(100, 4000);
        await resume(CancellationToken.None);
        Log($"{name} goes on");
    }

    private async Task FreezeInstanceAsync()
    {
        var number = _random.Next(fleet.Members.Count);
        Log($"instance {number} frozen");
        await fleet.Members[number].Instance.Process.PauseAsync();
        await PauseAsync(100, 4000);
        await fleet.Members[number].Instance.Process.ResumeAsync();
    }

    private Task CutAsync(string name, TcpProxy proxy)
    {
        Log($"connections to {name} cut");
        proxy.Cut();
        return Task.CompletedTask;
    }

    private async Task LoseAnswersAsync()
    {
        Log("answers of MySQL lost");
        mysql.LoseAnswers = true;
        await PauseAsync(5, 300);
        mysql.LoseAnswers = false;
    }

    private Task PauseAsync(int least, int most) => Task.Delay(_random.Next(least, most));

    private void Log(string what) => log(string.Create(CultureInfo.InvariantCulture, $"{_clock.Elapsed.TotalSeconds,6:0.00} s  {what}"));
}
