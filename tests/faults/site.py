"""An install on one store: its folder and settings, its worker processes, and the server they send to."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Literal, TypeAlias

import psycopg

from courierx_app.container import build
from courierx_app.settings import read
from courierx_core.audience.model import Audience, MailingList, NewSubscriber
from courierx_core.campaigns import service as campaigns
from courierx_core.campaigns.model import Campaign
from courierx_core.campaigns.service import Report
from courierx_core.courier import Courier
from courierx_core.imports.steps import STEP_ROWS
from courierx_core.tenants.model import Tenant
from courierx_core.testing.smtp import SmtpServer
from tests.faults.process import Process

StoreName: TypeAlias = Literal["sqlite", "postgresql"]
Setup: TypeAlias = Literal["sqlite", "postgresql", "postgresql+rq"]
"""A store with the embedded queue, or with RQ and the Redis limiter."""

LEASE_SECONDS = 5.0
WINDOW = 20
CONNECTIONS = 4
DONE_SECONDS = LEASE_SECONDS + 60.0
"""I8: everything has ended so long after the last fault."""
SECRET = "faults-" + "k" * 40


def wait_for(what: str, condition: Callable[[], Any], seconds: float = DONE_SECONDS) -> Any:
    """Return the condition's value once it is true; a deadline, not a pace."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds:.0f} s: {what}")
        time.sleep(0.005)


class Site:
    """`address` is for looking at the rows from outside, whatever row-level security says."""

    def __init__(
        self,
        folder: Path,
        server: SmtpServer,
        store: StoreName,
        database_url: str,
        address: str,
        **environ: str,
    ) -> None:
        self.folder = folder
        self.server = server
        self.store: StoreName = store
        self._address = address
        self.processes: list[Process] = []
        self.environ = {
            "DATABASE_URL": database_url,
            "SMTP_URL": server.url,
            "COURIERX_TRANSPORT": "smtp",
            "COURIERX_SECRET_KEY": SECRET,
            "COURIERX_PUBLIC_URL": "https://mail.acme.example",
            "COURIERX_LEASE_SECONDS": str(LEASE_SECONDS),
            "COURIERX_RETRY_SCHEDULE": ",".join(["1"] * 30),
            "COURIERX_WINDOW": str(WINDOW),
            **environ,
        }
        self.connections(CONNECTIONS)
        self.courier: Courier = build(read(folder, self.environ))
        with self.courier.store.platform() as platform:
            tenant = platform.tenants.add(Tenant(name="Acme", contact_email="post@acme.example"))
        self.tenant_id = tenant.id
        self._lists = 0

    def connections(self, most: int, **settings: int) -> None:
        """Write the transport's settings for the workers that start from now on."""
        lines = [f"{name} = {value}" for name, value in {"max_concurrency": most, **settings}.items()]
        (self.folder / "courierx.toml").write_text("[transports.smtp]\n" + "\n".join(lines) + "\n")

    def close(self) -> None:
        for process in self.processes:
            process.discard()
            # pytest shows it where the test failed
            print(f"--- {process.log.name}, process {process.pid}", process.words(), sep="\n")
        self.courier.close()

    # Processes.

    def process(self, *arguments: str, bend: str = "", **environ: str) -> Process:
        """Start a `courierx` command; see `launch` for `bend`."""
        log = self.folder / f"process-{len(self.processes)}.log"
        more = {"COURIERX_TEST_BEND": bend} if bend else {}
        process = Process(log, self.folder, {**self.environ, **more, **environ}, *arguments)
        self.processes.append(process)
        return process

    def worker(self, *, failpoint: str = "", bend: str = "", **environ: str) -> Process:
        more = {"COURIERX_FAILPOINT": failpoint} if failpoint else {}
        return self.process("worker", bend=bend, **more, **environ)

    def command(self, *arguments: str, **options: str) -> Process:
        """Run a command to its end, which must be a good one."""
        process = self.process(*arguments, **options)
        status = process.wait(DONE_SECONDS)
        assert status == 0, f"courierx {' '.join(arguments)} ended with {status}:\n{process.words()}"
        return process

    def holds(self, process: Process) -> int:
        """Count the send items that a worker process has leased."""
        [(n,)] = self.rows(
            "SELECT count(*) FROM work WHERE topic = 'send' AND lease_until IS NOT NULL"
            f" AND owner LIKE '%:{process.pid}:%'"
        )
        return int(n)

    def beats(self, process: Process) -> bool:
        """Tell whether a worker process has said that it is alive."""
        return bool(self.rows(f"SELECT 1 FROM workers WHERE owner LIKE '%:{process.pid}:%'"))

    # People and campaigns.

    def people(self, count: int, name: str = "p", **attributes: Any) -> tuple[int, list[str]]:
        """Add `count` people on a list of their own; return its id and their addresses."""
        self._lists += 1
        addresses = [f"{name}{n}@list{self._lists}.example" for n in range(count)]
        return self.list_of([NewSubscriber(each, "Ann", "", attributes) for each in addresses]), addresses

    def new_list(self, name: str) -> int:
        with self.courier.store.begin(self.tenant_id) as unit:
            return unit.lists.add(MailingList(tenant_id=self.tenant_id, name=name)).id

    def list_of(self, people: Sequence[NewSubscriber]) -> int:
        list_id = self.new_list(f"list of {people[0].email}")
        for at in range(0, len(people), STEP_ROWS):
            with self.courier.store.begin(self.tenant_id) as unit:
                unit.subscribers.import_rows(people[at : at + STEP_ROWS], list_id=list_id)
        return list_id

    def draft(self, list_id: int, **parts: Any) -> int:
        given = {"subject": "Hi {{ first_name }}", "text": "Dear {{ first_name }}", **parts}
        draft = Campaign(
            tenant_id=self.tenant_id,
            name="News",
            from_email="news@acme.example",
            audience=Audience(list_ids=(list_id,)),
            **given,
        )
        # Not `campaigns.create`: it tries the template in a process of its own, which takes a while.
        with self.courier.store.begin(self.tenant_id) as unit:
            return unit.campaigns.add(draft).id

    def start(self, list_id: int, **parts: Any) -> int:
        """Make and start a campaign to a list; return its id."""
        campaign_id = self.draft(list_id, **parts)
        campaigns.start(self.courier, self.tenant_id, campaign_id)
        return campaign_id

    def campaign(self, campaign_id: int) -> Campaign:
        with self.courier.store.begin(self.tenant_id, write=False) as unit:
            return unit.campaigns.get(campaign_id)

    def report(self, campaign_id: int) -> Report:
        with self.courier.store.begin(self.tenant_id, write=False) as unit:
            return campaigns.report(unit, campaign_id)

    def states(self, campaign_id: int) -> Mapping[str, int]:
        return self.report(campaign_id).states

    def finish(self, *campaign_ids: int, seconds: float = DONE_SECONDS) -> None:
        """Wait until all are completed, `seconds` from now: I8."""
        deadline = time.monotonic() + seconds
        while left := self._unfinished(campaign_ids):
            if time.monotonic() > deadline:
                told = "\n".join(str(self.report(each)) for each in left[:3])
                words = "\n".join(process.words()[-1500:] for process in self.processes[-2:])
                raise AssertionError(
                    f"I8: {len(left)} campaigns are not completed {seconds:.0f} s after the last fault:\n"
                    f"{told}\n{self.items()[:5]}\n{words}"
                )
            time.sleep(0.05)

    def _unfinished(self, campaign_ids: Iterable[int]) -> list[int]:
        numbers = ", ".join(map(str, campaign_ids))
        rows = self.rows(f"SELECT id FROM campaigns WHERE id IN ({numbers}) AND status <> 'completed'")
        return [row[0] for row in rows]

    # From outside.

    def sent(self) -> int:
        """Count the messages that the server has taken."""
        spool = self.server.spool
        return spool.read_bytes().count(b"\n") if spool.exists() else 0

    def rows(self, statement: str) -> list[tuple[Any, ...]]:
        """Read the database directly."""
        if self.store == "sqlite":
            with closing(sqlite3.connect(self._address, timeout=30)) as connection:
                return connection.execute(statement).fetchall()
        with psycopg.connect(self._address, autocommit=True) as connection:
            return connection.execute(statement.encode()).fetchall()

    @contextmanager
    def changing(self) -> Iterator[Callable[[str], object]]:
        """Change the database directly, as nobody but a fault does."""
        if self.store == "sqlite":
            with closing(sqlite3.connect(self._address, timeout=30)) as file, file:
                yield file.execute
        else:
            with psycopg.connect(self._address) as connection:
                yield lambda statement: connection.execute(statement.encode())

    def let_time_pass(self) -> None:
        """End the leases of workers that are all dead, and make due what is planned: for where how long that
        takes is not the question."""
        past = "0" if self.store == "sqlite" else "to_timestamp(0)"
        with self.changing() as change:
            change(f"UPDATE work SET lease_until = {past} WHERE lease_until IS NOT NULL")
            change(f"UPDATE work SET due_at = {past} WHERE state = 'ready'")

    def may_write(self) -> bool:
        """Tell whether a writer would get SQLite's lock now."""
        with closing(sqlite3.connect(self._address, timeout=0)) as connection:
            try:
                connection.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError:
                return False
        return True

    def items(self) -> list[tuple[Any, ...]]:
        """Show the send and snapshot items that are not done."""
        return self.rows(
            "SELECT id, topic, subject_id, state, owner, epoch, cursor, hi, attempt FROM work"
            " WHERE state <> 'done' AND topic IN ('send', 'snapshot') ORDER BY id"
        )
