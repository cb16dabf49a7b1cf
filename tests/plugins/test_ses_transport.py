"""The SES transport keeps the contract, and every answer of SES has its outcome after one request (R17)."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from courierx_core.ports.driver import Runtime, Secret
from courierx_core.ports.transport import (
    Accepted,
    Deferred,
    Receipt,
    Refused,
    TransportDown,
    Uncertain,
)
from courierx_core.testing import FakeEnvelope, TransportContract
from courierx_ses.config import SesConfig
from courierx_ses.transport import SesTransport
from tests.plugins.ses_fake import SesFake, error

SECRET = "wJalrXUtnFEMI-secret"


def make(url: str, runtime: Runtime | None = None, **settings: object) -> SesTransport:
    config = SesConfig(
        access_key_id="AKIDEXAMPLE", secret_access_key=Secret(SECRET), endpoint_url=url, **settings
    )  # type: ignore[arg-type]
    return SesTransport("ses", config, runtime or Runtime())


@pytest.fixture
def peer() -> Iterator[SesFake]:
    with SesFake() as fake:
        yield fake


class TestSes(TransportContract):
    secret = SECRET

    def transport(self, peer: SesFake) -> SesTransport:  # type: ignore[override]
        return make(peer.url)


def send(transport: SesTransport, envelope: FakeEnvelope | None = None) -> Receipt:
    session = transport.open()
    try:
        return session.send(envelope or FakeEnvelope(7))
    finally:
        session.close()
        transport.close()


def test_the_request_carries_the_message_our_id_the_set_and_the_tenant(peer: SesFake) -> None:
    envelope = FakeEnvelope(7, "ann@x.example", send_id="abc7", tenant_id=3)
    receipt = send(make(peer.url, configuration_set="main", tenant="cx-{tenant_id}"), envelope)
    assert isinstance(receipt, Accepted)
    assert receipt.provider_id.endswith("-fake-000000")
    assert peer.raw() == envelope.mime()
    (sent,) = peer.accepted
    assert sent["Destination"] == {"ToAddresses": ["ann@x.example"]}
    assert sent["EmailTags"] == [{"Name": "courierx_send_id", "Value": "abc7"}]
    assert (sent["ConfigurationSetName"], sent["TenantName"]) == ("main", "cx-3")


NOT_VERIFIED = "Email address is not verified. The following identities failed the check in region EU: "


@pytest.mark.parametrize(
    ("status", "code", "words", "kind", "scope"),
    [
        (429, "TooManyRequestsException", "Too many requests", Deferred, "transport"),
        (400, "ThrottlingException", "Maximum sending rate exceeded", Deferred, "transport"),
        (429, "TooManyRequestsException", "Daily message quota exceeded", Deferred, "transport"),
        (400, "LimitExceededException", "limit", Deferred, "transport"),
        (403, "ExpiredTokenException", "expired", Deferred, "transport"),
        (400, "AccountSuspendedException", "suspended", Refused, "transport"),
        (400, "SendingPausedException", "paused", Refused, "transport"),
        (400, "MailFromDomainNotVerifiedException", "MAIL FROM", Refused, "sender"),
        (400, "MessageRejected", NOT_VERIFIED + "news@acme.example", Refused, "sender"),
        (400, "MessageRejected", NOT_VERIFIED + "person7@example.com", Refused, "message"),
        (400, "MessageRejected", "Virus found", Refused, "message"),
        (400, "BadRequestException", "bad", Refused, "message"),
        (403, "AccessDeniedException", "no", Refused, "transport"),
        (404, "NotFoundException", "Configuration set <x> does not exist.", Refused, "transport"),
        (500, "InternalFailure", "oops", Uncertain, None),
        (503, "ServiceUnavailable", "away", Uncertain, None),
        (302, "Found", "elsewhere", Uncertain, None),
    ],
)
def test_every_answer_has_its_outcome_after_one_request(
    status: int, code: str, words: str, kind: type[Receipt], scope: str | None
) -> None:
    with SesFake(lambda body: error(status, code, words)) as fake:
        receipt = send(make(fake.url))
        assert fake.attempts() == 1
    assert type(receipt) is kind, receipt
    assert getattr(receipt, "scope", None) == scope
    if kind is not Uncertain:
        assert words in receipt.reply  # type: ignore[union-attr]


def test_a_pause_of_one_ses_tenant_is_not_the_transports() -> None:
    with SesFake(lambda body: error(400, "SendingPausedException", "paused")) as fake:
        receipt = send(make(fake.url, tenant="cx-{tenant_id}"))
    assert isinstance(receipt, Refused)
    assert receipt.scope == "sender"


def test_no_answer_in_time_is_uncertain_after_one_request(peer: SesFake) -> None:
    peer.behave("hang")
    assert isinstance(send(make(peer.url, answer_seconds=0.3)), Uncertain)
    assert peer.attempts() == 1


def test_a_broken_handshake_sent_nothing() -> None:
    """What listens there speaks no TLS: it hangs up, and the message has not left us."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        transport = make(f"https://127.0.0.1:{listener.getsockname()[1]}", connect_seconds=0.3)
        receipt = send(transport)
    assert isinstance(receipt, Deferred)
    assert receipt.scope == "transport"


def test_the_rate_is_the_accounts_and_ours_if_less(peer: SesFake) -> None:
    peer.account["SendQuota"]["MaxSendRate"] = 14.0
    for own, wanted in ((0, 14), (5, 5), (50, 14)):
        transport = make(peer.url, per_second=own)
        assert transport.limits().per_second == own
        transport.allowance.refresh()
        assert transport.limits().per_second == wanted
        transport.close()


def test_the_quota_is_kept_to_and_read_again(peer: SesFake) -> None:
    now = [1000.0]
    quota = peer.account["SendQuota"]
    quota.update(Max24HourSend=10.0, SentLast24Hours=7.0)
    transport = make(peer.url, Runtime(monotonic=lambda: now[0]))
    session = transport.open()
    for number in range(3):
        assert isinstance(session.send(FakeEnvelope(number)), Accepted)
        now[0] += 1
    with pytest.raises(TransportDown, match="quota of 10") as down:
        session.send(FakeEnvelope(4))
    assert 290 < (down.value.retry_after or 0) <= 300
    quota["SentLast24Hours"] = 2.0
    now[0] += 300
    assert isinstance(session.send(FakeEnvelope(9)), Accepted)
    session.close()
    transport.close()


def test_without_the_right_to_read_the_account_mail_goes(peer: SesFake) -> None:
    transport = make(peer.url)
    peer._respond_as_ses = lambda call: error(403, "AccessDeniedException", "no")  # type: ignore[method-assign]
    transport.allowance.refresh()
    transport.allowance.require()
    assert [problem.code for problem in transport.check()] == ["ses_no_account"]
    transport.close()


@pytest.mark.parametrize(
    ("header", "rcpt", "status"),
    [(b"X-SES-Configuration-Set: other\r\n", "a@x.example", "5.6.0"), (b"", "grö@x.example", "5.6.7")],
)
def test_some_are_refused_before_they_leave(peer: SesFake, header: bytes, rcpt: str, status: str) -> None:
    receipt = send(make(peer.url), FakeEnvelope(7, rcpt, content=header + b"Subject: a\r\n\r\nx\r\n"))
    content = b"From: a@b.example\r\n" + header + b"\r\nx\r\n"
    if header:
        receipt = send(make(peer.url), FakeEnvelope(7, rcpt, content=content))
    assert isinstance(receipt, Refused)
    assert receipt.status == status


def test_doctor_tells_sandbox_quota_identity_and_set(peer: SesFake) -> None:
    peer.account["ProductionAccessEnabled"] = False
    peer.account["SendQuota"]["SentLast24Hours"] = 49_000.0
    peer.identities["acme.example"] = {
        "VerifiedForSendingStatus": True,
        "DkimAttributes": {"Status": "SUCCESS"},
    }
    peer.sets["main"] = [
        {"Name": "d", "Enabled": True, "MatchingEventTypes": [], "SnsDestination": {"TopicArn": "arn:t"}}
    ]
    settings = {"sender_email": "News <n@acme.example>", "configuration_set": "main"}
    transport = make(peer.url, **settings)
    codes = {problem.code: problem.level for problem in transport.check()}
    transport.close()
    assert codes == {
        "ses_sandbox": "warning", "ses_quota": "warning", "ses_identity": "info", "ses_events": "info",
    }  # fmt: skip
    peer.account["SendingEnabled"] = False
    peer.identities.clear()
    peer.sets.clear()
    transport = make(peer.url, **settings)
    levels = {problem.code: problem.level for problem in transport.check()}
    transport.close()
    assert {code for code, level in levels.items() if level == "error"} == {
        "ses_stopped", "ses_unverified", "ses_configuration_set",
    }  # fmt: skip


def test_half_a_pair_of_keys_refuses_to_start() -> None:
    with pytest.raises(ValueError, match="belong together"):
        SesConfig(access_key_id="AKID")
    with pytest.raises(ValueError, match="tenant is"):
        SesConfig(tenant="no good")
