"""The bars: what the project promises itself, and whether a run reached it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import msgspec

from tests.benchmarks.figures import Part


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


def bars(parts: Mapping[str, Part]) -> list[Bar]:
    """Hold what was measured against every bar."""

    def of(part: str, name: str, figure: str) -> float | None:
        return parts.get(part, {}).get(name, {}).get(figure)

    def sent(name: str, figure: str) -> float | None:
        keys = [key for key in parts.get("pipeline", {}) if key.startswith(f"{name} n=")]
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
        ("bounces, held back: class is right", 0.9, of("bounces", "held back", "class_right")),
        ("bounces, held back: recipient is right", 0.9, of("bounces", "held back", "recipient_right")),
        ("snapshot: times the shape with foreign keys", 4.0, of("store", "postgresql_x_plain", "snapshot")),
    )  # fmt: skip
    return [
        *(Bar(what, "at least", bar, figure) for what, bar, figure in least),
        *_growth(parts.get("growth", {})),
        Bar("GET while a campaign is sent: p99, times idle", "at most", 3.0, of("http", "get", "x_idle")),
        Bar(
            "import over HTTP: time, times the function alone",
            "at most",
            2.0,
            of("http", "import", "x_alone"),
        ),
        Bar(
            "tracking: processor time of the pipeline, times untracked",
            "at most",
            1.15,
            of("tracked", "tracked: times untracked", "cpu"),
        ),
        Bar(
            "bounces, held back: soft ones called hard",
            "at most",
            0.03,
            of("bounces", "held back", "soft_called_hard"),
        ),
        Bar("a worker's memory above its imports, MB", "at most", 64.0, _most_memory(parts)),
    ]


def _growth(measured: Part) -> list[Bar]:
    """Compare the largest campaign with the smallest."""
    times, more = "recipients: times", "recipients, more:"
    said = (
        ("postgresql", f"{times} the processor time of a message", "cpu", 1.1),
        ("postgresql", f"{more} the worker's memory, MB", "memory_mb_more", 8.0),
        ("sqlite", f"{times} the processor time of a message", "cpu", 1.1),
        ("sqlite", f"{more} the worker's memory, MB", "memory_mb_more", 32.0),
    )
    # SQLite has 16 MB of the file in memory for each connection once it has read as much.
    found = []
    for store, what, figure, bar in said:
        key = next((key for key in measured if key.startswith(f"{store}: ")), f"{store}: 1,000,000 to 10,000")
        found.append(Bar(f"{key} {what}", "at most", bar, measured.get(key, {}).get(figure)))
    return found


def _most_memory(parts: Mapping[str, Part]) -> float | None:
    measured = [
        figures["memory_above_imports_mb"]
        for part in parts.values()
        for figures in part.values()
        if "memory_above_imports_mb" in figures
    ]
    return max(measured, default=None)
