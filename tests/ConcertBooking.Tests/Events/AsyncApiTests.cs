using System.Globalization;
using System.Text.Json;
using System.Text.RegularExpressions;
using ConcertBooking.Tests.Support;

namespace ConcertBooking.Tests.Events;

/// <summary>deploy/asyncapi.yaml, which is written in the part of YAML that is JSON, against what is really sent.</summary>
public sealed class AsyncApiTests : SharedRigTests
{
    [Test]
    public async Task Document_EveryEvent_IsSentAsDescribed()
    {
        var described = await DescribedAsync();
        var show = await Rig.Catalogue.AddShowAsync();
        var keys = new List<string>();
        var payer = await Rig.NewVisitorAsync(show, points: show.Price);
        keys.Add(await payer.HeldAsync(show));
        (await payer.PayAsync(keys[0])).Expect(201);
        var leaver = await Rig.NewVisitorAsync(show);
        keys.Add(await leaver.HeldAsync(show, seatNo: 2));
        (await leaver.ReleaseAsync(keys[1])).Expect(204);
        var late = await Rig.NewVisitorAsync(show);
        keys.Add(await late.HeldAsync(show, seatNo: 3));
        (await late.ExtendAsync(keys[2])).Expect(200);
        await Rig.Database.LetHoldPassAsync(keys[2]);

        var sent = await Eventually.GetAsync(
            async () => (await KafkaTopics.ReadAllAsync(
                Rig.Servers.Kafka.ConnectionString, "concert-booking.payments",
                "concert-booking.reservations")).Where(published => keys.Contains(published.Key)).ToList(),
            found => found.Count >= 7);

        await Assert.That(sent.Select(published => (published.Topic, published.Type)).Distinct()).IsEquivalentTo(described.Keys);
        foreach (var published in sent)
        {
            await ExpectDescribedAsync(published);
        }
    }

    /// <summary>Headers and value are as the document says; the value, which SQL writes, has all the members and no other.</summary>
    internal static async Task ExpectDescribedAsync(PublishedEvent published)
    {
        var message = (await DescribedAsync())[(published.Topic, published.Type)];
        var value = JsonElement.Parse(published.Value);
        var described = message.GetProperty("payload").GetProperty("properties").EnumerateObject();
        value.ExpectMembers([.. described.Select(static member => member.Name)]);
        await ExpectAsync(message.GetProperty("payload"), value);
        await ExpectAsync(message.GetProperty("headers"), JsonSerializer.SerializeToElement(
            published.Headers.ToDictionary(header => header.Key, header => header.Value), TestJson.Default.DictionaryStringString));
    }

    private static async Task<Dictionary<(string, string), JsonElement>> DescribedAsync() =>
        Messages(JsonElement.Parse(await File.ReadAllTextAsync(Repository.PathOf("deploy/asyncapi.yaml"))));

    /// <summary>The described messages of the topics that the service sends to, dead letters aside, which are what others sent.</summary>
    private static Dictionary<(string, string), JsonElement> Messages(JsonElement document)
    {
        var messages = new Dictionary<(string, string), JsonElement>();
        foreach (var channel in document.GetProperty("channels").EnumerateObject().Where(channel => channel.Name != "deadPayments"))
        {
            foreach (var reference in channel.Value.GetProperty("messages").EnumerateObject())
            {
                var message = document;
                foreach (var step in reference.Value.Value("$ref").Split('/').Skip(1))
                {
                    message = message.GetProperty(step);
                }

                messages.Add((channel.Value.Value("address"), message.Value("name")), message);
            }
        }
        return messages;
    }

    private static async Task ExpectAsync(JsonElement schema, JsonElement value)
    {
        var properties = schema.GetProperty("properties");
        foreach (var required in schema.GetProperty("required").EnumerateArray())
        {
            await Assert.That(value.TryGetProperty(required.GetString()!, out _)).IsTrue().Because($"{required} is in {value}");
        }

        foreach (var member in value.EnumerateObject())
        {
            await Assert.That(properties.TryGetProperty(member.Name, out var described))
                .IsTrue().Because($"{member.Name} of {value} is described");
            await Assert.That(Fits(described, member.Value)).IsTrue().Because($"{member} is {described}");
        }
    }

    private static bool FitsObject(JsonElement schema, JsonElement value) =>
        value.EnumerateObject().Select(static member => member.Name).Order()
            .SequenceEqual(schema.GetProperty("required").EnumerateArray().Select(static name => name.GetString()!).Order())
        && value.EnumerateObject().All(member => Fits(schema.GetProperty("properties").GetProperty(member.Name), member.Value));

    private static bool Fits(JsonElement schema, JsonElement value) => schema.Value("type") switch
    {
        "integer" => value.TryGetInt64(out var number) && number >= schema.Number("minimum"),
        "array" => value.GetArrayLength() >= schema.Number("minItems") && value.EnumerateArray().All(item => FitsObject(
            schema.GetProperty("items"), item)),
        _ => value.ValueKind == JsonValueKind.String
            && (!schema.TryGetProperty("const", out var constant) || constant.GetString() == value.GetString())
            && (!schema.TryGetProperty("pattern", out var pattern) || Regex.IsMatch(value.GetString()!, pattern.GetString()!))
            && (!schema.TryGetProperty("format", out var format) || (format.GetString() == "uuid"
                ? Guid.TryParse(value.GetString(), out _)
                : DateTimeOffset.TryParse(value.GetString(), CultureInfo.InvariantCulture, DateTimeStyles.None, out _))),
    };
}

[System.Text.Json.Serialization.JsonSerializable(typeof(Dictionary<string, string>))]
internal sealed partial class TestJson : System.Text.Json.Serialization.JsonSerializerContext;
