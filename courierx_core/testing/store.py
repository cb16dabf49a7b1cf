"""What every store must keep: subclass, give a `store` fixture (upgraded and empty), and run pytest.

The ledger's own promises are `LedgerContract`'s.
"""

from __future__ import annotations

from courierx_core.testing.store_content import ContentContract
from courierx_core.testing.store_deliveries import DeliveriesContract
from courierx_core.testing.store_domains import DomainsContract
from courierx_core.testing.store_erasures import ErasuresContract
from courierx_core.testing.store_events import EventsContract
from courierx_core.testing.store_idempotency import IdempotencyContract
from courierx_core.testing.store_imports import ImportsContract
from courierx_core.testing.store_metrics import MetricsContract
from courierx_core.testing.store_people import PeopleContract
from courierx_core.testing.store_platform import PlatformContract
from courierx_core.testing.store_pruning import PruningContract
from courierx_core.testing.store_quotas import QuotasContract
from courierx_core.testing.store_reports import ReportContract
from courierx_core.testing.store_resends import ResendContract
from courierx_core.testing.store_segments import SegmentsContract
from courierx_core.testing.store_tracking import TrackingContract
from courierx_core.testing.store_transports import OwnTransportsContract
from courierx_core.testing.store_units import UnitContract
from courierx_core.testing.store_upkeep import UpkeepContract
from courierx_core.testing.store_webhooks import WebhooksContract
from courierx_core.testing.store_work import WorkContract


class StoreContract(
    UnitContract,
    PlatformContract,
    PeopleContract,
    SegmentsContract,
    ImportsContract,
    ContentContract,
    DomainsContract,
    DeliveriesContract,
    ResendContract,
    EventsContract,
    ReportContract,
    TrackingContract,
    IdempotencyContract,
    ErasuresContract,
    WorkContract,
    UpkeepContract,
    PruningContract,
    QuotasContract,
    OwnTransportsContract,
    MetricsContract,
    WebhooksContract,
):
    """Every repository, both kinds of unit, and that no tenant sees another's rows."""
