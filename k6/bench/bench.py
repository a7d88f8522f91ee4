#!/usr/bin/env python3
"""Measures each call beside a bare GET /livez of the same process: requests per second and CPU time per request.

    AUTH_SIGNING_KEY=... k6/bench/bench.py http://127.0.0.1:8080 --pid PID [--seconds 5] [--json FILE] [CALL...]

Needs wrk. PID is the service's (docker inspect --format '{{.State.Pid}}' NAME). The share of livez by wall clock is
what a client sees; the share by CPU time is hardly moved by whatever else the machine does. Linux only.
"""
import argparse, base64, hashlib, hmac, http.client, json, os, re, subprocess, sys, tempfile, time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import local
from urllib.parse import urlsplit

CONNECTIONS = 32
LUA = Path(__file__).with_name("requests.lua")
TARGETS = {"token": 30, "schedules": 60, "seats": 60, "not_modified": 65, "hold_taken": 30, "hold_free": 6, "pay": 3.5}


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def access_token(user, role=None):
    claims = {"sub": str(user), "exp": int(time.time()) + 3600} | ({"role": role} if role else {})
    head = b64(json.dumps({"alg": "HS256", "typ": "JWT"}).encode())
    signed = f"{head}.{b64(json.dumps(claims).encode())}"
    return f'{signed}.{b64(hmac.new(os.environ["AUTH_SIGNING_KEY"].encode(), signed.encode(), hashlib.sha256).digest())}'


class Service:
    """The prepared world: a show, its users, and whatever a call uses up."""

    def __init__(self, url):
        self.host, self.url = urlsplit(url).netloc, url
        self._local = local()
        self.next_user = int(time.time() * 1000) * 1000

    def call(self, method, path, body=None, expect=(200, 201), **headers):
        if not hasattr(self._local, "connection"):
            self._local.connection = http.client.HTTPConnection(self.host)
        connection = self._local.connection
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        if body is not None:
            headers["Content-Type"] = "application/json"
        connection.request(method, path, json.dumps(body) if body is not None else None, headers)
        response = connection.getresponse()
        content = response.read()
        if response.status not in expect:
            sys.exit(f"{method} {path}: {response.status} {content.decode()}")
        return json.loads(content), response.headers

    def show(self, seats, max_active):
        admin = {"Authorization": f"Bearer {access_token(1, 'admin')}"}
        queue = f"bench-{time.time_ns():x}"
        self.call("PUT", f"/v1/admin/queues/{queue}", {"maxActive": max_active, "activeSeconds": 3600}, **admin)
        concert = self.call("POST", "/v1/admin/concerts", {"title": "bench", "queue": queue}, **admin)[0]["concertId"]
        plan = {"startsAt": "2099-01-01T19:00:00Z", "seatCount": seats, "price": 700}
        return queue, concert, self.call("POST", f"/v1/admin/concerts/{concert}/schedules", plan, **admin)[0]["scheduleId"]

    def users(self, count):
        self.next_user += count
        return range(self.next_user - count, self.next_user)

    def enter(self, user, queue):
        return self.call("POST", "/v1/queue/tokens", {"queue": queue}, Authorization=f"Bearer {access_token(user)}")[0]["token"]

    def hold(self, token, schedule, seat):
        return self.call("POST", "/v1/reservations", {"scheduleId": schedule, "seatNo": seat}, Queue_Token=token)[0]["reservationId"]

    def payable(self, user, queue, schedule, seat):
        token = self.enter(user, queue)
        cashier = f"Bearer {access_token(2, 'cashier')}"  # as the payment service does it, whatever Points__SelfCharge says
        self.call("POST", "/v1/points/charges", {"userId": user, "amount": 1000}, Authorization=cashier, Idempotency_Key=f"charge-{user}")
        return line("POST", "/v1/payments", {"reservationId": self.hold(token, schedule, seat)}, Queue_Token=token, Idempotency_Key=f"pay-{user}")


def line(method, path, body=None, **headers):
    headers = [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    if body is None:
        return "\t".join([method, path, *headers])
    return "\t".join([method, path, "Content-Type: application/json", *headers]) + "\t\t" + json.dumps(body)


def in_parallel(work, items):
    with ThreadPoolExecutor(12) as pool:
        return list(pool.map(work, items))


def prepare(service, call, seconds):
    """The requests of a call, and whether they may be sent over and over."""
    if call == "livez":
        return [line("GET", "/livez")], True
    queue, concert, schedule = service.show(50000 if call == "hold_free" else 10000 if call == "pay" else 50, 50 if call == "token" else 1000000)
    seats = f"/v1/schedules/{schedule}/seats"
    if call == "token":
        return [line("POST", "/v1/queue/tokens", {"queue": queue}, Authorization=f"Bearer {access_token(user)}") for user in service.users(2000)], True
    if call == "schedules":
        return [line("GET", f"/v1/concerts/{concert}/schedules")], True
    if call == "seats":
        return [line("GET", seats)], True
    if call == "not_modified":
        return [line("GET", seats, If_None_Match=service.call("GET", seats)[1]["ETag"])], True
    if call == "hold_taken":
        first, *others = in_parallel(lambda user: service.enter(user, queue), service.users(200))
        service.hold(first, schedule, 7)
        return [line("POST", "/v1/reservations", {"scheduleId": schedule, "seatNo": 7}, Queue_Token=token) for token in others], True
    if call == "hold_free":
        tokens = in_parallel(lambda user: service.enter(user, queue), service.users(int(seconds * 500)))
        return [line("POST", "/v1/reservations", {"scheduleId": schedule, "seatNo": 1 + 4 * index + turn}, Queue_Token=token)
                for turn in range(4) for index, token in enumerate(tokens)], False
    return in_parallel(lambda pair: service.payable(pair[1], queue, schedule, pair[0] + 1), enumerate(service.users(int(seconds * 900)))), False


def cpu_seconds(pid):
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def measure(service, pid, lines, again, seconds):
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
        file.write("\n".join(lines) + "\n")
        file.flush()
        before = cpu_seconds(pid)
        output = subprocess.run(
            ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "--latency", "-s", LUA, service.url, "--", file.name, "again" if again else "once"],
            capture_output=True, text=True, check=True).stdout
        cpu = cpu_seconds(pid) - before
    count, elapsed = re.search(r"(\d+) requests in ([\d.]+)s", output).groups()
    refused = re.search(r"Non-2xx or 3xx responses: (\d+)", output)
    return {"count": int(count), "perSecond": int(count) / float(elapsed), "cpuMicroseconds": 1e6 * cpu / int(count),
            "refused": int(refused[1]) if refused else 0, "p99": re.search(r"99%\s+(\S+)", output)[1]}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("calls", nargs="*", default=list(TARGETS))
    parser.add_argument("--pid", type=int, required=True)
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--json")
    options = parser.parse_intermixed_args()
    service, results = Service(options.url), {}
    print(f"{'call':14}{'per s':>9}{'livez/s':>9}{'share':>8}{'wanted':>8}{'µs CPU':>9}{'share':>8}{'p99':>10}  refused")
    for call in options.calls:
        bare = measure(service, options.pid, *prepare(service, "livez", options.seconds), options.seconds)
        result = measure(service, options.pid, *prepare(service, call, options.seconds), options.seconds)
        share, cpu_share = 100 * result["perSecond"] / bare["perSecond"], 100 * bare["cpuMicroseconds"] / result["cpuMicroseconds"]
        results[call] = result | {"livezPerSecond": bare["perSecond"], "livezCpuMicroseconds": bare["cpuMicroseconds"],
                                  "share": share, "cpuShare": cpu_share, "wanted": TARGETS[call]}
        print(f"{call:14}{result['perSecond']:9.0f}{bare['perSecond']:9.0f}{share:7.1f}%{TARGETS[call]:7}%"
              f"{result['cpuMicroseconds']:9.1f}{cpu_share:7.1f}%{result['p99']:>10}  {result['refused']}", flush=True)
    if options.json:
        Path(options.json).write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
