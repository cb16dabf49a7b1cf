"""What a job of ours says: that work of a topic is ready. It is the whole wire format.

A job names a function, and RQ's own Job imports and calls whatever it names. Ours calls nothing: it takes
the topic out of a job that names our one entry point, and refuses every other.
"""

from __future__ import annotations

from collections.abc import Callable
from secrets import token_hex
from typing import Any, NoReturn

from rq.job import Job

from courierx_core.errors import CourierXError
from courierx_core.heard import TOPIC

ENTRY_POINT = "courierx_rq.notification.work_is_ready"
"""Written into every job: it never moves."""
_NUMBER = 16
"""Hexadecimal digits that make an id unique."""


class Refused(CourierXError):
    """A job in our queues that is no notification."""

    code = "rq_refused"


def work_is_ready(topic: str) -> NoReturn:
    """Tell who let RQ's own worker listen to our queues."""
    raise Refused(f"Work of {topic} is ready for `courierx worker`; stop the `rq worker` that took this job.")


def new_id(topic: str) -> str:
    """Make a job's id, from which its topic can be seen: letters, digits, - and _ are allowed."""
    return f"courierx-{topic}-{token_hex(_NUMBER // 2)}"


def is_about(job_id: str, topic: str) -> bool:
    """Tell whether an id was made for this topic."""
    return job_id[: -_NUMBER - 1] == f"courierx-{topic}"


class Notification(Job):
    """A job that runs no code: neither a function, nor a callback, nor a webhook."""

    heard: Callable[[str], None]
    """Whom the listener that took the job tells its topic."""
    success_callback = failure_callback = stopped_callback = None

    def perform(self) -> None:
        self.heard(self.topic())

    def topic(self) -> str:
        """Return what the job is about. Raises Refused, and RQ's DeserializationError on what is not JSON."""
        arguments = list(self.args)
        if self.func_name != ENTRY_POINT or len(arguments) != 1 or self.kwargs or self.instance:
            raise Refused(f"Job {self.id} names {str(self.func_name)[:100]!r}; only {ENTRY_POINT} is taken.")
        (topic,) = arguments
        if not isinstance(topic, str) or not TOPIC.fullmatch(topic):
            raise Refused(f"Job {self.id} is about {str(topic)[:100]!r}, which is no topic.")
        return topic

    def send_webhooks(self, *args: Any, **kwargs: Any) -> None:
        """Call nobody, whatever the job asks for."""
