"""The queue named `sqs`: each topic is a queue of Amazon SQS, each notification a message that wakes one
worker of all.

A message is deleted as soon as it is read: what it says is only that there is work, and the clock beside it
calls for every topic at least each `sweep_seconds`, whether SQS answers or not.
"""

from __future__ import annotations

import logging
import math
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, ClassVar

from botocore.config import Config as BotoConfig
from botocore.exceptions import BotoCoreError, ClientError
from msgspec import Meta

from courierx_core.heard import Heard, checked_topic
from courierx_core.ports.driver import Problem, Runtime
from courierx_core.ports.queue import Queue, Stop
from courierx_ses.client import aws_client
from courierx_ses.config import AwsConfig

log = logging.getLogger("courierx.queue")

AWAY = (BotoCoreError, ClientError)
AWAY_SECONDS = 5.0
"""How long it is left alone after it did not answer."""
MISSING = ("AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist")
CREATED: Mapping[str, str] = {"MessageRetentionPeriod": "3600"}
"""A notification that nobody read for an hour says nothing that a sweep has not found."""
BATCH = 10
"""Messages of one request: the most that SQS gives."""


class SqsConfig(AwsConfig, frozen=True, kw_only=True):
    """Which queues, in which account: `NAME-TOPIC` for each of `notify.TOPICS`. One that is not
    there is made, where the account may do that."""

    endpoint_url: Annotated[str, Meta(extra={"env": "AWS_ENDPOINT_URL_SQS"})] = ""
    """Another address than Amazon's own, for a private endpoint or a test."""
    queue_name: Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{1,48}$", extra={"env": "SQS_QUEUE_NAME"})] = (
        "courierx"
    )
    wait_seconds: Annotated[int, Meta(ge=1, le=20)] = 5
    """How long one request waits for a message, and so how long stopping takes at most. A worker makes one
    request for each topic in this time, and each is paid for."""


class SqsQueue(Queue[SqsConfig]):
    Config: ClassVar[type[Any]] = SqsConfig

    def __init__(self, name: str, config: SqsConfig, runtime: Runtime) -> None:
        super().__init__(name, config, runtime)
        self._lock = threading.Lock()
        self._made: dict[int, Any] = {}
        self._urls: dict[str, str] = {}
        self._away_until = -math.inf

    def notify(self, topic: str) -> str:
        """Send a message; return its id. Raises BotoCoreError or ClientError within seconds when SQS is
        away, and at once when it just was."""
        checked_topic(topic)
        if self.runtime.monotonic() < self._away_until:
            raise BotoCoreError(msg="SQS did not answer a moment ago")
        try:
            client = self._client(answer_seconds=3)
            sent = client.send_message(QueueUrl=self._url(client, topic), MessageBody=topic)
        except AWAY:
            self._away_until = self.runtime.monotonic() + AWAY_SECONDS
            raise
        return str(sent["MessageId"])

    def listen(
        self, topics: Sequence[str], handle: Callable[[str], None], stop: Stop, sweep_seconds: float
    ) -> None:
        heard = Heard(self.runtime.monotonic)
        threads = [
            threading.Thread(target=self._follow, args=(topic, heard, stop), name=f"courierx-sqs-{topic}")
            for topic in topics
        ]
        for thread in threads:
            thread.start()
        try:
            heard.call(topics, handle, stop, sweep_seconds)
        finally:
            for thread in threads:
                thread.join()

    def check(self) -> list[Problem]:
        client = self._client(answer_seconds=3)
        try:
            client.get_queue_attributes(QueueUrl=self._url(client, "transactional"))
        except AWAY as problem:
            text = f"{self.name}: SQS does not answer ({problem}); work starts by the sweep meanwhile"
            remedy = f"Look at the network, the keys, and the policy of {self.config.queue_name}-*."
            return [Problem("error", "queue_away", text, remedy)]
        return []

    def close(self) -> None:
        with self._lock:
            clients, self._made = list(self._made.values()), {}
        for client in clients:
            client.close()

    def _follow(self, topic: str, heard: Heard, stop: Stop) -> None:
        away = False
        while not stop.is_set():
            try:
                client = self._client(answer_seconds=self.config.wait_seconds + 10)
                if self._take(client, self._url(client, topic)):
                    heard.add(topic)
                if away:
                    log.warning("%s: SQS is back", self.name)
                    away = False
            except AWAY as problem:
                if not away:
                    log.warning("%s: SQS is away (%s): the sweep works on", self.name, problem)
                away = True
                stop.wait(AWAY_SECONDS)

    def _take(self, client: Any, url: str) -> bool:
        """Wait for messages and delete them; tell whether there were any."""
        answer = client.receive_message(
            QueueUrl=url, MaxNumberOfMessages=BATCH, WaitTimeSeconds=self.config.wait_seconds
        )
        messages = answer.get("Messages", ())
        if messages:
            handles = [each["ReceiptHandle"] for each in messages]
            entries = [{"Id": str(place), "ReceiptHandle": each} for place, each in enumerate(handles)]
            client.delete_message_batch(QueueUrl=url, Entries=entries)
        return bool(messages)

    def _url(self, client: Any, topic: str) -> str:
        """Find a topic's queue, or make it."""
        if topic not in self._urls:
            name = f"{self.config.queue_name}-{topic}"
            try:
                found = client.get_queue_url(QueueName=name)
            except ClientError as problem:
                if problem.response["Error"]["Code"] not in MISSING:
                    raise
                found = client.create_queue(QueueName=name, Attributes=dict(CREATED))
            self._urls[topic] = str(found["QueueUrl"])
        return self._urls[topic]

    def _client(self, *, answer_seconds: int) -> Any:
        """Return the client with that patience; made when it is first needed, and shared by threads."""
        with self._lock:
            if answer_seconds not in self._made:
                settings = BotoConfig(
                    retries={"total_max_attempts": 1, "mode": "standard"},
                    connect_timeout=3,
                    read_timeout=answer_seconds,
                    user_agent_extra="courierx",
                )
                self._made[answer_seconds] = aws_client(
                    "sqs", self.config, settings, endpoint_url=self.config.endpoint_url
                )
            return self._made[answer_seconds]
