"""`nox -s bench` works from end to end, and fails when a message is lost or sent twice."""

from __future__ import annotations

import smtplib
from collections import Counter
from pathlib import Path

import msgspec
import pytest

from tests.benchmarks import __main__ as command
from tests.benchmarks import measure, page, pipeline
from tests.benchmarks.bars import Bar
from tests.benchmarks.campaign import address, prepare
from tests.benchmarks.figures import Unbalanced
from tests.benchmarks.report import Report
from tests.benchmarks.sink import RecordingSink
from tests.benchmarks.sizes import TINY
from tests.servers import PostgresServer

ONE = msgspec.structs.replace(TINY.pipelines[0], store="sqlite")
"""One pipeline on SQLite is enough to see it fail."""


class Forgetful(RecordingSink):
    """Loses one message after it said 250."""

    def copies(self) -> Counter[str]:
        return super().copies() - Counter([address(1)])


class Repeating(RecordingSink):
    """Has one message twice."""

    def copies(self) -> Counter[str]:
        return super().copies() + Counter([address(1)])


class Both(RecordingSink):
    """Loses one and repeats another, so that the numbers agree."""

    def copies(self) -> Counter[str]:
        return super().copies() - Counter([address(1)]) + Counter([address(2)])


def test_it_measures_everything_and_writes_what_it_found(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command.main(["--tiny"]) == 0
    report = msgspec.json.decode(capsys.readouterr().out, type=Report)
    assert set(report.parts) == {"render", "smtp_client", "store", "tracking", "http", "pipeline"}
    pipelines = report.parts["pipeline"]
    assert {one.key for one in TINY.pipelines} | {"textbook"} <= set(pipelines)
    for one in TINY.pipelines:
        assert pipelines[one.key]["x_textbook"] > 0
        assert pipelines[one.key]["worker_cpu_us"] > 0
    (tmp_path / page.FOLDER).mkdir(parents=True)
    (tmp_path / page.README).write_text("<!-- speed: made by the benchmark -->\nold\n<!-- /speed -->\n")
    page.write(report, tmp_path)
    assert page.stored(tmp_path) == report
    written = (tmp_path / page.PAGE).read_text()
    assert report.machine.processor in written
    assert all(one.key in written for one in TINY.pipelines)
    assert page.sentence(report) in (tmp_path / page.README).read_text()


@pytest.mark.parametrize(
    ("sink", "said"),
    [
        (RecordingSink, ""),
        (Forgetful, "1 lost, such as person1@example.com"),
        (Repeating, "1 sent more than once, such as person1@example.com"),
        (Both, "1 lost, such as person1@example.com; 1 sent more than once, such as person2@example.com"),
    ],
)
def test_the_sink_knows_who_got_none_or_two(sink: type[RecordingSink], said: str, tmp_path: Path) -> None:
    with sink(tmp_path) as server, smtplib.SMTP("127.0.0.1", server.port) as client:
        for number in range(4):
            client.sendmail("a@b.example", [address(number)], b"Subject: hi\r\n\r\nhi\r\n")
        assert server.problem(4) == said


def test_a_run_fails_when_one_message_is_lost_and_another_sent_twice(postgres: PostgresServer) -> None:
    with pytest.raises(Unbalanced, match=r"1 lost, such as .*; 1 sent more than once"):
        pipeline.measure(ONE, Both, postgres)


def test_the_benchmark_fails_when_the_ledger_does_not_have_everyone(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(command, "TINY", msgspec.structs.replace(TINY, pipelines=(ONE,)))
    monkeypatch.setattr(pipeline, "prepare", lambda courier, n, html: prepare(courier, n - 1, html))
    assert command.main(["--tiny", "--part", "pipeline"]) == 1
    assert "the ledger has" in capsys.readouterr().err


def test_the_page_says_which_bar_is_not_reached() -> None:
    report = Report(
        "nox -s bench",
        measure.look(),
        1,
        10,
        {},
        [Bar("fast", "at least", 2.0, 1.5), Bar("small", "at most", 3.0)],
    )
    said = page.page(report)
    assert "Not reached: fast." in said
    assert "| fast | at least 2 | 1.5 | **no** |" in said
    assert "Not measured in this run: small." in said
    assert page.sentence(report) == page.UNMEASURED
