"""The whole pipeline against Postfix's smtp-source: campaigns with their ledger, over SMTP, to one sink.

`python tests/benchmarks/pipeline.py --recipients 30000` prints one JSON object. Every round runs each
configuration once, next to each other, with a fresh database; figures are medians of the rounds, ratios
are taken within a round. After each run the ledger is held against what the sink counted: a run that
lost a message fails the benchmark. PostgreSQL is durable, with row-level security and the app's role.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import resource
import shutil
import smtplib
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import msgspec
from jinja2 import Environment

from courierx_app.container import opened
from courierx_app.settings import read
from courierx_core.audience.model import NewSubscriber
from courierx_core.campaigns import service as campaigns
from courierx_core.campaigns.model import Campaign
from courierx_core.courier import Courier
from courierx_core.tenants import Tenant
from courierx_core.testing.smtp import SmtpServer
from courierx_core.worker import Worker

SBIN = "/usr/sbin:/usr/local/sbin:/usr/bin:/bin"
CONNECTIONS = 20
LOREM = "lorem ipsum dolor sit amet consectetur adipiscing elit sed do eiusmod tempor incididunt ut labore "
HTML = (
    "<html><body><h1>Hello {{ first_name }}</h1>"
    + "".join(
        f'<p>{LOREM * 4}<a href="https://www.example.com/{n}">offer {n} for {{{{ city }}}}</a></p>'
        for n in range(8)
    )
    + '<p><a href="{{ unsubscribe_url }}">unsubscribe</a></p></body></html>'
)
TEXT = "Hello {{ first_name }},\n\n" + f"{LOREM}\n" * 6 + "\n{{ unsubscribe_url }}\n"
LOGIC = HTML.replace(
    "<h1>", "{% if city == 'Oslo' %}<p>Hei!</p>{% else %}<p>Hi!</p>{% endif %}"
    "{% for plan in attributes.plans %}<b>{{ plan }}</b>{% endfor %}<h1>",
)  # fmt: skip


class Sink:
    """smtp-sink where it is installed, else the project's own server; counts what it took."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.program = shutil.which("smtp-sink", path=SBIN)
        self._stack = contextlib.ExitStack()
        self._said = folder / "sink"

    def __enter__(self) -> Sink:
        if self.program is None:
            self._server = self._stack.enter_context(SmtpServer(folder=self.folder))
            self.port = self._server.port
            return self
        from tests.servers import free_port

        self.port = free_port()
        out = self._stack.enter_context(self._said.open("wb"))
        command = [self.program, "-u", "nobody", "-c", f"127.0.0.1:{self.port}", "1000"]
        if os.geteuid():
            command = [self.program, "-c", f"127.0.0.1:{self.port}", "1000"]
        self._process = subprocess.Popen(command, stdout=out, stderr=subprocess.DEVNULL)
        self._stack.callback(self._process.wait)
        self._stack.callback(self._process.terminate)
        _wait_for_port(self.port)
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def messages(self) -> int:
        """Count what was taken so far; smtp-sink shows its counters once a second at the latest."""
        if self.program is None:
            return len(self._server.received())
        found = re.findall(rb"mesg=(\d+)", self._said.read_bytes())
        return int(found[-1]) if found else 0

    def wait_for(self, wanted: int) -> int:
        deadline = time.monotonic() + 10
        while (have := self.messages()) < wanted and time.monotonic() < deadline:
            time.sleep(0.1)
        return have


def _wait_for_port(port: int) -> None:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError), smtplib.SMTP("127.0.0.1", port, timeout=5):
            return
        time.sleep(0.05)
    raise RuntimeError("the sink does not answer")


def environ_of(url: str, port: int, window: int) -> dict[str, str]:
    return {
        "DATABASE_URL": url,
        "COURIERX_TRANSPORT": "smtp",
        "SMTP_URL": f"smtp://127.0.0.1:{port}?starttls=never",
        "COURIERX_PUBLIC_URL": "https://mail.example.com",
        "COURIERX_RETURN_PATH": "bounce.example.com",
        "COURIERX_SECRET_KEY": "a benchmark's own secret, 32 characters",
        "COURIERX_WINDOW": str(window),
        "PATH": os.environ["PATH"],
    }


def prepare(courier: Courier, recipients: int, html: str) -> tuple[int, int]:
    """Import people, start a campaign and take its snapshot; return tenant and campaign."""
    with courier.store.platform() as platform:
        tenant_id = platform.tenants.add(Tenant(name="Bench", contact_email="b@example.com")).id
    for at in range(0, recipients, 10_000):
        rows = [
            NewSubscriber(f"person{n}@example.com", "Ann", f"Nr {n}", {"city": "Oslo", "plans": ["a", "b"]})
            for n in range(at, min(at + 10_000, recipients))
        ]
        with courier.store.begin(tenant_id) as unit:
            unit.subscribers.import_rows(rows)
    draft = Campaign(
        tenant_id=tenant_id,
        name="Bench",
        subject="{{ first_name }}, news for {{ city }}",
        html=html,
        text=TEXT,
        from_email="Bench <bench@example.com>",
    )
    with courier.store.begin(tenant_id) as unit:
        campaign_id = campaigns.create(courier, unit, draft).id
    campaigns.start(courier, tenant_id, campaign_id)
    ledger = courier.store.ledger()
    for item in ledger.claim("bench", limit=1, lease_seconds=600, topics=("snapshot",)):
        campaigns.snapshot(courier, item)
    ledger.close()
    return tenant_id, campaign_id


def child(folder: Path, tenant_id: int, campaign_id: int) -> None:
    """Be one worker process: say `ready`, wait for a line, work until the campaign is completed."""
    with opened(read(folder, os.environ)) as courier:
        stop = threading.Event()
        worker = threading.Thread(target=Worker(courier, "bench").run, args=(stop,))
        print("ready", flush=True)
        sys.stdin.readline()
        before, cpu = peak_memory(), time.process_time()
        worker.start()
        while True:
            with courier.store.begin(tenant_id, write=False) as unit:
                if unit.campaigns.get(campaign_id).status == "completed":
                    break
            time.sleep(0.02)
        peak = peak_memory()
        told = {"cpu": time.process_time() - cpu, "memory_mb": peak, "memory_above_imports_mb": peak - before}
        print(json.dumps(told), flush=True)
        stop.set()
        worker.join()


def peak_memory() -> float:
    """Return this process's own peak in MB; `ru_maxrss` would begin with its parent's."""
    (line,) = [each for each in Path("/proc/self/status").read_text().splitlines() if "VmHWM" in each]
    return int(line.split()[1]) / 1024


class Pipeline(msgspec.Struct, frozen=True):
    """One configuration of ours."""

    store: str
    window: int
    template: str = "tags"
    workers: int = 1

    @property
    def name(self) -> str:
        return f"{self.store} W={self.window} {self.template} x{self.workers}"


@contextlib.contextmanager
def database(store: str, folder: Path, postgres: Any) -> Iterator[str]:
    if store == "sqlite":
        yield f"sqlite:///{folder / 'bench.db'}"
        return
    from tests.servers import APP, TEMPLATE

    with postgres.database(template=TEMPLATE) as name:
        yield postgres.url(name, APP)


def run_pipeline(one: Pipeline, recipients: int, postgres: Any) -> dict[str, float]:
    """Send one campaign; return rate, CPU and memory. Raises when a message is missing."""
    with tempfile.TemporaryDirectory(prefix="courierx-bench-") as name:
        folder = Path(name)
        os.chmod(folder, 0o755)
        with Sink(folder) as sink, database(one.store, folder, postgres) as url:
            environ = environ_of(url, sink.port, one.window)
            with opened(read(folder, environ), migrate=one.store == "sqlite") as courier:
                ids = prepare(courier, recipients, LOGIC if one.template == "logic" else HTML)
                path = os.pathsep.join(entry for entry in sys.path if entry)
                command = [sys.executable, __file__, "--child", str(folder), *map(str, ids)]
                children = [
                    subprocess.Popen(
                        command,
                        stdin=subprocess.PIPE,
                        stdout=subprocess.PIPE,
                        text=True,
                        env={**environ, "PYTHONPATH": path},
                    )
                    for _ in range(one.workers)
                ]
                for process in children:
                    assert process.stdout is not None
                    assert process.stdout.readline() == "ready\n"
                began = time.monotonic()
                for process in children:
                    assert process.stdin is not None
                    process.stdin.write("go\n")
                    process.stdin.flush()
                told = [json.loads(process.stdout.readline()) for process in children if process.stdout]
                seconds = time.monotonic() - began
                for process in children:
                    process.communicate()
                tenant_id, campaign_id = ids
                with courier.store.begin(tenant_id, write=False) as unit:
                    states = campaigns.report(unit, campaign_id).states
            taken = sink.wait_for(recipients)
    if states != {"accepted": recipients} or taken != recipients:
        raise SystemExit(f"{one.name}: the ledger has {states}, the sink {taken} of {recipients}")
    return {
        "per_second": recipients / seconds,
        "cpu_us": sum(each["cpu"] for each in told) / recipients * 1e6,
        "memory_mb": max(each["memory_mb"] for each in told),
        "memory_above_imports_mb": max(each["memory_above_imports_mb"] for each in told),
    }


def run_smtp_source(recipients: int, size: int) -> dict[str, float] | None:
    """Send as many messages of that size with Postfix's own load generator."""
    program = shutil.which("smtp-source", path=SBIN)
    if program is None:
        return None
    with tempfile.TemporaryDirectory(prefix="courierx-bench-") as name, Sink(Path(name)) as sink:
        command = [program, "-d", "-l", str(size), "-m", str(recipients), "-s", str(CONNECTIONS)]
        began, cpu = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([*command, f"127.0.0.1:{sink.port}"], check=True)
        seconds = time.monotonic() - began
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        used = after.ru_utime + after.ru_stime - cpu.ru_utime - cpu.ru_stime
        if sink.wait_for(recipients) != recipients:
            raise SystemExit("smtp-source: the sink counted less than was sent")
    return {"per_second": recipients / seconds, "cpu_us": used / recipients * 1e6}


def run_textbook(recipients: int, postgres: Any) -> dict[str, float]:
    """Send with Jinja, EmailMessage and smtplib, and the same books: a row intended, then recorded."""
    import psycopg

    from tests.servers import TEMPLATE

    jinja = Environment(autoescape=True)
    html, text = jinja.from_string(HTML), jinja.from_string(TEXT)
    with (
        tempfile.TemporaryDirectory(prefix="courierx-bench-") as name,
        Sink(Path(name)) as sink,
        postgres.database(template=TEMPLATE) as database_name,
        psycopg.connect(postgres.url(database_name), autocommit=True) as connection,
        smtplib.SMTP("127.0.0.1", sink.port) as smtp,
    ):
        connection.execute("CREATE TABLE book (id bigint PRIMARY KEY, state text)")
        began = time.monotonic()
        for n in range(recipients):
            values = {
                "first_name": "Ann",
                "city": "Oslo",
                "unsubscribe_url": f"https://mail.example.com/u/{n}",
            }
            mail = EmailMessage()
            mail["From"], mail["To"] = "bench@example.com", f"person{n}@example.com"
            mail["Subject"] = "Ann, news for Oslo"
            mail.set_content(text.render(values))
            mail.add_alternative(html.render(values), subtype="html")
            connection.execute("INSERT INTO book VALUES (%s, 'sending')", (n,))
            smtp.send_message(mail)
            connection.execute("UPDATE book SET state = 'accepted' WHERE id = %s", (n,))
        seconds = time.monotonic() - began
        if sink.wait_for(recipients) != recipients:
            raise SystemExit("textbook: the sink counted less than was sent")
    return {"per_second": recipients / seconds}


def measure(recipients: int, rounds: int, configurations: list[Pipeline]) -> dict[str, Any]:
    """Run every configuration in each round; return medians and the ratios within rounds."""
    from tests.servers import private_postgres

    size = 5_000
    results: dict[str, list[dict[str, float]]] = {}
    with private_postgres(durable=True) as postgres:
        postgres.prepare()
        for _ in range(rounds):
            source = run_smtp_source(recipients, size)
            if source is not None:
                results.setdefault("smtp-source", []).append(source)
            results.setdefault("textbook", []).append(run_textbook(500, postgres))
            for one in configurations:
                found = run_pipeline(one, recipients, postgres)
                if source is not None:
                    found["x_smtp_source"] = found["per_second"] / source["per_second"]
                found["x_textbook"] = found["per_second"] / results["textbook"][-1]["per_second"]
                results.setdefault(one.name, []).append(found)
                print(one.name, {key: round(value, 2) for key, value in found.items()}, file=sys.stderr)
    return {
        name: {key: round(statistics.median(run[key] for run in runs), 2) for key in runs[0]}
        for name, runs in results.items()
    }


DEFAULT = (
    Pipeline("postgresql", 200),
    Pipeline("postgresql", 40),
    Pipeline("sqlite", 200),
    Pipeline("postgresql", 200, "logic", 2),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--recipients", type=int, default=30_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", nargs="*", help="configurations, such as 'sqlite W=200 tags x1'")
    parser.add_argument("--child", nargs=3, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        folder, tenant_id, campaign_id = given.child
        child(Path(folder), int(tenant_id), int(campaign_id))
        return
    wanted = [one for one in DEFAULT if not given.only or one.name in given.only]
    found = measure(given.recipients, given.rounds, wanted)
    print(json.dumps({"recipients": given.recipients, "rounds": given.rounds, "pipeline": found}, indent=2))


if __name__ == "__main__":
    main()
