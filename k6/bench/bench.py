#!/usr/bin/env python3
"""Measures each call beside a bare GET /livez of the same process: requests per second and CPU time per request.

    AUTH_SIGNING_KEY=... k6/bench/bench.py http://127.0.0.1:8080 --pid PID [--seconds 5] [--json FILE] [CALL...]

Needs wrk. PID is the service's (docker inspect --format '{{.State.Pid}}' NAME). The share of livez by wall clock is
what a client sees; the share by CPU time is hardly moved by whatever else the machine does. Linux only.
"""
import argparse, json, os
from pathlib import Path

from load import Api, hold_line, in_parallel, line, pay_line, send
from rig import cpu_seconds

CONNECTIONS = 32
TARGETS = {"token": 30, "schedules": 60, "seats": 60, "not_modified": 65, "hold_taken": 30, "hold_free": 6, "pay": 3.5}


def prepare(service, call, seconds):
    """The requests of a call, and whether they may be sent over and over."""
    if call == "livez":
        return [line("GET", "/livez")], True
    queue, concert, schedule = service.show(50000 if call == "hold_free" else 10000 if call == "pay" else 50, 50 if call == "token" else 1000000)
    seats = f"/v1/schedules/{schedule}/seats"
    if call == "token":
        return [service.enter_line(user, queue) for user in service.users(2000)], True
    if call == "schedules":
        return [line("GET", f"/v1/concerts/{concert}/schedules")], True
    if call == "seats":
        return [line("GET", seats)], True
    if call == "not_modified":
        return [line("GET", seats, If_None_Match=service.call("GET", seats)[1]["ETag"])], True
    if call == "hold_taken":
        first, *others = in_parallel(lambda user: service.enter(user, queue), service.users(200))
        service.hold(first, schedule, 7)
        return [hold_line(token, schedule, 7) for token in others], True
    if call == "hold_free":
        tokens = prepared_tokens(service, service.users(int(seconds * 1000)), queue)
        return [hold_line(token, schedule, 1 + 4 * index + turn) for turn in range(4) for index, token in enumerate(tokens)], False
    users = service.users(int(seconds * 2000))
    send(service.url, [service.charge_line(user, 1000, f"charge-{user}") for user in users], CONNECTIONS, 120)
    tokens = prepared_tokens(service, users, queue)
    held = send(service.url, [hold_line(token, schedule, seat) for seat, token in enumerate(tokens, 1)], CONNECTIONS, 120, answers=True)[1]
    seats = [json.loads(body) for status, body in held if status == "201"]
    return [pay_line(tokens[seat["seatNo"] - 1], seat["reservationId"], f"pay-{seat['reservationId']}") for seat in seats], False


def prepared_tokens(service, users, queue):
    """Of users who are all admitted at once."""
    entered = send(service.url, [service.enter_line(user, queue) for user in users], CONNECTIONS, 120, answers=True)[1]
    return [json.loads(body)["token"] for status, body in entered if status in ("200", "201")]


def measure(service, pid, lines, again, seconds):
    before = cpu_seconds(pid)
    result, _ = send(service.url, lines, CONNECTIONS, seconds, again)
    return result | {"cpuMicroseconds": 1e6 * (cpu_seconds(pid) - before) / result["count"]}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("calls", nargs="*", default=list(TARGETS))
    parser.add_argument("--pid", type=int, required=True)
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--json")
    options = parser.parse_intermixed_args()
    service, results = Api(options.url, os.environ["AUTH_SIGNING_KEY"]), {}
    print(f"{'call':14}{'per s':>9}{'livez/s':>9}{'share':>8}{'wanted':>8}{'µs CPU':>9}{'share':>8}{'p99':>10}  refused")
    for call in options.calls:
        bare = measure(service, options.pid, *prepare(service, "livez", options.seconds), options.seconds)
        result = measure(service, options.pid, *prepare(service, call, options.seconds), options.seconds)
        share, cpu_share = 100 * result["perSecond"] / bare["perSecond"], 100 * bare["cpuMicroseconds"] / result["cpuMicroseconds"]
        results[call] = result | {"livezPerSecond": bare["perSecond"], "livezCpuMicroseconds": bare["cpuMicroseconds"],
                                  "share": share, "cpuShare": cpu_share, "wanted": TARGETS[call]}
        print(f"{call:14}{result['perSecond']:9.0f}{bare['perSecond']:9.0f}{share:7.1f}%{TARGETS[call]:7}%"
              f"{result['cpuMicroseconds']:9.1f}{cpu_share:7.1f}%{result['p99']:8.1f}ms  {result['refused']}", flush=True)
    if options.json:
        Path(options.json).write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
