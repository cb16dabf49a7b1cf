"""`nox -s bench` works from end to end, and fails when a message is lost or sent twice."""

from __future__ import annotations

import shlex
import smtplib
from collections import Counter
from pathlib import Path

import msgspec
import pytest

from tests.benchmarks import __main__ as command
from tests.benchmarks import growth, measure, page, pipeline, sizes
from tests.benchmarks.campaign import address, prepare
from tests.benchmarks.figures import Figures, Part, Unbalanced
from tests.benchmarks.machine import look
from tests.benchmarks.report import Run, judge
from tests.benchmarks.scale import crowd
from tests.benchmarks.scale import page as scale_page
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
    said = msgspec.json.decode(capsys.readouterr().out)
    runs = msgspec.convert(said["parts"], dict[str, Run])
    assert set(runs) == set(measure.BY_DEFAULT)
    pipelines = runs["pipeline"].figures
    assert {one.key for one in TINY.pipelines} | {"textbook"} <= set(pipelines)
    assert runs["tracked"].figures["tracked: times untracked"]["cpu"] > 0
    for one in TINY.pipelines:
        assert pipelines[one.key]["x_textbook"] > 0
        assert pipelines[one.key]["worker_cpu_us"] > 0
    (tmp_path / page.FOLDER).mkdir(parents=True)
    (tmp_path / page.README).write_text("<!-- speed: made by the benchmark -->\nold\n<!-- /speed -->\n")
    page.write(runs, tmp_path)
    assert page.stored(tmp_path) == runs
    written = (tmp_path / page.PAGE).read_text()
    assert runs["pipeline"].machine.processor in written
    assert all(one.key in written for one in TINY.pipelines)
    assert page.sentence(runs) in (tmp_path / page.README).read_text()


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
    monkeypatch.setattr(pipeline, "prepare", lambda courier, n, way: prepare(courier, n - 1, way))
    assert command.main(["--tiny", "--part", "pipeline"]) == 1
    assert "the ledger has" in capsys.readouterr().err


def test_past_one_worker_it_names_what_runs_out_first(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / page.FOLDER).mkdir(parents=True)
    (tmp_path / page.README).write_text("")
    assert command.main(["--tiny", "--part", "scale"]) == 0
    runs = msgspec.convert(msgspec.json.decode(capsys.readouterr().out)["parts"], dict[str, Run])
    page.write(runs, tmp_path)
    written = (tmp_path / page.SCALE).read_text()
    for name in ("1 worker", "2 workers", "2 workers, RQ and Redis"):
        [line] = [each for each in written.splitlines() if each.startswith(f"| {name} | ")]
        assert any(line.endswith(f"| {what} |") for what in scale_page.RESOURCES.values())
    assert "4 workers that claim" in written
    assert "5,000 old deliveries" in written


def test_an_item_that_is_claimed_twice_fails_the_benchmark() -> None:
    with pytest.raises(Unbalanced, match="of 3 items 2 were claimed, in 3 claims"):
        crowd.hold([1, 2, 2], 3)


def run_of(figures: Part) -> Run:
    return Run("nox -s bench", look(), 1, figures)


def test_the_page_says_which_bar_is_not_reached() -> None:
    slow = {"rsa": 1.5, "ed25519": 100.0, "dkimpy": 1.0}
    said = page.page({"render": run_of({"x_dkimpy": slow})})
    assert "Not reached: DKIM signature, RSA-2048: times dkimpy." in said
    assert "| DKIM signature, RSA-2048: times dkimpy | at least 15 | 1.5 | **no** |" in said
    assert "Not measured in this run: PostgreSQL, merge tags" in said
    assert page.sentence({}) == page.UNMEASURED


def test_a_part_that_is_measured_again_leaves_the_others(tmp_path: Path) -> None:
    (tmp_path / page.FOLDER).mkdir(parents=True)
    (tmp_path / page.README).write_text("")
    first, second, third = (run_of({"ours": {"click": rate}}) for rate in (1.0, 2.0, 3.0))
    page.write({"tracking": first, "http": second}, tmp_path)
    page.write({"tracking": third}, tmp_path)
    assert page.stored(tmp_path) == {"tracking": third, "http": second}


def test_a_campaign_that_grows_dearer_misses_its_bar() -> None:
    few: Figures = {"worker_cpu_us": 30.0, "database_cpu_us": 10.0, "buffers": 5.0, "memory_mb": 70.0}
    many: Figures = {"worker_cpu_us": 40.0, "database_cpu_us": 12.0, "buffers": 5.0, "memory_mb": 71.0}
    times = growth.compared(few, many)
    assert times == {"cpu": 1.3, "buffers": 1.0, "memory_mb_more": 1.0}
    judged = judge({"growth": run_of({"postgresql: 1,000,000 to 10,000": times})})
    assert [bar.what for bar in judged if bar.reached is False] == [
        "postgresql: 1,000,000 to 10,000 recipients: times the processor time of a message"
    ]


def test_the_matrix_is_narrowed_by_what_is_asked() -> None:
    assert len(sizes.matrix()) == 2 * 3 * 2 * 2 * 3
    asked = "--stores sqlite --windows 10 20 --templates tags --workers 2 --recipients 30"
    given = command.options(shlex.split(asked))
    assert command.parts_of(given) == ["matrix"]
    keys = [one.key for one in command.sizes_of(given).matrix]
    assert keys == ["sqlite W=10 tags x2 n=30", "sqlite W=20 tags x2 n=30"]
