"""The queue named `rq`: notifications as jobs of RQ, one listener a process, and a clock beside it.

The clock calls for every topic at least each `sweep_seconds` whether Redis answers or not, so Redis only
makes things faster: what it loses, or what is lost with it, is found a sweep later.
"""

from __future__ import annotations

import logging
import math
import threading
from collections.abc import Callable, Sequence
from typing import Annotated, Any, ClassVar

from msgspec import Meta
from redis.exceptions import RedisError
from rq.queue import Queue as JobQueue
from rq.serializers import JSONSerializer
from rq.timeouts import TimerDeathPenalty
from rq.utils import as_text

from courierx_core.heard import Heard, checked_topic
from courierx_core.ports.driver import Problem, Runtime
from courierx_core.ports.queue import Queue, Stop
from courierx_redis.connection import AWAY_SECONDS, RedisConfig, connect, disconnect, look
from courierx_rq.listener import Listener
from courierx_rq.notification import ENTRY_POINT, Notification, is_about, new_id

log = logging.getLogger("courierx.queue")

TRANSACTIONAL = "transactional"
"""The topic with an RQ queue of its own, which is emptied first."""
FAILURE_SECONDS = 86_400
"""How long `rq info` shows a job that was refused; RQ would keep it for a year."""
LOOK_AHEAD = 100
"""How many waiting jobs are looked through for one that says the same."""


class RqConfig(RedisConfig, frozen=True, kw_only=True):
    """Which Redis, and what the queues are called: `NAME-transactional`, and `NAME` for all else."""

    queue_name: Annotated[str, Meta(pattern=r"^[A-Za-z0-9_.-]+$", extra={"env": "RQ_QUEUE_NAME"})] = "emails"


class RqQueue(Queue[RqConfig]):
    """Each notification wakes one worker of all."""

    Config: ClassVar[type[Any]] = RqConfig

    def __init__(self, name: str, config: RqConfig, runtime: Runtime) -> None:
        super().__init__(name, config, runtime)
        self._client = connect(config.url)
        self._transactional = self._jobs(f"{config.queue_name}-transactional", self._client)
        self._other = self._jobs(config.queue_name, self._client)
        self._away_until = -math.inf

    def notify(self, topic: str) -> str:
        """Enqueue a job, unless one that says the same still waits; return its id.

        Raises RedisError within seconds when Redis is away, and at once when it just was.
        """
        checked_topic(topic)
        if self.runtime.monotonic() < self._away_until:
            raise RedisError("Redis did not answer a moment ago")
        queue = self._transactional if topic == TRANSACTIONAL else self._other
        try:
            return self._waiting(queue, topic) or self._enqueue(queue, topic)
        except RedisError:
            self._away_until = self.runtime.monotonic() + AWAY_SECONDS
            raise

    def listen(
        self, topics: Sequence[str], handle: Callable[[str], None], stop: Stop, sweep_seconds: float
    ) -> None:
        heard = Heard(self.runtime.monotonic)
        thread = threading.Thread(target=self._follow, args=(topics, heard, stop), name="courierx-rq")
        thread.start()
        try:
            heard.call(topics, handle, stop, sweep_seconds)
        finally:
            thread.join()

    def check(self) -> list[Problem]:
        return look(self.name, self._client, "work starts by the sweep meanwhile, within a second or so")

    def close(self) -> None:
        disconnect(self._client)

    def _jobs(self, name: str, client: Any) -> JobQueue:
        return JobQueue(
            name,
            connection=client,
            job_class=Notification,
            serializer=JSONSerializer,
            death_penalty_class=TimerDeathPenalty,
        )

    def _waiting(self, queue: JobQueue, topic: str) -> str:
        """Return the id of a job that says the same and that nobody has taken: whoever will, looks at the
        work later than now. RQ's own `unique` also counts jobs that run, have run or have failed."""
        ids = map(as_text, self._client.lrange(queue.key, 0, LOOK_AHEAD - 1))
        return next((each for each in ids if is_about(each, topic)), "")

    def _enqueue(self, queue: JobQueue, topic: str) -> str:
        job = queue.enqueue_call(
            ENTRY_POINT,
            args=(topic,),
            job_id=new_id(topic),
            timeout=-1,
            # Nothing expires while it waits: RQ passes over an id whose job is gone.
            ttl=None,
            result_ttl=0,
            failure_ttl=FAILURE_SECONDS,
            description=f"{topic} work is ready",
        )
        return str(job.id)

    def _follow(self, topics: Sequence[str], heard: Heard, stop: Stop) -> None:
        """Listen, and again after whatever befalls the server or one job."""
        names = [f"{self.config.queue_name}-transactional"] * (TRANSACTIONAL in topics)
        names += [self.config.queue_name] * any(topic != TRANSACTIONAL for topic in topics)
        away = False
        while not stop.is_set():
            client = connect(self.config.url)
            try:
                listener = Listener([self._jobs(name, client) for name in names], client, heard.add)
                if away:
                    log.warning("%s: Redis is back", self.name)
                    away = False
                listener.listen(stop)
            except RedisError as error:
                if not away:
                    log.warning("%s: Redis is away (%s): the sweep works on", self.name, type(error).__name__)
                away = True
            except Exception:  # whatever is in a queue, it must not end the listening
                log.exception("%s: a job could not be read", self.name)
            finally:
                disconnect(client)
            stop.wait(AWAY_SECONDS)
