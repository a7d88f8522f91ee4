using System.Globalization;
using System.Text.Json.Serialization;

namespace ConcertBooking.Concerts;

/// <summary>How a page draws a section. The numbers are the page's own: they are stored and given back as they came.</summary>
/// <param name="X">Where its front begins, from the left.</param>
/// <param name="Y">Where its front is, from the stage.</param>
/// <param name="Angle">Its turn.</param>
/// <param name="Curve">How much its rows bend; 0: straight.</param>
public sealed record HallLayout(decimal X = 0, decimal Y = 0, decimal Angle = 0, decimal Curve = 0);

/// <param name="Row">Its name, which no other row of the section has.</param>
/// <param name="Seats">How many it has.</param>
/// <param name="From">The label of its first seat; the next ones count up.</param>
/// <param name="Skip">Labels that no seat of it has.</param>
public sealed record NewHallRow(string Row, int Seats, int From = 1, IReadOnlyList<int>? Skip = null);

/// <param name="Section">Its name, which no other section of the hall has.</param>
/// <param name="Grade">All its seats are of this grade, and each grade has its price.</param>
/// <param name="Rows">From the front to the back.</param>
public sealed record NewHallSection(string Section, string Grade, IReadOnlyList<NewHallRow> Rows, HallLayout? Layout = null);

/// <param name="FirstSeatNo">The seat numbers of the row count up from it.</param>
/// <param name="Labels">One a seat.</param>
public sealed record PlanRow(string Row, int FirstSeatNo, IReadOnlyList<string> Labels);

/// <param name="Rows">From the front to the back.</param>
public sealed record PlanSection(string Section, string Grade, HallLayout? Layout, IReadOnlyList<PlanRow> Rows);

/// <summary>
/// A hall with numbers for its seats: they run on from 1 through all rows in the given order. A hall never changes.
/// </summary>
internal sealed record HallDesign(string Name, int SeatCount, IReadOnlyList<PlanSection> Sections)
{
    /// <summary>In UTF-16; also the lengths of the columns.</summary>
    public const int MaximumName = 200, MaximumSection = 30, MaximumRow = 10, MaximumGrade = 20;

    /// <summary>So that the prices of a schedule fit into a request.</summary>
    public const int MaximumGrades = 100;
    private const int MaximumLabel = 999_999;

    /// <param name="name">Of the hall.</param>
    /// <param name="sections">As they were sent: a list may contain null.</param>
    /// <param name="problem">The first thing that is wrong, with its place in the request.</param>
    public static HallDesign? Read(string name, IReadOnlyList<NewHallSection?> sections, out Problem? problem)
    {
        problem = Faults(name, sections).FirstOrDefault();
        return problem is null ? Number(name, sections!) : null;
    }

    /// <summary>All validation errors, evaluated lazily: a caller that takes the first does not compute the rest.</summary>
    private static IEnumerable<Problem> Faults(string name, IReadOnlyList<NewHallSection?> sections)
    {
        if (!IsName(name, MaximumName))
        {
            yield return Problem.Invalid("name", NameRule(MaximumName));
        }

        if (sections.Count == 0)
        {
            yield return Problem.Invalid("sections", "A hall needs one.");
        }

        var (names, grades, seatsLeft) = (new HashSet<string>(StringComparer.Ordinal), new HashSet<string>(StringComparer.Ordinal),
            Catalogue.MaximumSeats);
        foreach (var (index, section) in sections.Index())
        {
            var place = $"sections[{index}]";
            if (section is null)
            {
                yield return Problem.Invalid(place, "Must be an object.");
                yield break;
            }

            foreach (var fault in Faults(section, place, seatsLeft))
            {
                yield return fault;
            }

            if (!names.Add(section.Section))
            {
                yield return Problem.Invalid($"{place}.section", "Another section has this name.");
            }

            if (grades.Add(section.Grade) && grades.Count > MaximumGrades)
            {
                yield return Problem.Invalid($"{place}.grade", $"A hall has {MaximumGrades} grades at most.");
            }

            seatsLeft -= section.Rows.Sum(static row => row!.Seats);
        }
    }

    private static IEnumerable<Problem> Faults(NewHallSection section, string place, int seatsLeft)
    {
        if (!IsName(section.Section, MaximumSection))
        {
            yield return Problem.Invalid($"{place}.section", NameRule(MaximumSection));
        }

        if (!IsName(section.Grade, MaximumGrade))
        {
            yield return Problem.Invalid($"{place}.grade", NameRule(MaximumGrade));
        }

        if (section.Rows.Count == 0)
        {
            yield return Problem.Invalid($"{place}.rows", "A section needs one.");
        }

        var names = new HashSet<string>(StringComparer.Ordinal);
        foreach (var (index, row) in ((IReadOnlyList<NewHallRow?>)section.Rows).Index())
        {
            var where = $"{place}.rows[{index}]";
            if (Fault(row, where, seatsLeft) is { } fault)
            {
                yield return fault;
                yield break;
            }

            if (!names.Add(row!.Row))
            {
                yield return Problem.Invalid($"{where}.row", "Another row of the section has this name.");
            }

            seatsLeft -= row.Seats;
        }
    }

    private static Problem? Fault(NewHallRow? row, string where, int seatsLeft) => row switch
    {
        null => Problem.Invalid(where, "Must be an object."),
        _ when !IsName(row.Row, MaximumRow) => Problem.Invalid($"{where}.row", NameRule(MaximumRow)),
        { Seats: < 1 } => Problem.Invalid($"{where}.seats", "Must be at least 1."),
        _ when row.Seats > seatsLeft => Problem.Invalid($"{where}.seats", $"A hall has {Catalogue.MaximumSeats} seats at most."),
        _ when row.From < 0 || row.From > MaximumLabel - row.Seats - (row.Skip?.Count ?? 0) =>
            Problem.Invalid($"{where}.from", $"The labels of a row must be from 0 to {MaximumLabel}."),
        _ => null,
    };

    private static bool IsName(string name, int maximum) =>
        name.Length >= 1 && name.Length <= maximum && !char.IsWhiteSpace(name[0]) && !char.IsWhiteSpace(name[^1])
        && !name.Any(char.IsControl);

    private static string NameRule(int maximum) =>
        $"Must be 1 to {maximum} characters, with no control character and no space around them.";

    private static HallDesign Number(string name, IReadOnlyList<NewHallSection> sections)
    {
        var (seatCount, numbered) = (0, new List<PlanSection>(sections.Count));
        foreach (var section in sections)
        {
            var rows = new List<PlanRow>(section.Rows.Count);
            foreach (var row in section.Rows)
            {
                rows.Add(new PlanRow(row.Row, seatCount + 1, Labels(row)));
                seatCount += row.Seats;
            }

            numbered.Add(new PlanSection(section.Section, section.Grade, section.Layout, rows));
        }

        return new HallDesign(name, seatCount, numbered);
    }

    private static string[] Labels(NewHallRow row)
    {
        var skipped = new HashSet<int>(row.Skip ?? []);
        var labels = new string[row.Seats];
        for (var (index, label) = (0, row.From); index < labels.Length; label++)
        {
            if (!skipped.Contains(label))
            {
                labels[index++] = label.ToString(CultureInfo.InvariantCulture);
            }
        }

        return labels;
    }
}

[JsonSerializable(typeof(IReadOnlyList<PlanSection>))]
internal sealed partial class HallDesignJson : JsonSerializerContext
{
    public static HallDesignJson Web { get; } = new(new(System.Text.Json.JsonSerializerDefaults.Web));
}
