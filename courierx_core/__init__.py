"""CourierX's framework: the names a plugin author needs."""

from courierx_core.errors import ConfigError, CourierXError, Forbidden, InvalidInput
from courierx_core.hooks import hookimpl
from courierx_core.plugins import API
from courierx_core.ports.driver import Config, Driver, Problem, Runtime, Secret
from courierx_core.ports.feedback import (
    BounceClass,
    Feedback,
    FeedbackKind,
    FeedbackSource,
    HttpReply,
    HttpRequest,
)
from courierx_core.ports.ledger import Outcome
from courierx_core.ports.limiter import Grant, Limiter, Rate
from courierx_core.ports.queue import Queue, Stop
from courierx_core.ports.resolver import NoAnswer, Resolver, TimedOut
from courierx_core.ports.store import Store
from courierx_core.ports.transport import (
    Accepted,
    Attachment,
    Deferred,
    Envelope,
    Fields,
    Receipt,
    Refused,
    Session,
    Traits,
    Transport,
    TransportDown,
    Uncertain,
)

__all__ = [
    "API", "Accepted", "Attachment", "BounceClass", "Config", "ConfigError", "CourierXError", "Deferred",
    "Driver", "Envelope", "Feedback", "FeedbackKind", "FeedbackSource", "Fields", "Forbidden", "Grant",
    "HttpReply", "HttpRequest", "InvalidInput", "Limiter", "NoAnswer", "Outcome", "Problem", "Queue",
    "Rate", "Receipt", "Refused", "Resolver", "Runtime", "Secret", "Session", "Stop", "Store",
    "TimedOut", "Traits", "Transport", "TransportDown", "Uncertain", "hookimpl",
]  # fmt: skip
