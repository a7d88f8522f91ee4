#!/usr/bin/env python3
"""Writes k6/RESULTS.md from the summaries that k6/gate.sh and k6/bench/bench.py left.

    k6/results.py artifacts/k6 ["what should be known of this run"] > k6/RESULTS.md

The folder holds small/ and medium/, each with one JSON a test, container.json and bench.json.
"""
import json, os, platform, sys
from pathlib import Path

# What the NestJS service that this one replaces did on such a machine, under the limits of Small, with MySQL 9.7.
OLD_RATES = {"token": "800", "schedules": "975", "seats": "975", "not_modified": "–", "hold_taken": "265, p95 2.5 s, some 500s", "hold_free": "132", "pay": "66"}
OLD_START, OLD_MEMORY = "11 s", "92 MB idle, 117 MB loaded"

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
    print("\n*Not started* means that the load generator could not keep the rate, so the service's knee lies higher.")


def speed(folders):
    print("\n## Speed: 32 connections, beside a bare `GET /livez` of the same container\n")
    table("call", "old code at Small (requests/s)", "size", "requests/s", "livez/s", "share of livez", "wanted at Small", "CPU a request", "share by CPU", "p99")
    for size, folder in folders.items():
        for call, result in (load(folder, "bench") or {}).items():
            row(CALLS[call], OLD_RATES[call], size, f"{result['perSecond']:.0f}", f"{result['livezPerSecond']:.0f}", f"{result['share']:.1f} %", f"≥ {result['wanted']} %",
                f"{result['cpuMicroseconds']:.0f} µs", f"{result['cpuShare']:.1f} %", result["p99"])


def start(folders):
    print("\n## Start and memory\n")
    table("", "old code", *folders)
    measured = {size: load(folder, "container") or {} for size, folder in folders.items()}
    row("ready after start", OLD_START, *[f"{data.get('readyMs', '?')} ms" for data in measured.values()])
    row("memory", OLD_MEMORY, *[f"{data.get('idleMb', '?')} MB idle, {data.get('loadedMb', '?')} MB after the tests" for data in measured.values()])
    row("image", "", *[f"{data.get('imageMb', '?')} MB" for data in measured.values()])


def main():
    root = Path(sys.argv[1])
    folders = {size: root / size.lower() for size in ("Small", "Medium") if (root / size.lower()).is_dir()}
    dates = sorted(json.loads(file.read_text())["finishedAt"] for folder in folders.values() for file in folder.glob("*.json") if '"finishedAt"' in file.read_text())
    model = next((text.split(":", 1)[1].strip() for text in Path("/proc/cpuinfo").read_text().splitlines() if text.startswith("model name")), platform.processor())
    print("# Results\n\nWritten by `k6/results.py` from the summaries of `k6/gate.sh` and `k6/bench/bench.py`; do not edit.\n")
    print(f"Measured {dates[0][:16]} to {dates[-1][:16]} UTC on {os.cpu_count()} cores ({model}), which the service shares with MySQL, Redis and the load"
          " generator. Small is 0.5 vCPU and 512 MB, Medium 1 vCPU and 1 GB.", *sys.argv[2:])
    tests(folders)
    knees(folders)
    speed(folders)
    start(folders)


if __name__ == "__main__":
    main()
