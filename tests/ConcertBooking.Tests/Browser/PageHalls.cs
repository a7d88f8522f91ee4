namespace ConcertBooking.Tests.Browser;

/// <summary>Halls that look like ones.</summary>
internal static class PageHalls
{
    /// <summary>152 seats in three sections with curved rows.</summary>
    public const string Small = """
        {"name":"Harbour Hall","sections":[
          {"section":"Floor","grade":"R","layout":{"x":-5,"y":4,"angle":0,"curve":0.15},"rows":[
            {"row":"1","seats":18},{"row":"2","seats":19},{"row":"3","seats":19},{"row":"4","seats":20},{"row":"5","seats":20}]},
          {"section":"Left","grade":"S","layout":{"x":-11,"y":5,"angle":25,"curve":0.1},"rows":[
            {"row":"1","seats":7},{"row":"2","seats":7},{"row":"3","seats":7},{"row":"4","seats":7}]},
          {"section":"Right","grade":"S","layout":{"x":7.5,"y":5,"angle":-25,"curve":0.1},"rows":[
            {"row":"1","seats":7},{"row":"2","seats":7},{"row":"3","seats":7},{"row":"4","seats":7}]}]}
        """;

    public const string SmallPrices = """{"R":165000,"S":99000}""";
}
