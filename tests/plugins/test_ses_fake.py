"""The SES of the tests, held to botocore's model of the real one: requests, answers, errors."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from email import message_from_bytes
from typing import Any

import botocore.session
import pytest
from botocore.model import OperationModel, ServiceModel, Shape

from courierx_core.mail.dkim_key import generate
from courierx_core.ports.driver import Secret
from courierx_core.ports.transport import Accepted, DomainKey
from courierx_core.testing import FakeEnvelope
from courierx_ses import verdicts
from courierx_ses.config import SesConfig
from courierx_ses.transport import SesTransport
from tests.plugins.ses_events import PARTS
from tests.plugins.ses_fake import STORIES, SesFake

PRIVATE = Secret(base64.b64encode(generate("rsa")[0]).decode("ascii"))


@pytest.fixture(scope="module")
def service() -> ServiceModel:
    found: ServiceModel = botocore.session.get_session().get_service_model("sesv2")
    return found


@pytest.fixture
def fake() -> Iterator[SesFake]:
    with SesFake() as peer:
        yield peer


def transport(fake: SesFake, **settings: Any) -> SesTransport:
    from courierx_core.ports.driver import Runtime

    config = SesConfig(
        access_key_id="AKID", secret_access_key=Secret("s"), endpoint_url=fake.url, **settings
    )  # fmt: skip
    return SesTransport("ses", config, Runtime())


def fits(shape: Shape, value: object, where: str) -> None:
    """Hold a value to a shape of the model: names, types, closed lists, what is required."""
    kinds: dict[str, tuple[type, ...]] = {
        "structure": (dict,), "list": (list,), "string": (str,), "boolean": (bool,), "double": (float, int),
        "integer": (int,), "long": (int,), "blob": (str,), "timestamp": (int, float), "map": (dict,),
    }  # fmt: skip
    assert isinstance(value, kinds[shape.type_name]), (where, shape.type_name, value)
    if shape.type_name == "structure":
        assert isinstance(value, dict)
        assert set(value) <= set(shape.members), (where, set(value) - set(shape.members))
        in_path = {name for name, each in shape.members.items() if each.serialization.get("location")}
        assert set(shape.required_members) - in_path <= set(value), (where, shape.required_members)
        for name, each in value.items():
            fits(shape.members[name], each, f"{where}.{name}")
    if shape.type_name == "list":
        assert isinstance(value, list)
        for each in value:
            fits(shape.member, each, f"{where}[]")
    if getattr(shape, "enum", None):
        assert value in shape.enum, (where, value)


def operation_of(service: ServiceModel, method: str, path: str) -> OperationModel:
    """Find the operation of a request by its method and the form of its path."""
    parts = path.split("/")
    for name in service.operation_names:
        http = service.operation_model(name).http
        form = http["requestUri"].split("?")[0].split("/")
        alike = all(one == two or one.startswith("{") for one, two in zip(form, parts, strict=False))
        if http["method"] == method and len(form) == len(parts) and alike:
            return service.operation_model(name)
    raise AssertionError(f"SES has no {method} {path}")


def test_requests_and_answers_have_the_models_form(fake: SesFake, service: ServiceModel) -> None:
    fake.identities["acme.example"] = {
        "VerifiedForSendingStatus": True,
        "DkimAttributes": {"Status": "SUCCESS"},
    }
    fake.sets["main"] = [
        {
            "Name": "d",
            "Enabled": True,
            "MatchingEventTypes": ["BOUNCE"],
            "SnsDestination": {"TopicArn": "arn:aws:sns:eu-central-1:123456789012:t"},
        }
    ]
    made = transport(
        fake, sender_email="n@acme.example", configuration_set="main", tenant="cx-{tenant_id}",
        dkim="own", mail_from="ses",
    )  # fmt: skip
    made.check()
    key = DomainKey(selector="cx1r", private=PRIVATE, published=True)
    for domain in ("acme.example", "new.example"):
        made.records(domain, lambda: key)
    session = made.open()
    assert isinstance(session.send(FakeEnvelope(7, "ann@x.example")), Accepted)
    session.close()
    made.close()
    seen = set[str]()
    for call in fake.asked[:]:
        operation = operation_of(service, call.method, call.path)
        seen.add(operation.name)
        if call.body:
            fits(operation.input_shape, json.loads(call.body), operation.name)
        answer = fake._respond_as_ses(call)
        if answer.status == 200:  # asked again, an identity is there already
            fits(operation.output_shape, json.loads(answer.body), operation.name)
    easy = json.loads(fake._identify("other.example").body)
    fits(service.operation_model("CreateEmailIdentity").output_shape, easy, "CreateEmailIdentity")
    assert seen == {
        "SendEmail", "GetAccount", "GetEmailIdentity", "GetConfigurationSetEventDestinations",
        "CreateEmailIdentity", "PutEmailIdentityDkimSigningAttributes", "PutEmailIdentityMailFromAttributes",
    }  # fmt: skip


def test_the_codes_that_we_know_are_codes_that_ses_has(service: ServiceModel) -> None:
    modelled = {shape.name for shape in service.operation_model("SendEmail").error_shapes}
    ours = ("TooManyRequests", "LimitExceeded", *verdicts._STOPPED, "MailFromDomainNotVerified")
    of_ses = [code for code in ours if any(name.startswith(code) for name in modelled)]
    # the rest are codes of the older API and of every AWS service
    assert set(ours) - set(of_ses) == {"AccountSendingPaused", "ConfigurationSetSendingPaused"}
    assert {"AccountSuspendedException", "SendingPausedException", "MessageRejected"} <= modelled


def test_events_have_the_models_names(service: ServiceModel) -> None:
    types = service.shape_for("EventType").enum
    assert {name.upper().replace(" ", "_") for name in PARTS} <= {
        *types, "DELIVERYDELAY",
    }  # fmt: skip
    assert {name for story in STORIES.values() for name in story} <= set(PARTS)


def test_it_rewrites_what_ses_rewrites_and_publishes(fake: SesFake) -> None:
    made = transport(fake)
    session = made.open()
    content = (
        b"From: a@acme.example\r\nMessage-ID: <ours@acme.example>\r\nDate: today\r\n"
        b"X-CourierX-Send-ID: abc\r\nSubject: Hi\r\n\r\nbody\r\n"
    )
    for number, name in enumerate(("ann", "bounce", "full", "complaint", "delayed", "reject")):
        envelope = FakeEnvelope(number, f"{name}@x.example", content=content, send_id="abc")
        receipt = session.send(envelope)
        assert isinstance(receipt, Accepted)
        told = [each for each in fake.events if each["mail"]["messageId"] == receipt.provider_id]
        assert [each["eventType"] for each in told] == list(STORIES["" if name == "ann" else name])
        assert {each["mail"]["tags"]["courierx_send_id"][0] for each in told} == {"abc"}
    session.close()
    made.close()
    got = message_from_bytes(fake.delivered[0])
    assert got["Message-ID"] == f"<{'0102018000000001'}-fake-000000@eu-central-1.amazonses.com>"
    assert (got["X-CourierX-Send-ID"], got.get_payload()) == ("abc", "body\r\n")
    assert got["Date"] != "today"
    assert base64.b64decode(fake.accepted[0]["Content"]["Raw"]["Data"]) == content
