"""The bars: what the project promises itself, and whether a run reached it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import msgspec

from tests.benchmarks.figures import Figures, rounded
from tests.benchmarks.sizes import Pipeline


class Bar(msgspec.Struct, frozen=True):
    """A bar beside its figure. Without a figure it was not measured here."""

    what: str
    kind: Literal["at least", "at most"]
    bar: float
    figure: float | None = None

    @property
    def reached(self) -> bool | None:
        if self.figure is None:
            return None
        return self.figure >= self.bar if self.kind == "at least" else self.figure <= self.bar


def bars(parts: Mapping[str, Mapping[str, Figures]], pipelines: tuple[Pipeline, ...]) -> list[Bar]:
    """Hold what was measured against every bar."""

    def of(part: str, name: str, figure: str) -> float | None:
        return parts.get(part, {}).get(name, {}).get(figure)

    def sent(name: str, figure: str) -> float | None:
        keys = [each.key for each in pipelines if each.name == name]
        return of("pipeline", keys[0], figure) if keys else None

    least: tuple[tuple[str, float, float | None], ...] = (
        ("PostgreSQL, merge tags, 1 worker, W=200: times smtp-source", 1.0,
         sent("postgresql W=200 tags x1", "x_smtp_source")),
        ("PostgreSQL, merge tags, 1 worker, W=40: times smtp-source", 0.8,
         sent("postgresql W=40 tags x1", "x_smtp_source")),
        ("SQLite, merge tags, 1 worker, W=200: times smtp-source", 1.2,
         sent("sqlite W=200 tags x1", "x_smtp_source")),
        ("PostgreSQL, Jinja logic, 2 workers, W=200: times smtp-source", 0.6,
         sent("postgresql W=200 logic x2", "x_smtp_source")),
        ("PostgreSQL, merge tags, 1 worker, W=200: times textbook Python with the same books", 15.0,
         sent("postgresql W=200 tags x1", "x_textbook")),
        ("message by segments: times EmailMessage", 80.0, of("render", "x_email_message", "segments")),
        ("message by Jinja logic: times EmailMessage", 12.0, of("render", "x_email_message", "logic")),
        ("DKIM signature, RSA-2048: times dkimpy", 15.0, of("render", "x_dkimpy", "rsa")),
        ("SMTP client: times smtplib in threads", 3.0, of("smtp_client", "ratios", "x_smtplib")),
        ("SMTP client at 20 ms: times itself in lock-step", 3.5,
         of("smtp_client", "ratios", "x_lock_step_20ms")),
        ("claim: times SKIP LOCKED on the rows themselves", 5.0, of("store", "postgresql_x_plain", "claim")),
        ("record: times a commit per row", 20.0, of("store", "postgresql_x_plain", "record")),
        ("import: times row by row", 50.0, of("store", "postgresql_x_plain", "import")),
        ("click: times a Litestar route with an INSERT", 3.0, of("tracking", "ratios", "click_x_plain")),
        ("open: times a Litestar route with an INSERT", 3.0, of("tracking", "ratios", "open_x_plain")),
        ("a person added: times FastAPI with an ORM", 2.0, of("http", "create", "x_fastapi_orm")),
        ("snapshot: times the shape with foreign keys", 4.0, of("store", "postgresql_x_plain", "snapshot")),
    )  # fmt: skip
    return [
        *(Bar(what, "at least", bar, figure) for what, bar, figure in least),
        *(growth(store, parts.get("pipeline", {}), pipelines) for store in ("postgresql", "sqlite")),
        Bar("GET while a campaign is sent: p99, times idle", "at most", 3.0, of("http", "get", "x_idle")),
        Bar(
            "import over HTTP: time, times the function alone",
            "at most",
            2.0,
            of("http", "import", "x_alone"),
        ),
        Bar("a worker's memory above its imports, MB", "at most", 64.0, _most_memory(parts)),
    ]


def growth(store: str, measured: Mapping[str, Figures], pipelines: tuple[Pipeline, ...]) -> Bar:
    """Compare a message's processor time, worker and database, in the smallest and the largest campaign."""
    same = [each for each in pipelines if each.name == f"{store} W=200 tags x1" and each.key in measured]
    few, many = (
        (min(same, key=lambda each: each.recipients), max(same, key=lambda each: each.recipients))
        if same
        else (None, None)
    )
    what = f"{store}: processor time a message, 1,000,000 recipients to 10,000"
    if few is None or many is None or few.recipients == many.recipients:
        return Bar(what, "at most", 1.1)
    spent = [
        measured[each.key]["worker_cpu_us"] + measured[each.key].get("database_cpu_us", 0.0)
        for each in (few, many)
    ]
    what = f"{store}: processor time a message, {many.recipients:,} recipients to {few.recipients:,}"
    return Bar(what, "at most", 1.1, rounded(spent[1] / spent[0]))


def _most_memory(parts: Mapping[str, Mapping[str, Figures]]) -> float | None:
    measured = [each["memory_above_imports_mb"] for each in parts.get("pipeline", {}).values()
                if "memory_above_imports_mb" in each]  # fmt: skip
    return max(measured, default=None)
