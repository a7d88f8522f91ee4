"""Requests, and wrk, which sends them: see requests.lua."""
import base64, hashlib, hmac, http.client, json, subprocess, sys, tempfile, time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import local
from urllib.parse import urlsplit

LUA = Path(__file__).with_name("requests.lua")
IDLE_SECONDS = 60  # after which a connection is not used again: the service closes it after some time


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def access_token(signing_key, user, role=None):
    claims = {"sub": str(user), "exp": int(time.time()) + 3600} | ({"role": role} if role else {})
    head = b64(json.dumps({"alg": "HS256", "typ": "JWT"}).encode())
    signed = f"{head}.{b64(json.dumps(claims).encode())}"
    return f"{signed}.{b64(hmac.new(signing_key.encode(), signed.encode(), hashlib.sha256).digest())}"


def line(method, path, body=None, **headers):
    headers = [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    if body is None:
        return "\t".join([method, path, *headers])
    return "\t".join([method, path, "Content-Type: application/json", *headers]) + "\t\t" + json.dumps(body)


def in_parallel(work, items):
    with ThreadPoolExecutor(12) as pool:
        return list(pool.map(work, items))


class Api:
    """Single calls, to prepare what is measured."""

    def __init__(self, url, signing_key):
        self.host, self.url, self.signing_key = urlsplit(url).netloc, url, signing_key
        self._local = local()
        self.next_user = int(time.time() * 1000) * 1000

    def call(self, method, path, body=None, expect=(200, 201), **headers):
        if not hasattr(self._local, "connection"):
            self._local.connection, self._local.used = http.client.HTTPConnection(self.host), 0
        connection = self._local.connection
        if time.monotonic() - self._local.used > IDLE_SECONDS:
            connection.close()  # the next request opens it
        self._local.used = time.monotonic()
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        if body is not None:
            headers["Content-Type"] = "application/json"
        connection.request(method, path, json.dumps(body) if body is not None else None, headers)
        response = connection.getresponse()
        content = response.read()
        if response.status not in expect:
            sys.exit(f"{method} {path}: {response.status} {content.decode()}")
        return json.loads(content), response.headers

    def bearer(self, user, role=None):
        return f"Bearer {access_token(self.signing_key, user, role)}"

    def show(self, seats, max_active=1_000_000, **plan):
        """A new queue, concert and schedule. Returns their ids."""
        admin = {"Authorization": self.bearer(1, "admin")}
        queue = f"bench-{time.time_ns():x}"
        self.call("PUT", f"/v1/admin/queues/{queue}", {"maxActive": max_active, "activeSeconds": 3600}, **admin)
        concert = self.call("POST", "/v1/admin/concerts", {"title": "bench", "queue": queue}, **admin)[0]["concertId"]
        plan = {"startsAt": "2099-01-01T19:00:00Z"} | (plan or {"seatCount": seats, "price": 700})
        return queue, concert, self.call("POST", f"/v1/admin/concerts/{concert}/schedules", plan, **admin)[0]["scheduleId"]

    def hall_show(self, sections=25, rows=40, seats=100):
        """The same in a new hall of four grades."""
        grades = ["VIP", "R", "S", "A"]
        plan = [{"section": str(number), "grade": grades[4 * number // sections], "layout": {"x": 100 * number, "y": 0, "angle": 0, "curve": 0},
                 "rows": [{"row": str(row), "seats": seats} for row in range(1, rows + 1)]} for number in range(sections)]
        hall = self.call("POST", "/v1/admin/halls", {"name": "bench", "sections": plan}, Authorization=self.bearer(1, "admin"))[0]["hallId"]
        return self.show(0, hallId=hall, prices={grade: 700 for grade in grades})

    def users(self, count):
        self.next_user += count
        return range(self.next_user - count, self.next_user)

    def enter(self, user, queue):
        return self.call("POST", "/v1/queue/tokens", {"queue": queue}, Authorization=self.bearer(user))[0]["token"]

    def hold(self, token, schedule, seat):
        return self.call("POST", "/v1/reservations", {"scheduleId": schedule, "seatNo": seat}, Queue_Token=token)[0]["reservationId"]

    def charge_line(self, user, amount, key):
        """As the payment service does it, whatever Points__SelfCharge says."""
        return line("POST", "/v1/points/charges", {"userId": user, "amount": amount},
                    Authorization=self.bearer(2, "cashier"), Idempotency_Key=key)

    def enter_line(self, user, queue):
        return line("POST", "/v1/queue/tokens", {"queue": queue}, Authorization=self.bearer(user))


def hold_line(token, schedule, seat):
    return line("POST", "/v1/reservations", {"scheduleId": schedule, "seatNo": seat}, Queue_Token=token)


def pay_line(token, reservation, key):
    return line("POST", "/v1/payments", {"reservationId": reservation}, Queue_Token=token, Idempotency_Key=key)


def booking_line(token, schedule, key, **seats):
    return line("POST", "/v1/bookings", {"scheduleId": schedule} | seats, Queue_Token=token, Idempotency_Key=key)


def send(url, lines, connections, seconds, again=False, rate=None, answers=False):
    """Sends the lines by wrk, each once or over and over. Returns what was measured, and the answers as (status, body)."""
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as file, tempfile.NamedTemporaryFile(suffix=".txt") as answered:
        file.write("\n".join(lines) + "\n")
        file.flush()
        arguments = [file.name, "again"] if again else [file.name, "once", answered.name if answers else "-"] + ([str(rate)] if rate else [])
        command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "10s", "--latency", "-s", str(LUA), url, "--", *arguments]
        run = subprocess.run(command, capture_output=True, text=True)
        measured = next((text.split()[1:] for text in run.stdout.splitlines() if text.startswith("MEASURED ")), None)
        if measured is None:
            sys.exit(f"wrk failed: {run.stdout}\n{run.stderr}")
        found = [text.rstrip("\n").split(" ", 1) for text in open(answered.name)] if answers else []
    count, duration, refused, failed, p50, p95, p99, late = map(int, measured)
    return {"count": count, "perSecond": count / max(1e-6, duration / 1e6), "seconds": duration / 1e6, "refused": refused, "failed": failed,
            "p50": p50 / 1000, "p95": p95 / 1000, "p99": p99 / 1000, "late": late, "connections": connections}, found
