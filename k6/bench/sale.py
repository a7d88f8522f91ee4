#!/usr/bin/env python3
"""What a sold seat costs on each server, how many a size sells, and how soon it starts: of one build, or of several interleaved.

    k6/bench/sale.py                                        artifacts/native/concert-booking at Small and Medium
    k6/bench/sale.py before=OTHER/concert-booking now=artifacts/native/concert-booking
    k6/bench/sale.py --short --sizes small                  a tenth of the time, for a look
    k6/bench/sale.py --parts start                          the start alone
    k6/bench/sale.py --apart                                MySQL on one half of the processors, all else on the other
    k6/bench/sale.py --parts all --k6 k6                    also each call beside livez (bench.py), and k6's capacity and steady

A sale: 24 buyers at once over connections that are kept alive enter, look at a cached list, hold and pay, a phase after the
other. CPU times are those of the processes, from /proc; MySQL is durable (both logs on the disk at each commit). The events are
measured afterwards by a worker that publishes to a broker and consumes, less what starting it costs with nothing to do.
A closed loop of 32 connections shows how many a second there can be at most. The knee is that of an open loop, as k6/capacity.js
finds it with a costlier generator: the calls come evenly, at a rising rate, until p95 leaves its bound or all connections wait.
Then they come evenly at 60 % of the knee, and one at a time.
The hall has 100,000 seats: 20 buyers at a time take three side by side, each a buyer of its own, in a closed loop.
Apart, neither the load nor the service takes a processor from MySQL in the middle of a transaction, as on two machines.
Needs wrk, mysqld, redis-server, and root for the sizes. Writes artifacts/k6/SIZE/sale.json (SIZE-apart/), which k6/results.py prints.
"""
import argparse, json, os, re, resource, statistics, subprocess, sys, time
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path

from load import Api, booking_line, hold_line, line, pay_line, send
from rig import IO_CAPACITY, REPOSITORY, SIGNING_KEY, SIZES, WORKER_PORTS, Build, Servers, Sql, await_, cpu_seconds, machine, machine_seconds, pace, switches

PARTS = ["sale", "events", "knee", "hall", "speed", "k6", "start"]
PHASES = ("enter", "look", "hold", "pay")
LOOP_CONNECTIONS, EVEN_CONNECTIONS = 32, 64
# p95 in ms up to which a rate is held, as in k6/capacity.js; late calls, for which no connection was free, as a share; and the
# rates that are tried, from a part of the closed loop's.
KNEE_BOUNDS, KNEE_LATE, KNEE_FROM, KNEE_STEP, KNEE_SHARE = {"hold": 200, "pay": 160}, 0.01, 0.4, 1.15, 0.6
# A step of the climb; and what is reported, so long that one pause of the machine is not a twentieth of it.
STEP_SECONDS, EVEN_SECONDS, SHORT_SECONDS = 2, 5, 0.5
HALL_CONNECTIONS, HALL_SEATS = 20, 100_000
SETTLE_SECONDS = 0.5
PICTURE_SECONDS = 1.1  # longer than an instance believes that seats are free which another has sold
# Seven of ten free seats of a schedule, at random, as the service would have left them.
SELL_SQL = ("""INSERT INTO reservation (reservation_id, booking_id, payment_id, user_id, schedule_id, seat_no, status, price, held_expires_at)
    SELECT id, id, id, 1, schedule_id, seat_no, 'CONFIRMED', 700, NOW(3)
    FROM (SELECT UNHEX(LEFT(SHA2(CONCAT(schedule_id, ' ', seat_no), 256), 32)) AS id, schedule_id, seat_no FROM seat
          WHERE schedule_id = {schedule} AND reservation_id IS NULL AND CRC32(seat_no) % 10 < 7) sold""",
            """UPDATE seat s JOIN reservation r ON r.schedule_id = s.schedule_id AND r.seat_no = s.seat_no AND r.live = 1
    SET s.reservation_id = r.reservation_id WHERE s.schedule_id = {schedule}""")
EVENT_SECONDS = 6  # at least, of a worker that is measured


def used_by_load():
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return children.ru_utime + children.ru_stime


class Bench:
    def __init__(self, servers, options):
        self.servers, self.options, self.size = servers, options, None
        self.buyers = options.buyers
        self.measured = {}  # (build, phase) -> a dictionary of figures a round

    def add(self, build, phase, figures):
        self.measured.setdefault((build.name, phase), []).append(figures)
        shown = " ".join(f"{name}={value:.2f}" if isinstance(value, float) else f"{name}={value}" for name, value in figures.items())
        print(f"  {build.name:10} {phase:15} {shown}", flush=True)

    @contextmanager
    def unrecorded(self):
        """What is measured within is printed alone."""
        kept, self.measured = self.measured, {}
        yield
        self.measured = kept

    def measure(self, build, phase, lines, connections, seconds=60, **how):
        """One phase: what wrk saw, and the CPU time of every server a request."""
        time.sleep(SETTLE_SECONDS)
        self.paces.append(pace(self.servers.folder))
        pids = {"service": build.process.pid, "mysql": self.servers.mysql.pid, "redis": self.servers.redis.pid}
        before, load = {name: cpu_seconds(pid) for name, pid in pids.items()}, used_by_load()
        commits, busy, woken = self.fsyncs(), machine_seconds(), switches(build.process.pid)
        begun = time.monotonic()
        seen, answers = send(build.api.url, lines, connections, seconds, **how)
        elapsed = time.monotonic() - begun
        busy = [now - then for now, then in zip(machine_seconds(), busy)]
        used = {name: cpu_seconds(pid) - before[name] for name, pid in pids.items()}
        count = max(1, seen["count"])
        figures = {"perSecond": seen["perSecond"], "p50": seen["p50"], "p95": seen["p95"], "p99": seen["p99"]}
        figures |= {name: 1e6 * seconds_used / count for name, seconds_used in used.items()}
        figures |= {"all": sum(1e6 * seconds_used / count for seconds_used in used.values()), "fsyncs": (self.fsyncs() - commits) / count,
                    "switches": (switches(build.process.pid) - woken) / count, "count": seen["count"], "refused": seen["refused"] + seen["failed"]}
        if how.get("rate"):
            figures["late"] = seen["late"]
        total = sum(busy) or 1
        ours = sum(used.values()) + used_by_load() - load
        figures |= {"othersPercent": 100 * max(0.0, busy[0] - ours) / total, "idlePercent": 100 * (busy[1] + busy[2]) / total,
                    "servicePercent": 100 * used["service"] / seen["seconds"] / SIZES.get(self.size, os.cpu_count()) if seen["seconds"] else 0.0,
                    "loadPercent": 100 * (used_by_load() - load) / elapsed}
        self.add(build, phase, figures)
        return figures, answers

    def fsyncs(self):
        status = dict(self.status.rows("SHOW GLOBAL STATUS LIKE 'Innodb_os_log_fsyncs'"))
        return int(status.get("Innodb_os_log_fsyncs", 0))

    def quietly(self, build, lines):
        """Prepares: every line must succeed."""
        seen, answers = send(build.api.url, lines, LOOP_CONNECTIONS, 120, answers=True)
        if seen["refused"] or len(answers) < len(lines):
            bad = next((answer for answer in answers if not answer[0].startswith("2")), answers[:1])
            sys.exit(f"{build.name}: preparation failed: {seen}: {bad}")
        return [json.loads(body) for _, body in answers]

    def tokens(self, build, queue, users):
        return [answer["token"] for answer in self.quietly(build, [build.api.enter_line(user, queue) for user in users])]

    def users(self, build, count):
        """So many users with points for every sale. Those who are missing are added."""
        if count > len(build.users):
            more = build.api.users(count - len(build.users))
            self.quietly(build, [build.api.charge_line(user, 1_000_000, f"charge-{user}") for user in more])
            build.users += more
        return build.users[:count]

    def sale(self, build, count, phase=lambda name: name, connections=None, only=PHASES, rates=None):
        """
        Every buyer takes a seat of a new show. What is not in only is prepared unmeasured; what has a rate comes evenly. Returns
        the figures of hold and pay.
        """
        connections, rates = connections or self.options.connections, rates or {}
        queue, _, schedule = build.api.show(count)
        users = self.users(build, count)
        if "enter" in only:
            lines = [build.api.enter_line(user, queue) for user in users]
            answers = self.measure(build, phase("enter"), lines, connections, answers=True)[1]
            tokens = [json.loads(body)["token"] for status, body in answers if status in ("200", "201")]
        else:
            tokens = self.tokens(build, queue, users)
        if "look" in only:
            self.measure(build, phase("look"), [build.looks], connections, seconds=2, again=True)
        lines = [hold_line(token, schedule, seat) for seat, token in enumerate(tokens, 1)]
        hold, answers = self.measure(build, phase("hold"), lines, connections, answers=True, rate=rates.get("hold"))
        held = [json.loads(body) for status, body in answers if status == "201"]
        lines = [pay_line(tokens[seat["seatNo"] - 1], seat["reservationId"], f"pay-{seat['reservationId']}") for seat in held]
        return {"hold": hold, "pay": self.measure(build, phase("pay"), lines, connections, rate=rates.get("pay"))[0]}

    def evenly(self, build, rates, phase, seconds):
        """Both calls at their rates, the higher one for so long."""
        count = round(max(rates.values()) * (SHORT_SECONDS if self.options.short else seconds))
        rates = {call: round(rate) for call, rate in rates.items()}
        return self.sale(build, count, phase, EVEN_CONNECTIONS, only=("hold", "pay"), rates=rates)

    def climb(self, build, most):
        """
        The figures of each call at the highest rate before the first that is not held. A rate that is not is tried once more, since
        a neighbour of the machine may have been the reason.
        """
        climbing, missed, knees, share = set(KNEE_BOUNDS), set(), {}, KNEE_FROM
        while climbing:
            rates = {call: share * figures["perSecond"] for call, figures in most.items()}
            seen = self.evenly(build, rates, lambda name: f"({name})", STEP_SECONDS)
            held = {call for call in climbing if self.is_held(call, seen[call])}
            knees |= {call: seen[call] | {"perSecond": rates[call]} for call in held}
            if not missed and (missed := climbing - held):
                continue
            climbing -= missed - held
            missed, share = set(), share * KNEE_STEP
        if missing := KNEE_BOUNDS.keys() - knees:
            sys.exit(f"{build.name}: the lowest rate of {', '.join(sorted(missing))} is not held")
        return knees

    @staticmethod
    def is_held(call, figures):
        return figures["p95"] <= KNEE_BOUNDS[call] and figures["late"] <= KNEE_LATE * figures["count"] and not figures["refused"]

    def knee(self, build):
        most = self.sale(build, self.buyers, lambda name: f"{name} loop", LOOP_CONNECTIONS, only=("hold", "pay"))
        with self.unrecorded():
            knees = self.climb(build, most)
        for call, figures in knees.items():
            self.add(build, f"{call} knee", figures)
        rates = {call: KNEE_SHARE * statistics.median(row["perSecond"] for row in self.measured[build.name, f"{call} knee"]) for call in knees}
        self.evenly(build, rates, lambda name: f"{name} at 60 %", EVEN_SECONDS)
        self.sale(build, min(self.buyers, 300), lambda name: f"{name} alone", 1, only=("hold", "pay"))

    def hall(self, build):
        queue, _, schedule = build.api.hall_show()
        tokens = self.tokens(build, queue, build.api.users(self.buyers))  # of new users, who hold nothing yet
        third = len(tokens) // 3

        def lines(phase, buyers, seats):
            return [booking_line(token, schedule, f"{phase} {number}", **seats(number)) for number, token in enumerate(buyers)]

        def named(number):
            return {"seatNos": [HALL_SEATS - 5 * number - seat for seat in range(3)]}

        def best(number):
            return {"bestAvailable": {"count": 3}}

        self.measure(build, "named seats", lines("named", tokens[:third], named), HALL_CONNECTIONS)
        self.measure(build, "best available", lines("best", tokens[third:2 * third], best), HALL_CONNECTIONS)
        for statement in SELL_SQL:
            build.sql.rows(statement.format(schedule=schedule))
        time.sleep(PICTURE_SECONDS)
        self.quietly(build, lines("sold", tokens[-1:], best))
        self.measure(build, "best, 70 % sold", lines("last", tokens[2 * third:-1], best), HALL_CONNECTIONS)

    def pending(self, build):
        return int(build.sql.rows("SELECT COUNT(*) FROM outbox WHERE state = 'PENDING'")[0][0])

    def consumed(self, build):
        return int(build.sql.rows("SELECT COALESCE(SUM(seats_sold), 0) FROM sales_daily")[0][0])

    def worker(self, build, until):
        """Runs a worker until then, and for a time at least. Returns the CPU seconds of it, MySQL, Redis and the broker."""
        pids = {"mysql": self.servers.mysql.pid, "redis": self.servers.redis.pid, "kafka": self.servers.kafka_pid}
        before, group, begun = {name: cpu_seconds(pid) for name, pid in pids.items()}, self.servers.group(self.size), time.monotonic()
        process, _ = build.start(group, "worker", WORKER_PORTS, ConnectionStrings__Kafka=self.servers.kafka)
        try:
            await_(until, 120, f"{build.name}: its events are not published and consumed")
            took = time.monotonic() - begun
            time.sleep(max(0, EVENT_SECONDS - took))
            return {"worker": cpu_seconds(process.pid)} | {name: cpu_seconds(pid) - before[name] for name, pid in pids.items()}, took
        finally:
            self.servers.stop(process)

    def events(self, build, seats):
        events, sold = self.pending(build), self.consumed(build)
        used, took = self.worker(build, lambda: self.pending(build) == 0 and self.consumed(build) >= sold + seats)
        figures = {name: 1e6 * max(0.0, value - build.idle[name]) / seats for name, value in used.items()}
        self.add(build, "events", figures | {"all": sum(figures.values()), "eventsPerSeat": events / seats, "seconds": took})

    def others(self, size, build):
        """Programs that measure the last build by themselves, and leave their own files."""
        folder, options = self.folder(size), self.options
        environment = {**os.environ, "AUTH_SIGNING_KEY": SIGNING_KEY, "BASE_URL": build.api.url, "SUMMARY_DIR": str(folder),
                       "PROFILE": "ci" if options.short else "full"}
        if "speed" in options.parts:
            subprocess.run([sys.executable, str(Path(__file__).with_name("bench.py")), build.api.url, "--pid", str(build.process.pid),
                            "--seconds", "2" if options.short else "5", "--json", str(folder / "bench.json")], env=environment, check=True)
        for script in ("capacity", "steady") if "k6" in options.parts else ():
            subprocess.run([options.k6, "run", "--quiet", str(REPOSITORY / f"k6/{script}.js")], env=environment, check=False)

    def starts(self, builds):
        for build in builds:
            self.servers.stop(build.process)
        for _ in range(self.options.starts):
            self.paces.append(pace(self.servers.folder))
            for build in builds:
                process, seconds = build.start(build.group)
                cpu = cpu_seconds(process.pid)
                self.servers.stop(process)
                self.measured.setdefault((build.name, "start"), []).append({"ms": 1000 * seconds, "cpuMs": 1000 * cpu})
        for build in builds:
            times = [row["ms"] for row in self.measured[build.name, "start"]]
            print(f"  {build.name:10} start           median {statistics.median(times):.0f} ms, {min(times):.0f} to {max(times):.0f}", flush=True)

    def run(self, size, builds):
        options, self.size, self.measured, self.paces = self.options, size, {}, []
        self.status = Sql(self.servers.port)
        started, load = datetime.now(timezone.utc), os.getloadavg()
        print(f"\n{size}: {SIZES[size]:g} processors for the service" if size in SIZES else f"\n{size}: no limit", flush=True)
        for build in builds:
            build.group = self.servers.group(size)
            build.serve(build.group)
        if set(options.parts) - {"start"}:
            for build in builds:
                self.prepare(build)
            for number in range(options.rounds):
                print(f" round {number + 1}, load {os.getloadavg()[0]:.1f}", flush=True)
                for build in builds:
                    if "sale" in options.parts or "events" in options.parts:
                        sold = self.consumed_and_empty(build)
                        seats = self.sale(build, self.buyers)["pay"]["count"]
                        if sold and self.servers.kafka:
                            self.events(build, seats)
                    if "knee" in options.parts:
                        self.knee(build)
                    if "hall" in options.parts:
                        self.hall(build)
            self.others(size, builds[-1])
        if "start" in options.parts:
            self.starts(builds)
        else:
            for build in builds:
                self.servers.stop(build.process)
        self.write(size, builds, started, load)

    def consumed_and_empty(self, build):
        """Before a sale whose events are to be measured, those of other parts go."""
        if "events" not in self.options.parts:
            return False
        build.sql.rows("DELETE FROM outbox")
        return True

    def prepare(self, build):
        build.api = Api(f"http://127.0.0.1:{build.port}", SIGNING_KEY)
        build.users = []
        build.looks = line("GET", f"/v1/schedules/{build.api.show(50)[2]}/seats")
        self.users(build, self.buyers)
        print(" warming up", flush=True)
        with self.unrecorded():
            self.sale(build, min(300, self.buyers), lambda name: f"({name})")
        if "events" in self.options.parts and self.servers.kafka:
            build.sql.rows("DELETE FROM outbox")
            build.idle, _ = self.worker(build, lambda: True)

    def medians(self, build):
        found = {}
        for (name, phase), rounds in self.measured.items():
            if name == build.name:
                found[phase] = {key: statistics.median(row[key] for row in rounds) for key in rounds[0]}
                if phase != "start" and "perSecond" in found[phase]:
                    found[phase]["limit"] = self.limit(found[phase])
        return found

    def pace_text(self):
        """How even the machine was: phases in which it is half as fast say little of the service."""
        found = [f"{statistics.median(times):.1f} ms ({min(times):.1f} to {max(times):.1f})" for times in zip(*self.paces)]
        return "before each phase a fixed loop on one processor took {}, a page's write to the disk {}".format(*found)

    def folder(self, size):
        folder = Path(self.options.out).resolve() / (f"{size}-apart" if self.options.apart else size)
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def limit(self, figures):
        if figures["servicePercent"] >= 88 and self.size in SIZES:
            return f"the service's processor ({figures['servicePercent']:.0f} % of it)"
        if figures["loadPercent"] >= 88:
            return f"wrk ({figures['loadPercent']:.0f} % of a processor)"
        mysql_percent = figures["mysql"] * figures["perSecond"] / 1e4 / len(self.servers.mysql_processors)
        if mysql_percent >= 88:
            return f"MySQL's processors ({mysql_percent:.0f} % of them)"
        if figures["idlePercent"] <= 12:
            return f"the machine's processors (service at {figures['servicePercent']:.0f} % of its limit, others took {figures['othersPercent']:.0f} %)"
        return f"waiting (service at {figures['servicePercent']:.0f} % of its limit, machine {figures['idlePercent']:.0f} % idle)"

    def write(self, size, builds, started, load):
        data = {"startedAt": started.isoformat(), "finishedAt": datetime.now(timezone.utc).isoformat(), "machine": machine(),
                "loadBefore": load[0], "loadAfter": os.getloadavg()[0], "pace": self.pace_text(), "database": self.servers.version,
                "settings": f"innodb_flush_log_at_trx_commit=1, sync_binlog=1, binary log on, innodb_io_capacity={IO_CAPACITY}"
                            + (", on processors of its own" if self.options.apart else ""),
                "rounds": self.options.rounds, "buyers": self.buyers, "connections": self.options.connections,
                "builds": {build.name: self.medians(build) for build in builds}}
        (self.folder(size) / "sale.json").write_text(json.dumps(data, indent=1))
        report(size, data)


def report(size, data):
    print(f"\n{size}: medians of {data['rounds']} rounds, {data['database']} with {data['settings']}; {data['machine']['cores']} × {data['machine']['model']}, "
          f"load {data['loadBefore']:.1f} before, {data['loadAfter']:.1f} after")
    print(data["pace"])
    print(f"{'µs CPU':27}{'service':>9}{'MySQL':>9}{'Redis':>9}{'all':>9}{'per s':>9}{'p50 ms':>9}{'p95 ms':>9}{'fsyncs':>8}{'wakes':>7}  limit")
    for name, found in data["builds"].items():
        for phase, row in found.items():
            if "perSecond" in row:
                print(f"{name[:10]:11}{phase:16}{row['service']:9.0f}{row['mysql']:9.0f}{row['redis']:9.0f}{row['all']:9.0f}{row['perSecond']:9.0f}"
                      f"{row['p50']:9.2f}{row['p95']:9.2f}{row['fsyncs']:8.2f}{row['switches']:7.1f}  {row['limit']}")
        if all(phase in found for phase in PHASES):
            sums = {server: sum(found[phase][server] for phase in PHASES) for server in ("service", "mysql", "redis", "all")}
            print(f"{name[:10]:11}{'a sold seat':16}{sums['service']:9.0f}{sums['mysql']:9.0f}{sums['redis']:9.0f}{sums['all']:9.0f}")
        if row := found.get("events"):
            print(f"{name[:10]:11}{'its events':16}{row['worker']:9.0f}{row['mysql']:9.0f}{row['redis']:9.0f}{row['all']:9.0f}"
                  f"   (service: the worker; all: with the broker's {row['kafka']:.0f})")
        if row := found.get("start"):
            print(f"{name[:10]:11}{'start':16}{row['ms']:9.0f} ms to the first 200 of readyz, {row['cpuMs']:.0f} ms CPU")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("builds", nargs="*", default=[f"now={REPOSITORY}/artifacts/native/concert-booking"], metavar="NAME=BINARY")
    parser.add_argument("--sizes", default="small,medium", help="of small, medium and none")
    parser.add_argument("--parts", default="sale,events,knee,hall,start", help="of these, speed and k6; or all")
    parser.add_argument("--k6", default="k6")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--buyers", type=int, default=3000)
    parser.add_argument("--connections", type=int, default=24)
    parser.add_argument("--starts", type=int, default=15)
    parser.add_argument("--apart", action="store_true", help="one half of the processors for MySQL, the other for all else, as on two machines")
    parser.add_argument("--short", action="store_true", help="one round of 800 buyers, five starts")
    parser.add_argument("--port", type=int, default=24400, help="the first of those used")
    parser.add_argument("--mysqld")
    parser.add_argument("--out", default=str(REPOSITORY / "artifacts/k6"))
    options = parser.parse_intermixed_args()
    options.parts = PARTS if options.parts == "all" else options.parts.split(",")
    if options.short:
        options.rounds, options.buyers, options.starts = 1, 800, 5
    with Servers(options.port, options.mysqld, apart=options.apart) as servers:
        if "events" in options.parts and not servers.start_kafka():
            print("no broker (dotnet build --configuration Release makes one): the cost of events is left out", flush=True)
        builds = [Build(servers, number, *build.split("=", 1)) for number, build in enumerate(options.builds)]
        bench = Bench(servers, options)
        for size in options.sizes.split(","):
            bench.run(size, builds)


if __name__ == "__main__":
    main()
