"""A campaign's whole report: what `service.report` says, and where and when it happened."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Literal, TypeAlias, get_args

from courierx_core.campaigns import service
from courierx_core.campaigns.service import Report
from courierx_core.feedback.model import BounceClass
from courierx_core.mail.bounce_class import classify
from courierx_core.ports.reports import DomainLine, Frozen, Hour, LinkLine, Reason
from courierx_core.ports.store import UnitOfWork

REASONS_MAX = 1000
"""Groups of reasons that the classes of bounces are counted from."""
RateName: TypeAlias = Literal["delivered", "bounced", "complained", "opened", "clicked", "unsubscribed"]


class FullReport(Report, frozen=True, kw_only=True):
    """`rates` are parts (0 to 1) of what the far side was given: the accepted, delivered and bounced.
    Opens, clicks, complaints and unsubscribes count people, without scanners and proxies."""

    rates: Mapping[RateName, float]
    bounces: Mapping[BounceClass, int]
    """By class: what is to be done about the address."""
    domains: Sequence[DomainLine]
    links: Sequence[LinkLine]
    series: Sequence[Hour]


def full_report(unit: UnitOfWork, campaign_id: int) -> FullReport:
    """Tell what became of everyone, where and when. It reads every row of the campaign: for people, not
    for a loop. Raises NotFound."""
    told = service.report(unit, campaign_id)
    message_id = unit.campaigns.get(campaign_id).message_id or 0
    found = taken_down(unit, message_id)
    return FullReport(
        **{name: getattr(told, name) for name in Report.__struct_fields__},
        rates=rates(told),
        bounces=bounce_classes(found.reasons),
        domains=found.domains,
        links=found.links,
        series=found.hours,
    )


def taken_down(unit: UnitOfWork, message_id: int) -> Frozen:
    """Return what a message's rows and events add up to, or did when they began to go."""
    return unit.reports.frozen(message_id) or Frozen(
        reasons=unit.deliveries.reasons(message_id, limit=REASONS_MAX),
        events=unit.events.tally(message_id),
        domains=unit.reports.domains(message_id),
        links=unit.reports.links(message_id),
        hours=unit.reports.hours(message_id),
    )


def rates(report: Report) -> Mapping[RateName, float]:
    """Return each part of what was handed over; none while nothing was."""
    given = sum(report.states.get(state, 0) for state in ("accepted", "delivered", "bounced"))
    if not given:
        return {}
    people = {kind: tally.people for kind, tally in report.events.items()}
    counted: Mapping[RateName, int] = {
        "delivered": report.states.get("delivered", 0),
        "bounced": report.states.get("bounced", 0),
        "complained": people.get("complained", 0),
        "opened": people.get("opened", 0),
        "clicked": people.get("clicked", 0),
        "unsubscribed": people.get("unsubscribed", 0),
    }
    return {name: round(count / given, 6) for name, count in counted.items()}


def bounce_classes(reasons: Sequence[Reason]) -> Mapping[BounceClass, int]:
    """Count bounces by class: what feedback said of them, else what status and words say."""
    counts: Counter[BounceClass] = Counter()
    for each in reasons:
        if each.state == "bounced":
            known: tuple[BounceClass, ...] = get_args(BounceClass)
            told = next((cls for cls in known if cls == each.reason), None)
            counts[told or classify(each.status, each.example)] += each.count
    return dict(counts.most_common())
