"""The demonstration: the whole platform once, for real, with every recipient accounted for.

A tenant, a CSV with bad lines, suppressed people, a personalised campaign, SMTP to a server in a
process of its own that refuses some for good and some at first, bounces that come back by the inbound
listener, readers who open, click and unsubscribe by the links in the mail they got, and a report held against
that server, its refusals, those bounces and those readers.
"""

from __future__ import annotations

import io
import secrets
from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec

from courierx_app.container import opened
from courierx_app.demo_bounces import RETURN_PATH, give_back, return_path
from courierx_app.demo_readers import Readings, Website, read_mail
from courierx_app.listening import bind
from courierx_app.people import people
from courierx_app.sending import send_until_done
from courierx_app.settings import read
from courierx_core.campaigns import service as campaigns
from courierx_core.campaigns.model import Campaign
from courierx_core.campaigns.service import Report
from courierx_core.courier import Courier
from courierx_core.imports.steps import ImportReport, import_csv
from courierx_core.suppression.model import Suppression
from courierx_core.tenants.model import Tenant
from courierx_core.testing.dialogue import ServerOptions
from courierx_core.testing.script import Rule
from courierx_core.testing.smtp import SmtpServer
from courierx_core.testing.spool import Keep, ReceivedMessage, duplicates

HTML = """\
<!doctype html>
<html><body style="font-family: sans-serif">
<h1>Hello {{ first_name }}!</h1>
<p>You are number {{ last_name }} and live in {{ city }}; your plan is <b>{{ plan }}</b>.</p>
<p>Read <a href="https://example.com/news">the news</a>, see <a href="https://example.com/offers">what is
on offer in {{ city }}</a>, or <a href="{{ unsubscribe_url }}">unsubscribe</a>.</p>
</body></html>
"""
TEXT = """\
Hello {{ first_name }}!

You are number {{ last_name }} and live in {{ city }}; your plan is {{ plan }}.

Unsubscribe: {{ unsubscribe_url }}
"""
BAD_LINES = b"not an address,Nobody,,,\nno-domain@,Nobody,,,\ntwo@@example.com,Nobody,,,\n"
REFUSED = "550 5.1.1 There is no such user here"
READ_UP_TO = 20_000
"""People whose mail is kept whole to be read; of a larger audience nobody reads."""
GONE = "gone.example"
MOVED = "moved.example"
BUSY = "450 4.2.1 This mailbox is busy, try again later"


class Sink(msgspec.Struct, frozen=True):
    """What the mail server holds. `lost`: accepted by our books and not there."""

    messages: int
    duplicates: int
    lost: int


class DemoResult(msgspec.Struct, frozen=True):
    """What a demonstration ends with. `seconds` and the rate are of the sending alone."""

    audience: int
    states: Mapping[str, int]
    sink: Sink
    readings: Readings
    refused: int
    """People whose mail the server refused for good."""
    returned: int
    """Mail that the server had taken, and that came back as a bounce."""
    seconds: float
    messages_per_second: float
    report: Report
    imported: ImportReport

    def as_json(self) -> dict[str, object]:
        """Return what `--json` prints."""
        return {
            "audience": self.audience,
            "states": self.states,
            "sink": self.sink,
            "refused": self.refused,
            "returned": self.returned,
            "events": self.report.events,
            "seconds": round(self.seconds, 3),
            "messages_per_second": round(self.messages_per_second, 1),
        }

    @property
    def adds_up(self) -> bool:
        """The states add up to the audience, and agree with what the server holds, what came back and what
        the readers did."""
        people = {kind: tally.people for kind, tally in self.report.events.items()}
        bounced = self.refused + self.returned
        did = {**msgspec.structs.asdict(self.readings), "bounced": bounced}
        return (
            sum(self.states.values()) == self.audience
            and self.sink.lost == self.sink.duplicates == 0
            and arrived(self.states) + self.returned == self.sink.messages
            and self.states.get("bounced", 0) == bounced
            and people == {kind: n for kind, n in did.items() if n}
        )


def arrived(states: Mapping[str, int]) -> int:
    """Count those whose mail is there, and did not come back."""
    return states.get("accepted", 0) + states.get("delivered", 0)


def address(n: int) -> str:
    """Name the n-th person: of a hundred one has gone for good, one is busy at first, and the mail of one
    comes back later."""
    host = {37: GONE, 73: "busy.example", 53: MOVED}.get(n % 100, "example.com")
    return f"person{n}@{host}"


def is_suppressed(n: int) -> bool:
    return n % 50 == 11


def run_demo(
    folder: Path,
    recipients: int,
    *,
    show: Callable[[Report], None] | None = None,
    environ: Mapping[str, str] | None = None,
) -> DemoResult:
    """Run it in `folder`, with `recipients` people; `environ` overrides the demonstration's settings."""
    rules = [
        Rule(stage="rcpt", recipient=f"*@{GONE}", action=REFUSED),
        Rule(stage="rcpt", recipient="*@busy.example", action=BUSY, each=1),
    ]
    keep: Keep = "whole" if recipients <= READ_UP_TO else "none"
    listener, mx = bind("127.0.0.1", 0), bind("127.0.0.1", 0)
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    options = ServerOptions(keep=keep)
    with SmtpServer(options, rules=rules, folder=folder / "smtp-server") as server, listener, mx:
        settings = {
            "DATABASE_URL": f"sqlite:///{folder / 'courierx.db'}",
            "COURIERX_TRANSPORT": "smtp",
            "SMTP_URL": server.url,
            "COURIERX_PUBLIC_URL": url,
            "COURIERX_RETURN_PATH": RETURN_PATH,
            "COURIERX_SECRET_KEY": secrets.token_urlsafe(32),
            "COURIERX_RETRY_SCHEDULE": ",".join(["1"] * 12),
        }
        configuration = read(folder, {**settings, **(environ or {})})
        with opened(configuration, migrate=True) as courier:
            tenant_id = _tenant(courier)
            imported = _audience(courier, tenant_id, recipients)
            campaign = _campaign(courier, tenant_id)
            campaigns.start(courier, tenant_id, campaign.id)
            finished = send_until_done(courier, tenant_id, campaign.id, show)
            received = server.received()
            stays = [mail for mail in received if not mail.recipient.endswith(MOVED)]
            moved = [mail for mail in received if mail.recipient.endswith(MOVED)]
            readings, returned = Readings(), 0
            if keep == "whole":
                host, port = mx.getsockname()
                with return_path(configuration, mx):
                    returned = give_back(host, port, moved)
                with Website(configuration, listener):
                    readings = read_mail(url, stays)
            with courier.store.begin(tenant_id, write=False) as unit:
                report = campaigns.report(unit, campaign.id)
        refused = sum(address(n).endswith(GONE) and not is_suppressed(n) for n in range(recipients))
        return _result(report, finished.seconds, received, readings, refused, returned, imported)


def _tenant(courier: Courier) -> int:
    with courier.store.platform() as platform:
        return platform.tenants.add(Tenant(name="Demo", contact_email="demo@example.com")).id


def _audience(courier: Courier, tenant_id: int, recipients: int) -> ImportReport:
    csv = io.BytesIO(b"".join(people(recipients, address)) + BAD_LINES)
    suppressed = [
        Suppression(tenant_id=tenant_id, address=address(n), reason="asked us to stop", cause="manual")
        for n in range(recipients)
        if is_suppressed(n)
    ]
    with courier.store.begin(tenant_id) as unit:
        unit.suppressions.add_many(suppressed)
    return import_csv(courier, tenant_id, csv)


def _campaign(courier: Courier, tenant_id: int) -> Campaign:
    draft = Campaign(
        tenant_id=tenant_id,
        name="Demo",
        subject="{{ first_name }}, news for {{ city }}",
        html=HTML,
        text=TEXT,
        from_email="Demo <news@example.com>",
    )
    with courier.store.begin(tenant_id) as unit:
        return campaigns.create(courier, unit, draft)


def _result(
    report: Report,
    seconds: float,
    received: list[ReceivedMessage],
    readings: Readings,
    refused: int,
    returned: int,
    imported: ImportReport,
) -> DemoResult:
    people_there = {message.recipient for message in received}
    lost = max(0, arrived(report.states) + returned - len(people_there))
    sink = Sink(len(received), len(duplicates(received)), lost)
    rate = sink.messages / seconds if seconds else 0.0
    return DemoResult(
        report.audience, report.states, sink, readings, refused, returned, seconds, rate, report, imported
    )
