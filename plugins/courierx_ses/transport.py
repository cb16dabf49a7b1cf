"""The transport named `ses`: one SendEmail for each envelope, several at once over kept connections.

What each answer means is the table of `verdicts.py`. SES writes Message-ID, Date and the return path
itself; so it signs, and our id travels as a header and as a message tag.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Any, ClassVar

import msgspec
from botocore.exceptions import BotoCoreError, ClientError

from courierx_core.ports.driver import Problem, Runtime
from courierx_core.ports.transport import (
    Accepted,
    DomainKey,
    Envelope,
    Receipt,
    RecordWanted,
    Refused,
    Session,
    Traits,
    Transport,
)
from courierx_ses import checkup
from courierx_ses.account import Allowance
from courierx_ses.client import begin, begun, ses_client
from courierx_ses.config import SesConfig
from courierx_ses.events import SEND_ID_TAG
from courierx_ses.identity import records_of
from courierx_ses.verdicts import answered, is_quota, unanswered

MAX_BYTES = 40_000_000
POLL_SECONDS = 0.05
"""How long answers are waited for while there may be more to send."""
CHECK_SECONDS = 60.0
"""How long an answer of `check` is given again: health is asked for more often than SES likes to tell."""


class SesTransport(Transport[SesConfig]):
    Config: ClassVar[type[Any]] = SesConfig
    traits = Traits(
        max_concurrency=20,
        max_bytes=MAX_BYTES,
        signs=True,
        own_return_path=True,
        features=frozenset({"attachments", "inline", "cc", "headers"}),
    )

    def __init__(self, name: str, config: SesConfig, runtime: Runtime) -> None:
        super().__init__(name, config, runtime)
        self._lock = threading.Lock()
        self._client: Any = None
        self._checked: tuple[float, list[Problem]] | None = None
        self.allowance = Allowance(self.client, runtime.monotonic, config.per_second)

    def client(self) -> Any:
        """Return the one client, made when it is first needed: boto3 takes a while."""
        with self._lock:
            if self._client is None:
                self._client = ses_client(self.config)
            return self._client

    def limits(self) -> Traits:
        """Return the traits; the rate is what the account was last seen to have."""
        rate = self.allowance.per_second
        return msgspec.structs.replace(
            self.traits,
            max_concurrency=self.config.max_concurrency,
            per_second=max(1, int(rate)) if rate else 0,
        )

    def records(self, domain: str, key: Callable[[], DomainKey]) -> Sequence[RecordWanted]:
        return records_of(self.client(), self.config, domain, key)

    def open(self) -> Session:
        return SesSession(self)

    def check(self) -> list[Problem]:
        now = self.runtime.monotonic()
        if self._checked is None or now - self._checked[0] >= CHECK_SECONDS:
            self._checked = now, checkup.problems(self.name, self.config, self.client())
        return self._checked[1]

    def close(self) -> None:
        with self._lock:
            if self._client is not None:
                self._client.close()
            self._client = None


class SesSession(Session):
    """Up to `max_concurrency` requests in flight, each on a thread of a pool."""

    def __init__(self, transport: SesTransport) -> None:
        self._config, self._client = transport.config, transport.client()
        self._allowance, self._sleep = transport.allowance, transport.runtime.sleep
        self._pool = ThreadPoolExecutor(self._config.max_concurrency, thread_name_prefix="courierx-ses")

    def send(self, envelope: Envelope) -> Receipt:
        self._allowance.require()
        self._allowance.spend()
        return self._request(envelope)

    def send_many(self, envelopes: Iterator[Envelope | None]) -> Iterator[Receipt]:
        """Take an envelope when there is a thread for it, its turn has come and the quota has room."""
        under_way: set[Future[Receipt]] = set()
        try:
            while True:
                while (pause := self._allowance.wait()) > 0 or self._is_full(under_way):
                    yield from self._answers(under_way, pause or None)
                if not under_way:
                    self._allowance.require()
                try:
                    envelope = next(envelopes)
                except StopIteration:
                    break
                if envelope is None:
                    yield from self._answers(under_way, POLL_SECONDS)
                    continue
                self._allowance.spend()
                under_way.add(self._pool.submit(self._request, envelope))
                yield from self._answers(under_way, 0)
            while under_way:
                yield from self._answers(under_way, None)
        finally:
            wait(under_way)

    def close(self) -> None:
        self._pool.shutdown()

    def _is_full(self, under_way: set[Future[Receipt]]) -> bool:
        """Tell whether answers must come before the next request; an outage is told when none is open."""
        return len(under_way) >= self._config.max_concurrency or (
            bool(under_way) and self._allowance.is_used_up()
        )

    def _answers(self, under_way: set[Future[Receipt]], seconds: float | None) -> Iterator[Receipt]:
        """Yield what has been answered, after waiting for one so long at most."""
        if not under_way:
            self._sleep(seconds or 0.0)  # waiting for nothing returns at once
        done, _ = wait(under_way, seconds, FIRST_COMPLETED)
        under_way -= done
        for future in done:
            yield future.result()

    def _request(self, envelope: Envelope) -> Receipt:
        content = envelope.mime()
        if refused := refusal(envelope, content):
            return refused
        tenant = self._config.tenant_name(envelope.tenant_id)
        begin()
        try:
            told = self._client.send_email(**request_of(envelope, content, self._config, tenant))
        except ClientError as error:
            if is_quota(error):
                self._allowance.used_up()
            return answered(envelope, error, tenant=bool(tenant))
        except BotoCoreError as error:
            return unanswered(envelope, error, begun=begun())
        return Accepted(envelope.id, told.get("MessageId", ""), f"200 {told.get('MessageId', '')}")


def request_of(envelope: Envelope, content: bytes, config: SesConfig, tenant: str) -> dict[str, Any]:
    """Write an envelope as SendEmail takes it."""
    request: dict[str, Any] = {
        "Destination": {"ToAddresses": [envelope.rcpt_to]},
        "Content": {"Raw": {"Data": content}},
        "EmailTags": [{"Name": SEND_ID_TAG, "Value": envelope.send_id}],
    }
    if config.configuration_set:
        request["ConfigurationSetName"] = config.configuration_set
    if tenant:
        request["TenantName"] = tenant
    return request


def refusal(envelope: Envelope, content: bytes) -> Refused | None:
    """Refuse what SES would not carry, or would take for orders of ours."""
    if not envelope.rcpt_to.partition("@")[0].isascii():
        return Refused(envelope.id, "553 5.6.7 SES takes ASCII before the @ only", "recipient", "5.6.7")
    if len(content) > MAX_BYTES:
        why = f"552 5.3.4 the message has {len(content)} bytes; SES takes {MAX_BYTES}"
        return Refused(envelope.id, why, "message", "5.3.4")
    if b"\nx-ses-" in content[: content.find(b"\r\n\r\n") + 2].lower():
        return Refused(
            envelope.id, "550 5.6.0 headers X-SES-... are orders to SES itself", "message", "5.6.0"
        )
    return None
