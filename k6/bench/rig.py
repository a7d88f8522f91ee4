"""The servers of a benchmark, each a process of this machine: MySQL with durable settings, Redis, a broker, and the service under
the processor limit of a size. Linux only; a size needs root, for a control group. Standard library only."""
import http.client, os, platform, re, shutil, socket, struct, subprocess, tempfile, time
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
SIZES = {"small": 0.5, "medium": 1.0}
# Every commit is on the disk before it is acknowledged, in both logs.
DURABLE = ["--innodb-flush-log-at-trx-commit=1", "--sync-binlog=1", "--log-bin=binlog", "--server-id=1"]
IO_CAPACITY = 1000  # as in compose.yaml: deploy/scaling.md
SIGNING_KEY = "signs-the-tokens-of-a-benchmark-and-nothing-else"
USER = "bench"
TICKS = os.sysconf("SC_CLK_TCK")
WORKER_PORTS = 100  # above those of the API


def await_(condition, seconds, what):
    until = time.monotonic() + seconds
    while True:
        try:
            if (result := condition()) is not None and result is not False:
                return result
            problem = ""
        except (OSError, http.client.HTTPException) as error:
            problem = f": {error}"
        if time.monotonic() > until:
            raise TimeoutError(f"{what}: not in {seconds} s{problem}")
        time.sleep(0.02)


def get(port, path):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, response.read().decode()
    finally:
        connection.close()


def cpu_seconds(pid):
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def machine_seconds():
    """Busy, idle and waiting for a disk, of all processors together."""
    user, nice, system, idle, wait, *rest = (int(part) / TICKS for part in Path("/proc/stat").read_text().splitlines()[0].split()[1:9])
    return user + nice + system + sum(rest), idle, wait


def switches(pid):
    """Context switches of all threads that live."""
    return sum(int(number) for status in Path(f"/proc/{pid}/task").glob("*/status")
               for number in re.findall(r"ctxt_switches:\s+(\d+)", status.read_text()))


def machine():
    model = next((line.split(":", 1)[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines()
                  if line.startswith("model name")), platform.processor())
    return {"cores": os.cpu_count(), "model": model, "system": f"{platform.system()} {platform.release()}"}


def pace(folder):
    """How fast the machine is just now, which others may use too: ms of a fixed loop on one processor, and of a page's write to the disk."""
    began, writes = time.perf_counter(), 20
    sum(number * number for number in range(300_000))
    looped = time.perf_counter()
    file = os.open(Path(folder, "pace"), os.O_CREAT | os.O_WRONLY)
    for _ in range(writes):
        os.pwrite(file, bytes(4096), 0)
        os.fdatasync(file)
    os.close(file)
    return 1000 * (looped - began), 1000 * (time.perf_counter() - looped) / writes


class Sql:
    """As much of MySQL's protocol as a user without a password and answers in text need."""

    def __init__(self, port, database=""):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=60)
        self.packet()
        # Protocol 4.1, long password, transactions, secure connection, plug-ins, and a database where one is named.
        flags = 0x1 | 0x200 | 0x2000 | 0x8000 | 0x80000 | (0x8 if database else 0)
        database = database.encode() + b"\0" if database else b""
        self.send(struct.pack("<IIB23x", flags, 1 << 24, 45) + USER.encode() + b"\0\0" + database + b"mysql_native_password\0", 1)
        while (answer := self.packet())[0] in (0x01, 0xFE):
            if answer[0] == 0xFE:
                self.send(b"", self.number + 1)  # another plug-in: an empty password is an empty answer for each
        self.check(answer)

    def send(self, data, number=0):
        self.socket.sendall(struct.pack("<I", len(data))[:3] + bytes([number]) + data)

    def packet(self):
        head = self.read(4)
        self.number = head[3]
        return self.read(int.from_bytes(head[:3], "little"))

    def read(self, count):
        data = b""
        while len(data) < count:
            if not (more := self.socket.recv(count - len(data))):
                raise OSError("MySQL closed the connection")
            data += more
        return data

    @staticmethod
    def check(answer):
        if answer[0] == 0xFF:
            raise OSError(answer[3:].decode(errors="replace"))

    def rows(self, statement):
        self.send(b"\x03" + statement.encode())
        self.check(head := self.packet())
        if head[0] == 0:
            return []
        for _ in range(head[0] + 1):  # a column each, and the end of them
            self.packet()
        found = []
        while True:
            self.check(row := self.packet())
            if row[0] == 0xFE and len(row) < 9:
                return found
            values, at = [], 0
            while at < len(row):
                size, at = row[at], at + 1
                if size == 0xFB:
                    values.append(None)
                    continue
                if size == 0xFC:
                    size, at = int.from_bytes(row[at:at + 2], "little"), at + 2
                values.append(row[at:at + size].decode())
                at += size
            found.append(tuple(values))


class ControlGroup:
    """Limits processes to so many processors, in version 1 or 2 of the interface."""

    def __init__(self, name, processors):
        unified = Path("/sys/fs/cgroup/cgroup.controllers").exists()
        self.path = Path("/sys/fs/cgroup" if unified else "/sys/fs/cgroup/cpu", name)
        try:
            if unified and "cpu" not in Path("/sys/fs/cgroup/cgroup.subtree_control").read_text().split():
                Path("/sys/fs/cgroup/cgroup.subtree_control").write_text("+cpu")
            self.path.mkdir(exist_ok=True)
            period, quota = 100_000, int(100_000 * processors)
            if unified:
                (self.path / "cpu.max").write_text(f"{quota} {period}")
            else:
                (self.path / "cpu.cfs_period_us").write_text(str(period))
                (self.path / "cpu.cfs_quota_us").write_text(str(quota))
        except OSError as error:
            raise SystemExit(f"A size needs control groups, and root for them ({error}); --sizes none runs without a limit")

    def command(self, command):
        """The command started inside of the group: every moment of it counts."""
        return ["sh", "-c", f'echo $$ > {self.path}/cgroup.procs && exec "$@"', "sh", *command]

    def remove(self):
        try:
            self.path.rmdir()
        except OSError:
            pass  # its last process has not quite ended


class Servers:
    """MySQL and Redis, and what else is started with them. Apart, MySQL has one half of the processors and all else the other."""

    def __init__(self, port, mysqld=None, redis="redis-server", apart=False):
        self.mysqld = mysqld or os.environ.get("CONCERT_BOOKING_MYSQLD") or shutil.which("mysqld", path=os.environ["PATH"] + ":/usr/sbin") \
            or shutil.which("mariadbd", path=os.environ["PATH"] + ":/usr/sbin")
        if not self.mysqld:
            raise SystemExit("No mysqld or mariadbd: name one with --mysqld")
        self.port, self.redis_program, self.mysql_processors = port, redis, sorted(os.sched_getaffinity(0))
        if apart:
            half = len(self.mysql_processors) // 2
            if not half:
                raise SystemExit("--apart needs two processors")
            os.sched_setaffinity(0, self.mysql_processors[:half])  # of this process, and of all that it starts but MySQL
            self.mysql_processors = self.mysql_processors[half:]
        self.processes, self.groups, self.kafka, self.kafka_pid = [], [], None, None
        self.folder = Path(tempfile.mkdtemp(prefix="cb-bench-"))

    def __enter__(self):
        try:
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def start(self):
        data, log = self.folder / "data", open(self.folder / "mysql.log", "w")
        self.version = subprocess.run([self.mysqld, "--version"], capture_output=True, text=True, check=True).stdout
        maria = "MariaDB" in self.version
        self.version = ("MariaDB " if maria else "MySQL ") + re.search(r"\d+\.\d+\.\d+", self.version)[0]
        user = ["--user=root"] if os.getuid() == 0 else []
        (self.folder / "tmp").mkdir()
        common = ["--no-defaults", *user, f"--datadir={data}", f"--tmpdir={self.folder}/tmp"]
        if maria:
            subprocess.run(["mariadb-install-db", "--no-defaults", *user, f"--datadir={data}", "--auth-root-authentication-method=normal"],
                           check=True, stdout=subprocess.DEVNULL, stderr=log)
        else:
            subprocess.run([self.mysqld, *common, "--initialize-insecure"], check=True, stdout=log, stderr=log)
        first = self.folder / "init.sql"
        first.write_text(f"CREATE USER IF NOT EXISTS '{USER}'@'127.0.0.1';\nGRANT ALL ON *.* TO '{USER}'@'127.0.0.1';\n")
        self.mysql = self.run([
            "taskset", "--cpu-list", ",".join(map(str, self.mysql_processors)),
            self.mysqld, *common, f"--init-file={first}", f"--port={self.port}", "--bind-address=127.0.0.1", "--socket=s.sock",
            "--skip-name-resolve", "--default-time-zone=+00:00", "--character-set-server=utf8mb4", "--max-connections=500",
            "--innodb-buffer-pool-size=2G", "--performance-schema=OFF",
            f"--innodb-io-capacity={IO_CAPACITY}", f"--innodb-io-capacity-max={2 * IO_CAPACITY}",
            "--innodb-log-file-size=512M" if maria else "--innodb-redo-log-capacity=1G", *([] if maria else ["--mysqlx=OFF"]), *DURABLE], log)
        self.redis = self.run([self.redis_program, "--port", str(self.port + 1), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"])
        await_(lambda: Sql(self.port), 60, f"MySQL ({self.folder}/mysql.log)")
        await_(lambda: socket.create_connection(("127.0.0.1", self.port + 1)), 10, "Redis")

    def run(self, command, output=subprocess.DEVNULL, **more):
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT if output is not subprocess.DEVNULL else output, **more)
        self.processes.append(process)
        return process

    def start_kafka(self):
        """librdkafka's mock cluster: the real protocol, messages in memory. Without the library's build there is none."""
        library = next(iter(sorted(REPOSITORY.glob("src/ConcertBooking.Servers/bin/Release/*/ConcertBooking.Servers.dll"))), None)
        if not library or not shutil.which("dotnet"):
            return None
        process = self.run(["dotnet", "exec", str(library)], subprocess.PIPE, stdin=subprocess.PIPE, text=True)
        self.kafka, self.kafka_pid = process.stdout.readline().strip(), process.pid
        return self.kafka

    def group(self, size):
        if size not in SIZES:
            return None
        group = ControlGroup(f"concert-booking-bench-{os.getpid()}-{size}-{len(self.groups)}", SIZES[size])
        self.groups.append(group)
        return group

    def stop(self, process, seconds=15):
        if process in self.processes:
            self.processes.remove(process)
        process.terminate()
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def __exit__(self, *_):
        for process in reversed(list(self.processes)):
            self.stop(process)
        for group in self.groups:
            group.remove()
        shutil.rmtree(self.folder, ignore_errors=True)


class Build:
    """One binary with a database of its own."""

    def __init__(self, servers, number, name, binary):
        self.servers, self.name, self.binary, self.database = servers, name, str(Path(binary).resolve()), f"build{number}"
        self.port, self.management = servers.port + 10 + 2 * number, servers.port + 11 + 2 * number
        Sql(servers.port).rows(f"CREATE DATABASE {self.database} CHARACTER SET utf8mb4")
        subprocess.run([self.binary, "migrate"], env=self.environment(0), check=True, stdout=subprocess.DEVNULL)
        self.sql = Sql(servers.port, self.database)
        self.process = None

    def environment(self, above, **more):
        return {
            **os.environ,
            "ConnectionStrings__MySql": f"Server=127.0.0.1;Port={self.servers.port};User ID={USER};Database={self.database};SslMode=None",
            "ConnectionStrings__Redis": f"127.0.0.1:{self.servers.port + 1}", "ConnectionStrings__Kafka": "",
            "ASPNETCORE_ENVIRONMENT": "Production", "ASPNETCORE_URLS": f"http://127.0.0.1:{self.port + above}",
            "Management__Port": str(self.management + above), "Auth__SigningKey": SIGNING_KEY, "QueueToken__SigningKey": SIGNING_KEY,
            "Redis__KeyPrefix": f"{self.database}:", "RateLimits__PerAddress": "0", "Holds__Seconds": "3600", "Queue__IdleSeconds": "3600",
            "Drain__Seconds": "0", "Logging__LogLevel__Default": "Warning", **more}

    def start(self, group, roles="api", above=0, **more):
        """Starts and waits for readyz. Returns the process and the seconds from exec to the first 200."""
        command = group.command([self.binary]) if group else [self.binary]
        log = open(self.servers.folder / f"{self.name}.log", "a")
        begun = time.monotonic()
        process = self.servers.run(command, log, env=self.environment(above, Roles=roles, **more))
        address = ("127.0.0.1", self.management + above)
        while True:
            if process.poll() is not None:
                raise SystemExit(f"{self.binary} ended: {Path(log.name).read_text()[-2000:]}")
            try:
                if get(address[1], "/readyz")[0] == 200:
                    return process, time.monotonic() - begun
            except (OSError, http.client.HTTPException):
                pass
            if time.monotonic() - begun > 60:
                raise SystemExit(f"{self.binary} is not ready: {Path(log.name).read_text()[-2000:]}")
            time.sleep(0.002)

    def serve(self, group):
        self.process, seconds = self.start(group)
        return seconds
