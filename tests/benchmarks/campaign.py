"""The campaign that every pipeline sends: 5 KB, text and HTML, 8 tracked links, pixel, VERP, one-click."""

from __future__ import annotations

import os
from collections.abc import Iterator

from courierx_core.audience.model import NewSubscriber
from courierx_core.campaigns import service as campaigns
from courierx_core.campaigns.model import Campaign
from courierx_core.courier import Courier
from courierx_core.tenants.model import Tenant
from tests.benchmarks.sizes import TemplateName

LOREM = "lorem ipsum dolor sit amet consectetur adipiscing elit sed do eiusmod tempor incididunt ut labore "
HTML = (
    "<html><body><h1>Hello {{ first_name }}</h1>"
    + "".join(
        f'<p>{LOREM * 4}<a href="https://www.example.com/{n}">offer {n} for {{{{ city }}}}</a></p>'
        for n in range(8)
    )
    + '<p><a href="{{ unsubscribe_url }}">unsubscribe</a></p></body></html>'
)
TEXT = "Hello {{ first_name }},\n\n" + f"{LOREM}\n" * 6 + "\n{{ unsubscribe_url }}\n"
LOGIC = HTML.replace(
    "<h1>", "{% if city == 'Oslo' %}<p>Hei!</p>{% else %}<p>Hi!</p>{% endif %}"
    "{% for plan in attributes.plans %}<b>{{ plan }}</b>{% endfor %}<h1>",
)  # fmt: skip
TEMPLATES: dict[TemplateName, str] = {"tags": HTML, "logic": LOGIC, "untracked": HTML}
BATCH = 10_000


def environ_of(url: str, port: int, window: int) -> dict[str, str]:
    """Configure an install as a person would, by its environment."""
    return {
        "DATABASE_URL": url,
        "COURIERX_TRANSPORT": "smtp",
        "SMTP_URL": f"smtp://127.0.0.1:{port}?starttls=never",
        "COURIERX_PUBLIC_URL": "https://mail.example.com",
        "COURIERX_RETURN_PATH": "bounce.example.com",
        "COURIERX_SECRET_KEY": "a benchmark's own secret, 32 characters",
        "COURIERX_WINDOW": str(window),
        "PATH": os.environ["PATH"],
    }


def address(number: int) -> str:
    return f"person{number}@example.com"


def people(recipients: int) -> Iterator[list[NewSubscriber]]:
    for at in range(0, recipients, BATCH):
        yield [
            NewSubscriber(address(n), "Ann", f"Nr {n}", {"city": "Oslo", "plans": ["a", "b"]})
            for n in range(at, min(at + BATCH, recipients))
        ]


def prepare(courier: Courier, recipients: int, template: TemplateName) -> tuple[int, int]:
    """Import people, start a campaign and take its whole snapshot; return tenant and campaign."""
    with courier.store.platform() as platform:
        tenant_id = platform.tenants.add(Tenant(name="Bench", contact_email="b@example.com")).id
    for rows in people(recipients):
        with courier.store.begin(tenant_id) as unit:
            unit.subscribers.import_rows(rows)
    draft = Campaign(
        tenant_id=tenant_id,
        name="Bench",
        subject="{{ first_name }}, news for {{ city }}",
        html=TEMPLATES[template],
        text=TEXT,
        track_opens=template != "untracked",
        track_clicks=template != "untracked",
        from_email="Bench <bench@example.com>",
    )
    with courier.store.begin(tenant_id) as unit:
        campaign_id = campaigns.create(courier, unit, draft).id
    campaigns.start(courier, tenant_id, campaign_id)
    ledger = courier.store.ledger()
    while items := ledger.claim("bench", limit=1, lease_seconds=600, topics=("snapshot",)):
        campaigns.snapshot(courier, items[0])
    ledger.close()
    return tenant_id, campaign_id
