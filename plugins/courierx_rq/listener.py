"""RQ's worker as a thread of ours: it takes notifications and hands their topics on.

`rq info` shows it like any other. It installs no signal handlers, forks nothing and obeys no commands:
the process around it is stopped by its own means, and `rq suspend` suspends no mail.
"""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Callable, Sequence
from contextlib import suppress
from secrets import token_hex
from typing import Any

from redis import Redis
from redis.exceptions import RedisError
from rq import Queue, SimpleWorker
from rq.exceptions import DequeueTimeout
from rq.job import Job
from rq.serializers import JSONSerializer
from rq.timeouts import TimerDeathPenalty
from rq.worker import WorkerStatus

from courierx_core.ports.queue import Stop
from courierx_rq.notification import Notification

SLICE_SECONDS = 0.5
"""How long it waits for a job at a time, and so how soon it notices a stop."""
TTL_SECONDS = 60
"""How long a registration outlives a killed process is twice this."""

logging.getLogger("rq").setLevel(logging.WARNING)
logging.getLogger("rq.worker").setLevel(logging.WARNING)  # RQ has set it to INFO: three lines a job


class Listener(SimpleWorker):
    """Takes jobs of `queues` one after the other, in this order, and tells `heard` what each is about."""

    # RQ's first choice is a signal, which only a main thread may have; our jobs have no time limit at all.
    death_penalty_class = TimerDeathPenalty
    connection_timeout = 0  # the client's own stays; RQ would wait for 7 minutes

    def __init__(self, queues: Sequence[Queue], client: Redis, heard: Callable[[str], None]) -> None:
        self._heard = heard
        super().__init__(
            queues,
            name=f"courierx-{socket.gethostname()}-{os.getpid()}-{token_hex(4)}",
            connection=client,
            job_class=Notification,
            serializer=JSONSerializer,
            worker_ttl=TTL_SECONDS,
            log_job_description=False,
        )

    def listen(self, stop: Stop) -> None:
        """Take jobs until `stop` is set. Raises RedisError when the server goes away."""
        try:
            while not stop.is_set():
                self.heartbeat()
                if self.should_run_maintenance_tasks:
                    self.run_maintenance_tasks()
                with suppress(DequeueTimeout):
                    self._take()
        finally:
            with suppress(RedisError):
                self.register_death()

    def heartbeat(self, timeout: int | None = None, pipeline: Any = None) -> None:
        """Say that it lives; and who it is, where the server has forgotten."""
        if pipeline is None and not self.connection.hexists(self.key, "birth"):
            self.register_birth()
            self.set_state(WorkerStatus.IDLE)
        super().heartbeat(timeout, pipeline)

    def execute_job(self, job: Job, queue: Queue) -> None:
        assert isinstance(job, Notification)
        job.heard = self._heard
        super().execute_job(job, queue)

    def _take(self) -> None:
        found = self.queue_class.dequeue_any(
            self.queues,
            SLICE_SECONDS,  # type: ignore[arg-type]  # Redis takes parts of a second
            connection=self.connection,
            job_class=self.job_class,
            serializer=self.serializer,
            death_penalty_class=self.death_penalty_class,
        )
        if found is not None:
            job, queue = found
            job.redis_server_version = self.get_redis_server_version()
            self.execute_job(job, queue)
