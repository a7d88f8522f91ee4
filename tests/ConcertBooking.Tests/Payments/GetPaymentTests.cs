using ConcertBooking.Tests.Support;

namespace ConcertBooking.Tests.Payments;

public sealed class GetPaymentTests : SharedRigTests
{
    [Test]
    public async Task GetPayment_Own_Returns200AsItWasPaid()
    {
        var show = await Rig.Catalogue.AddShowAsync();
        var visitor = await Rig.NewVisitorAsync(show, points: show.Price);
        var paid = (await visitor.PayAsync(await visitor.HeldAsync(show))).Expect(201);
        (await visitor.ChargeAsync(5)).Expect(201);
        visitor.Api = Rig.B.Api;

        var read = (await visitor.GetAsync($"/v1/payments/{paid.Value("paymentId")}")).Expect(200)
            .ExpectMembers("paymentId", "bookingId", "reservationId", "amount", "balance", "paidAt");

        await Assert.That(read.Value("paymentId")).IsEqualTo(paid.Value("paymentId"));
        await Assert.That(read.Value("reservationId")).IsEqualTo(paid.Value("reservationId"));
        await Assert.That(read.Number("amount")).IsEqualTo(show.Price);
        await Assert.That(read.Json.Moment("paidAt")).IsEqualTo(paid.Json.Moment("paidAt"));
    }

    [Test]
    public async Task GetPayment_OfAnotherUser_Returns404()
    {
        var show = await Rig.Catalogue.AddShowAsync();
        var visitor = await Rig.NewVisitorAsync(show, points: show.Price);
        var paymentId = (await visitor.PayAsync(await visitor.HeldAsync(show))).Expect(201).Value("paymentId");

        (await Rig.NewVisitor().GetAsync($"/v1/payments/{paymentId}")).ExpectProblem(404, "payment_not_found");
        (await Rig.A.Api.GetAsync($"/v1/payments/{paymentId}")).ExpectProblem(401, "unauthorized");
    }

    [Test]
    [Arguments("019a0000-0000-7000-8000-000000000000")]
    [Arguments("7")]
    public async Task GetPayment_Unknown_Returns404(string paymentId) =>
        (await Rig.NewVisitor().GetAsync($"/v1/payments/{paymentId}")).ExpectProblem(404, "payment_not_found");
}
