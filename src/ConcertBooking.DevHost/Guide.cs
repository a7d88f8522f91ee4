namespace ConcertBooking.DevHost;

/// <summary>The text printed once the service runs: links, and the booking journey as shell commands.</summary>
internal static class Guide
{
    public static string Text(int port, int managementPort, Seat? seat) => $$"""

        Page         http://localhost:{{port}}/
        API          http://localhost:{{port}}
        Reference    http://localhost:{{port}}/scalar   (http://localhost:{{port}}/openapi/v1.json)
        Readiness    http://localhost:{{port}}/readyz
        Metrics      http://localhost:{{managementPort}}/metrics

        A real sale on the page, from another terminal: 500 simulated buyers who stay for a minute

          dotnet run --project src/ConcertBooking.DevHost -- --crowd 500

        The journey, to paste into a shell:

          S=http://localhost:{{port}}
          JSON='Content-Type: application/json'
          pick() { tee /dev/stderr | sed -E "s/.*\"$1\":\"([^\"]+)\".*/\1/"; echo >&2; }
          ME=$(curl -s $S/dev/sign-in -H "$JSON" -d '{"userId":7}' | pick accessToken)
          QUEUE=$(curl -s $S/v1/queue/tokens -H "Authorization: Bearer $ME" -H "$JSON" \
            -d '{"queue":"{{seat?.Queue ?? "main"}}"}' | pick token)
          curl -s $S/v1/concerts; echo
          curl -s $S/v1/concerts/{{seat?.ConcertId ?? 1}}/schedules; echo
          curl -s $S/v1/schedules/{{seat?.ScheduleId ?? 1}}/seats; echo
          SEAT=$(curl -s $S/v1/reservations -H "Queue-Token: $QUEUE" -H "$JSON" \
            -d '{"scheduleId":{{seat?.ScheduleId ?? 1}},"seatNo":{{seat?.SeatNo ?? 1}}}' | pick reservationId)
          curl -s $S/v1/points/charges -H "Authorization: Bearer $ME" -H "Idempotency-Key: $(date +%s%N)" -H "$JSON" \
            -d '{"amount":{{seat?.Price ?? 50000}}}'; echo
          curl -s $S/v1/payments -H "Queue-Token: $QUEUE" -H "Idempotency-Key: $(date +%s%N)" -H "$JSON" \
            -d "{\"reservationId\":\"$SEAT\"}"; echo
          curl -s $S/v1/reservations/$SEAT -H "Authorization: Bearer $ME"; echo

        Data survive a restart in .data (or in Docker volumes); -- --fresh starts over. Ctrl-C stops everything.

        """;
}
