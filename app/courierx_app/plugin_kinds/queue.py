"""A queue of files in a folder that processes of one machine share."""

from __future__ import annotations

from collections.abc import Mapping

WORDS: Mapping[str, str] = {
    "does": "Wakes CourierX workers through",
    "group": "courierx.queues",
    "object": "Queue",
    "method": "notify` and `_follow",
    "use": """Run on it, on each machine: `export COURIERX_QUEUE=$name`, then `courierx doctor` and
`courierx serve`. The processes share the folder `$name-queue`, or the one that ${env}_FOLDER names.""",
}

_CODE = '''\
"""The queue `$name`: notifications of work. Losing one loses nothing: a sweep comes anyway."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from secrets import token_hex
from typing import Annotated, Any, ClassVar

from msgspec import Meta

from courierx_core import Config, Queue, Stop
from courierx_core.heard import Heard, checked_topic

LOOK_SECONDS = 0.05


class ${title}Config(Config, frozen=True, kw_only=True):
    """Where the notifications are."""

    folder: Annotated[str, Meta(extra={"env": "${env}_FOLDER"})] = "$name-queue"


class ${title}Queue(Queue[${title}Config]):
    Config: ClassVar[type[Any]] = ${title}Config

    def notify(self, topic: str) -> str:
        """Say that there is work; whatever this raises is logged, and the sweep comes."""
        file = self._folder / f"{checked_topic(topic)}.{token_hex(8)}"
        file.touch()
        return file.name

    def listen(
        self, topics: Sequence[str], handle: Callable[[str], None], stop: Stop, sweep_seconds: float
    ) -> None:
        heard = Heard(self.runtime.monotonic)
        thread = threading.Thread(target=self._follow, args=(topics, heard, stop))
        thread.start()
        try:
            # It calls by the clock as well, so that work is found while the broker is away.
            heard.call(topics, handle, stop, sweep_seconds)
        finally:
            thread.join()

    def _follow(self, topics: Sequence[str], heard: Heard, stop: Stop) -> None:
        """Take notifications until `stop`; it must outlive an outage of your broker."""
        while not stop.wait(LOOK_SECONDS):
            for file in list(self._folder.iterdir()):
                topic = file.name.partition(".")[0]
                if topic in topics:
                    file.unlink(missing_ok=True)
                    heard.add(topic)

    @property
    def _folder(self) -> Path:
        folder = Path(self.config.folder)
        folder.mkdir(parents=True, exist_ok=True)
        return folder
'''

_TEST = '''\
"""The queue keeps the contract."""

from __future__ import annotations

from pathlib import Path

import pytest
from $package.queue import ${title}Config, ${title}Queue

from courierx_core import Runtime
from courierx_core.plugins import QUEUES
from courierx_core.testing import QueueContract


class Test${title}(QueueContract):
    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path: Path) -> None:
        self.folder = str(tmp_path / "queue")

    def queue(self) -> ${title}Queue:
        return ${title}Queue("$name", ${title}Config(folder=self.folder), Runtime())


def test_the_entry_point_is_found_by_its_name() -> None:
    assert QUEUES.load("$name") is ${title}Queue
'''

FILES: Mapping[str, str] = {"src/$package/queue.py": _CODE, "tests/test_queue.py": _TEST}
