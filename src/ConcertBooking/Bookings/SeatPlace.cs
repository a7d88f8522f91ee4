using System.Globalization;
using MySqlConnector;

namespace ConcertBooking.Bookings;

/// <summary>
/// Where a seat is in its hall, as tickets print it. A schedule without a hall has one section and one row without names, where the
/// label is the seat's number.
/// </summary>
internal readonly record struct SeatPlace(string Section, string Row, string Label, string Grade)
{
    /// <summary>The columns of <c>hall_seat h</c>, which is joined from the left: <see cref="Read"/> takes them in this order.</summary>
    public const string ColumnsSql = "h.section, h.row_name, h.label, h.grade";

    /// <param name="row">With the columns of <see cref="ColumnsSql"/>.</param>
    /// <param name="first">The ordinal of the first of them.</param>
    /// <param name="seatNo">The seat's number.</param>
    public static SeatPlace Read(MySqlDataReader row, int first, int seatNo) => row.IsDBNull(first)
        ? new("", "", seatNo.ToString(CultureInfo.InvariantCulture), "")
        : new(row.GetString(first), row.GetString(first + 1), row.GetString(first + 2), row.GetString(first + 3));
}
