"""A mailing from files: found again by its name and the hash of its inputs, so a second run goes on."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from courierx_core.audience.model import Audience, MailingList
from courierx_core.campaigns import service as campaigns
from courierx_core.campaigns.model import Campaign
from courierx_core.campaigns.preview import preview
from courierx_core.courier import Courier
from courierx_core.errors import ConfigError, Conflict, InvalidInput
from courierx_core.imports.model import Options
from courierx_core.imports.steps import ImportReport, import_csv
from courierx_core.messages.model import GivenOnUncertain
from courierx_core.messages.service import freeze
from courierx_core.ports.driver import Problem, checked
from courierx_core.ports.store import UnitOfWork
from courierx_core.ports.transport import Stream, Transport
from courierx_core.tenants import service as tenants
from courierx_core.transports.ways import way_of

TENANT = "courierx send"
"""The tenant that owns what is sent from the command line."""


class Mailing(msgspec.Struct, frozen=True, kw_only=True):
    """The inputs: a CSV file, templates and addresses, as the person gave them."""

    csv: Path
    subject: str
    html: str
    text: str
    sender: str
    reply_to: str = ""
    name: str = ""
    unsubscribe: str = ""
    on_uncertain: GivenOnUncertain = ""

    def fingerprint(self) -> str:
        """Hash everything that decides who gets what: 16 hexadecimal digits."""
        digest = hashlib.sha256()
        parts = (self.subject, self.html, self.text, self.sender, self.reply_to, self.unsubscribe)
        for part in parts + ((self.on_uncertain,) if self.on_uncertain else ()):
            digest.update(part.encode() + b"\0")
        try:
            with self.csv.open("rb") as file:
                while block := file.read(1 << 20):
                    digest.update(block)
        except OSError as error:
            raise InvalidInput.of(str(self.csv), "unreadable", error.strerror or str(error)) from None
        return digest.hexdigest()[:16]


class Prepared(msgspec.Struct, frozen=True, kw_only=True):
    """A mailing that may be sent: its campaign, its people, and what the first of them would get."""

    tenant_id: int
    campaign: Campaign
    audience: int
    imported: ImportReport
    sample: str
    warnings: Sequence[str]

    @property
    def started(self) -> bool:
        return self.campaign.status != "draft"

    def check_transport(self, courier: Courier) -> None:
        """Raise ConfigError where no far side can be used now, before anybody waits for it."""
        with courier.store.begin(self.tenant_id, write=False) as unit:
            name = way_of(courier, unit, self.campaign.transport)
        errors = [_error(courier.transport(each)) for each in courier.ways(name)]
        problem = errors[0] if errors and all(errors) else None
        if problem is not None:
            raise ConfigError(f"{problem.text.rstrip('.')}. {problem.remedy}".strip())

    def start(self, courier: Courier) -> None:
        campaigns.start(courier, self.tenant_id, self.campaign.id)


def _error(transport: Transport[Any]) -> Problem | None:
    return next((each for each in checked(transport) if each.level == "error"), None)


def prepare(courier: Courier, mailing: Mailing, progress: Callable[[int], None]) -> Prepared:
    """Make the campaign and its list, or find those of an earlier run.

    Raises Conflict when files changed under the same name, InvalidInput for anything unusable.
    """
    fingerprint = mailing.fingerprint()
    name = mailing.name or f"mailing {fingerprint}"
    tenant_id = tenants.ensure(courier.store, TENANT).id
    with courier.store.begin(tenant_id) as unit:
        campaign = unit.campaigns.by_name(name) or _create(courier, unit, mailing, name, fingerprint)
        stored = unit.lists.get(campaign.audience.list_ids[0])
        if stored.name != _list_name(name, fingerprint):
            raise Conflict(
                f"A campaign {name!r} was made from other files or options. Give back the same ones to go on"
                " with it, or take another --name."
            )
    imported = ImportReport()
    if campaign.status == "draft":
        with mailing.csv.open("rb") as file:
            imported = import_csv(
                courier, tenant_id, file, Options(update=True, list_id=stored.id), progress=progress
            )
    if campaign.status == "paused":
        campaign = campaigns.resume(courier, tenant_id, campaign.id)
    with courier.store.begin(tenant_id, write=False) as unit:
        audience = unit.subscribers.count(campaign.audience)
        if not audience and campaign.status == "draft":
            raise Conflict(f"{mailing.csv} holds nobody who may be written to.")
        sample, warnings = _sample(courier, unit, campaign)
    return Prepared(
        tenant_id=tenant_id,
        campaign=campaign,
        audience=audience,
        imported=imported,
        sample=sample,
        warnings=warnings,
    )


def _list_name(name: str, fingerprint: str) -> str:
    return f"{name} [{fingerprint}]"


def _create(courier: Courier, unit: UnitOfWork, mailing: Mailing, name: str, fingerprint: str) -> Campaign:
    people = unit.lists.add(MailingList(tenant_id=unit.tenant_id, name=_list_name(name, fingerprint)))
    return campaigns.create(
        courier,
        unit,
        Campaign(
            tenant_id=unit.tenant_id,
            name=name,
            subject=mailing.subject,
            html=mailing.html,
            text=mailing.text,
            from_email=mailing.sender,
            reply_to=mailing.reply_to,
            audience=Audience(list_ids=(people.id,)),
            unsubscribe=mailing.unsubscribe,
            on_uncertain=mailing.on_uncertain,
            track_opens=False,
            track_clicks=False,
        ),
    )


def _sample(courier: Courier, unit: UnitOfWork, campaign: Campaign) -> tuple[str, Sequence[str]]:
    """Render the message for one of the people, as its reader would see it, once it could be sent."""
    stream: Stream = "transactional" if campaign.unsubscribe == "none" else "broadcast"
    transport = way_of(courier, unit, campaign.transport)
    content = campaigns.content_of(courier, unit, campaign)
    freeze(courier, unit, content, stream=stream, transport=transport)
    seen = preview(courier, unit, campaign.id)
    head = f"From: {seen.from_}\nTo: {seen.email}\nSubject: {seen.subject}"
    return f"{head}\n\n{seen.text or seen.html}", seen.warnings
