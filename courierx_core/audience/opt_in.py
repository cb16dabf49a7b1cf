"""Double opt-in: who asks to be on a public list gets one mail, and is on it once they say yes on its page.

Nothing tells a stranger whether an address is known here. What was asked, shown and confirmed, when and
from where, is kept as the proof of consent.
"""

from __future__ import annotations

from datetime import timedelta

import msgspec

from courierx_core.audience.model import MailingList, OptIn, Subscriber
from courierx_core.audience.preferences import resume
from courierx_core.checking import Checks
from courierx_core.courier import Courier
from courierx_core.erasure.marks import erased_among
from courierx_core.errors import ConfigError, InvalidInput, NotFound
from courierx_core.mail.address import Address
from courierx_core.mail.token import BadToken
from courierx_core.messages import transactional
from courierx_core.messages.new import NewMessage
from courierx_core.ports.store import UnitOfWork
from courierx_core.tenants.model import Tenant

NAME_MAX = 200
ANSWER_WITHIN = timedelta(days=7)
MAILS_A_DAY = 3
"""Confirmation mails that one address gets from a tenant, whoever asks (SECURITY: S23)."""


class Wording(msgspec.Struct, frozen=True):
    """The confirmation mail; `{url}` is where the page is."""

    subject: str
    text: str


class Offer(msgspec.Struct, frozen=True):
    """A public list as a stranger sees it."""

    tenant: Tenant
    list: MailingList


class Asked(msgspec.Struct, frozen=True):
    """An opt-in with what it is about."""

    tenant: Tenant
    list: MailingList
    opt_in: OptIn


def offer(courier: Courier, list_id: int) -> Offer:
    """Return a public list. Raises NotFound for any other."""
    with courier.store.platform(write=False) as platform:
        tenant_id = platform.owner_of("lists", list_id)
    if tenant_id is None:
        raise NotFound(f"There is no list {list_id}.")
    with courier.store.begin(tenant_id, write=False) as unit:
        found = unit.lists.get(list_id)
        if not found.public:
            raise NotFound(f"There is no list {list_id}.")
        return Offer(unit.tenant, found)


def ask(
    courier: Courier,
    offered: Offer,
    wording: Wording,
    *,
    email: str,
    first_name: str = "",
    last_name: str = "",
    language: str = "",
    source: str = "",
) -> OptIn | None:
    """Send the mail that asks for a yes; None where this address has had enough of them today, or its person
    was erased.

    Raises InvalidInput for a bad address or name, ConfigError where the tenant can send nothing.
    """
    checks = Checks()
    new = OptIn(
        tenant_id=offered.tenant.id,
        list_id=offered.list.id,
        email=checks.address("email", email),
        first_name=checks.text("first_name", first_name, longest=NAME_MAX, required=False),
        last_name=checks.text("last_name", last_name, longest=NAME_MAX, required=False),
        language=language,
        asked_from=source,
    )
    checks.done()
    with courier.store.begin(offered.tenant.id) as unit:
        since = courier.runtime.now() - timedelta(days=1)
        enough = unit.opt_ins.asked(new.email, since=since) >= MAILS_A_DAY
        if enough or erased_among(courier, unit, [new.email]):
            return None
        kept = unit.opt_ins.add(new)
        _mail(courier, unit, offered, kept, wording)
    transactional.announce(courier)
    return kept


def look(courier: Courier, token: str) -> Asked:
    """Return what a confirmation link is about. Raises NotFound, for one that is too old also."""
    tenant_id, number = _named(courier, token)
    with courier.store.begin(tenant_id, write=False) as unit:
        return _asked(courier, unit, number)


def confirm(courier: Courier, token: str, *, text: str, source: str = "") -> Asked:
    """Put the person on the list, who was shown `text`; a second time changes nothing. Raises NotFound."""
    tenant_id, number = _named(courier, token)
    with courier.store.begin(tenant_id) as unit:
        asked = _asked(courier, unit, number)
        if asked.opt_in.confirmed_at is not None:
            return asked
        confirmed = unit.opt_ins.confirm(number, text=text, source=source)
        person = _person(unit, confirmed)
        unit.lists.subscribe(confirmed.list_id, [person.id], again=True)
        resume(unit, confirmed.email)
        return msgspec.structs.replace(asked, opt_in=confirmed)


def _mail(courier: Courier, unit: UnitOfWork, offered: Offer, kept: OptIn, wording: Wording) -> None:
    base = (offered.tenant.public_url or courier.runtime.public_url).rstrip("/")
    url = f"{base}/confirm/{courier.tokens.mint('confirm', kept.tenant_id, kept.id)}"
    new = NewMessage(
        to=(Address("", kept.email),),
        subject="{{ subject }}",
        text="{{ text }}",
        variables={"subject": wording.subject, "text": wording.text.replace("{url}", url)},
    )
    try:
        prepared = transactional.prepare(courier, unit, new)
    except InvalidInput as problem:
        raise ConfigError(f"List {kept.list_id} can confirm nobody: {problem}") from problem
    transactional.store(unit, prepared)


def _named(courier: Courier, text: str) -> tuple[int, int]:
    try:
        token = courier.tokens.read(text)
        if token.kind != "confirm":
            raise BadToken("This link is of another kind.")
        with courier.store.platform(write=False) as platform:
            owner = platform.owner_of("opt_ins", token.delivery_id)
        if owner is None:
            raise BadToken("This link is of nothing that is still kept.")
        courier.tokens.verify(token, owner)
    except BadToken as problem:
        raise NotFound(str(problem)) from None
    return owner, token.delivery_id


def _asked(courier: Courier, unit: UnitOfWork, number: int) -> Asked:
    found = unit.opt_ins.get(number)
    late = found.asked_at is None or found.asked_at < courier.runtime.now() - ANSWER_WITHIN
    if late and found.confirmed_at is None:
        raise NotFound("This link is too old.")
    return Asked(unit.tenant, unit.lists.get(found.list_id), found)


def _person(unit: UnitOfWork, confirmed: OptIn) -> Subscriber:
    known = unit.subscribers.by_email(confirmed.email)
    if known is not None:
        return known
    return unit.subscribers.add(
        Subscriber(
            tenant_id=unit.tenant_id,
            email=confirmed.email,
            first_name=confirmed.first_name,
            last_name=confirmed.last_name,
            attributes={"language": confirmed.language} if confirmed.language else {},
        )
    )
