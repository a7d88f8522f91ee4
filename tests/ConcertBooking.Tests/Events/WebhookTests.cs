using ConcertBooking.Tests.Support;

namespace ConcertBooking.Tests.Events;

/// <summary>The receiver of the tests.</summary>
public sealed class WebhookTests
{
    [Test]
    public async Task Stop_WhileItAnswers_Ends()
    {
        await using var webhook = new Webhook();
        for (var times = 0; times < 200; times++)
        {
            webhook.Start();
            using var sender = new HttpClient();
            using var content = new StringContent("{}");
            var sending = sender.PostAsync(webhook.Address, content);
            SpinWait.SpinUntil(() => webhook.Received.Count > times || sending.IsFaulted, Eventually.Patience);
            await webhook.StopAsync().WaitAsync(Eventually.Patience);
            using var answer = await sending;
        }
    }
}
