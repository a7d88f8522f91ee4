#!/usr/bin/env python3
"""Writes k6/RESULTS.md from the summaries that k6/gate.sh, k6/bench/sale.py and k6/bench/bench.py left.

    k6/results.py artifacts/k6 ["what should be known of this run"] > k6/RESULTS.md

The folder holds small/ and medium/, each with one JSON a test, container.json, bench.json and sale.json; and of sale.py --apart,
small-apart/ and medium-apart/.
"""
import json, os, platform, sys
from pathlib import Path

# What the NestJS service that this one replaces did on such a machine, under the limits of Small, with MySQL 9.7.
OLD_RATES = {"token": "800", "schedules": "975", "seats": "975", "not_modified": "–", "hold_taken": "265, p95 2.5 s, some 500s", "hold_free": "132", "pay": "66"}
OLD_START, OLD_MEMORY = "11 s", "92 MB idle, 117 MB loaded"

FOLDERS = {"Small": "small", "Small, MySQL apart": "small-apart", "Medium": "medium", "Medium, MySQL apart": "medium-apart"}

# Each test of the report: the metric of its p95, and what else it must show.
TESTS = {
    "spike-token": ("0 → 100 users at once enter the queue", "http_req_duration{call:token}", "< 100 ms"),
    "stress-hold": ("50 users, ten seats", "http_req_duration{call:hold}", "< 200 ms"),
    "soak-pay": ("20 users pay, each payment sent three times", "http_req_duration{call:pay}", "< 160 ms"),
    "endurance-catalogue": ("50 users browse", "http_req_duration{call:catalogue}", "< 60 ms"),
    "journey": ("30 users walk the whole way, 20 places", "http_req_duration{call:hold}", "< 200 ms"),
}
CALLS = {"token": "issue a token", "schedules": "schedules, cached", "seats": "seats, cached", "not_modified": "304 by `If-None-Match`",
         "hold_taken": "hold, losing", "hold_free": "hold, winning distinct seats", "pay": "pay"}


def load(folder, name):
    file = folder / f"{name}.json"
    return json.loads(file.read_text()) if file.exists() else None


def row(*cells):
    print("| " + " | ".join(str(cell) for cell in cells) + " |")


def table(*heads):
    row(*heads)
    row(*["---"] * len(heads))


def value(summary, metric, key):
    return summary["metrics"].get(metric, {}).get("values", {}).get(key, 0)


def tests(folders):
    print("\n## The tests\n")
    table("test", "size", "requests/s", "failed", "5xx", "p95", "wanted", "cache hits", "payments", "paid twice", "thresholds")
    for name, (what, metric, wanted) in TESTS.items():
        for size, folder in folders.items():
            if not (summary := load(folder, name)):
                continue
            broken = [f"{m}: {rule}" for m, data in summary["metrics"].items() for rule, judged in data.get("thresholds", {}).items() if not judged["ok"]]
            pays, hits = name == "soak-pay", value(summary, "cache_hits", "rate")
            row(f"`{name}` ({what})", size, f"{value(summary, 'http_reqs', 'rate'):.0f}", f"{100 * value(summary, 'http_req_failed', 'rate'):.2f} %",
                f"{value(summary, 'server_errors', 'count'):.0f}", f"{value(summary, metric, 'p(95)'):.1f} ms", wanted, f"{100 * hits:.1f} %" if hits else "",
                f"{value(summary, 'payments', 'count'):.0f}" if pays else "", f"{value(summary, 'duplicates_paid', 'count'):.0f}" if pays else "",
                "**breached:** " + ", ".join(broken) if broken else "held")


def knees(folders):
    print("\n## Capacity: an open loop, the rate rising until the p95 leaves its bound\n")
    table("call", "size", "knee (requests/s)", "p95 there", "bound", "what ended it")
    for size, folder in folders.items():
        for call, knee in (load(folder, "capacity") or {"knees": {}})["knees"].items():
            row(CALLS.get(call, call), size, knee["perSecond"], f"{knee.get('p95', 0):.1f} ms", f"{knee['bound']} ms", knee["limit"])
    print("\nWhere the *load generator* or the *preparation* ended it, the service's knee lies higher; that of `sale.py` below has less of both.")
    if not any(load(folder, "steady") for folder in folders.values()):
        return
    print("\n## At 60 % of the knee\n")
    table("call", "size", "requests/s", "p95", "wanted", "")
    for size, folder in folders.items():
        for call, row_ in (load(folder, "steady") or {"steady": {}})["steady"].items():
            row(CALLS.get(call, call), size, row_["perSecond"], f"{row_['p95']:.1f} ms", f"{row_['bound']} ms" if row_.get("bound") else "", row_.get("limit") or "")


PHASES = {"enter": "enter", "look": "look at a cached list", "hold": "hold", "pay": "pay"}
RUNS = {"loop": "closed loop of 32 connections", "knee": "evenly, the knee", "at 60 %": "evenly at 60 % of the knee", "alone": "one at a time"}
BOUNDS = {"hold": 15, "pay": 20}
HALL = {"named seats": "three seats by their numbers", "best available": "the best three, hall nearly empty", "best, 70 % sold": "the best three, 70 % sold at random"}
TIMED_HEADS = ("size", "build", "", "service", "MySQL", "Redis", "together", "a second", "p50", "p95", "log fsyncs each", "what limits")


def sales(folders):
    measured = {size: data for size, folder in folders.items() if (data := load(folder, "sale"))}
    if not measured:
        return
    print("\n## What a sold seat costs, by server\n")
    for size, data in measured.items():
        print(f"{size}: {data['database']} with {data['settings']}; medians of {data['rounds']} rounds of {data['buyers']} buyers, {data['connections']} at once; "
              f"load of the machine {data['loadBefore']:.1f} before and {data['loadAfter']:.1f} after; {data['pace']}.")
    print("\nµs of processor time:\n")
    table(*TIMED_HEADS)
    for size, data in measured.items():
        for build, found in data["builds"].items():
            for phase, what in PHASES.items():
                if phase in found:
                    timed(size, build, what, found[phase])
            if all(phase in found for phase in PHASES):
                row(size, build, "**a sold seat**", *[f"**{sum(found[phase][server] for phase in PHASES):.0f}**" for server in ("service", "mysql", "redis", "all")],
                    "", "", "", "", "")
            if events := found.get("events"):
                row(size, build, "its events, published and consumed (worker)", f"{events['worker']:.0f}", f"{events['mysql']:.0f}", f"{events['redis']:.0f}",
                    f"{events['all']:.0f}, with the broker's {events['kafka']:.0f}", "", "", "", "", "")
    knee = {f"{call} {run}": f"{call}, {how}" + (f" (p95 wanted: {bound} ms)" if run == "at 60 %" else "")
            for call, bound in BOUNDS.items() for run, how in RUNS.items()}
    timed_table("The most in a closed loop, and the knee of an open one: fewer processors for the load than k6", measured, knee)
    timed_table("A hall of 100,000 seats: 20 buyers at a time, each takes three side by side (p95 wanted: 30 ms)", measured, HALL)


def timed_table(title, measured, phases):
    """The phases that were measured, in words; nothing when none were."""
    rows = [(size, build, what, found[phase]) for size, data in measured.items() for build, found in data["builds"].items()
            for phase, what in phases.items() if phase in found]
    if rows:
        print(f"\n## {title}\n")
        table(*TIMED_HEADS)
    for cells in rows:
        timed(*cells)


def timed(size, build, what, found):
    row(size, build, what, f"{found['service']:.0f}", f"{found['mysql']:.0f}", f"{found['redis']:.0f}", f"{found['all']:.0f}", f"{found['perSecond']:.0f}",
        f"{found['p50']:.1f} ms", f"{found['p95']:.1f} ms", f"{found['fsyncs']:.2f}", found["limit"])


def speed(folders):
    print("\n## Speed: 32 connections, beside a bare `GET /livez` of the same container\n")
    table("call", "old code at Small (requests/s)", "size", "requests/s", "livez/s", "share of livez", "wanted at Small", "CPU a request", "share by CPU", "p99")
    for size, folder in folders.items():
        for call, result in (load(folder, "bench") or {}).items():
            row(CALLS[call], OLD_RATES[call], size, f"{result['perSecond']:.0f}", f"{result['livezPerSecond']:.0f}", f"{result['share']:.1f} %", f"≥ {result['wanted']} %",
                f"{result['cpuMicroseconds']:.0f} µs", f"{result['cpuShare']:.1f} %", f"{result['p99']:.1f} ms")


def start(folders):
    print("\n## Start and memory\n")
    table("", "old code", *folders)
    measured = {size: load(folder, "container") or {} for size, folder in folders.items()}
    if any(measured.values()):
        row("ready after start (container)", OLD_START, *[f"{data['readyMs']} ms" if data else "" for data in measured.values()])
        row("memory", OLD_MEMORY, *[f"{data['idleMb']} MB idle, {data['loadedMb']} MB after the tests" if data else "" for data in measured.values()])
        row("image", "", *[f"{data['imageMb']} MB" if data else "" for data in measured.values()])
    starts = {size: {name: found["start"] for name, found in (load(folder, "sale") or {"builds": {}})["builds"].items() if "start" in found}
              for size, folder in folders.items()}
    for name in dict.fromkeys(name for found in starts.values() for name in found):
        row(f"from exec to the first 200 of readyz (process, {name})", "", *[
            f"{found[name]['ms']:.0f} ms, {found[name]['cpuMs']:.0f} ms of processor time" if name in found else "" for found in starts.values()])


def main():
    root = Path(sys.argv[1])
    folders = {size: root / folder for size, folder in FOLDERS.items() if (root / folder).is_dir()}
    dates = sorted(json.loads(file.read_text())["finishedAt"] for folder in folders.values() for file in folder.glob("*.json") if '"finishedAt"' in file.read_text())
    model = next((text.split(":", 1)[1].strip() for text in Path("/proc/cpuinfo").read_text().splitlines() if text.startswith("model name")), platform.processor())
    print("# Results\n\nWritten by `k6/results.py` from the summaries of `k6/gate.sh`, `k6/bench/sale.py` and `k6/bench/bench.py`; do not edit.\n")
    print(f"Measured {dates[0][:16]} to {dates[-1][:16]} UTC on {os.cpu_count()} cores ({model}), which the service shares with MySQL, Redis and the load"
          " generator. MySQL writes both of its logs to the disk at each commit. Small is 0.5 vCPU and 512 MB, Medium 1 vCPU and 1 GB.", *sys.argv[2:])
    if any(load(folder, name) for folder in folders.values() for name in TESTS):
        tests(folders)
    if any(load(folder, "capacity") for folder in folders.values()):
        knees(folders)
    sales(folders)
    if any(load(folder, "bench") for folder in folders.values()):
        speed(folders)
    start(folders)


if __name__ == "__main__":
    main()
