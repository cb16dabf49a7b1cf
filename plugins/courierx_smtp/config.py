"""Settings of the SMTP transport."""

from __future__ import annotations

import ipaddress
import re
import socket
from pathlib import Path
from typing import Annotated, Literal, TypeAlias
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

import msgspec
from msgspec import Meta

from courierx_core.ports.driver import Config, Secret

Tls: TypeAlias = Literal["implicit", "required", "opportunistic", "never"]
Seconds: TypeAlias = Annotated[float, Meta(gt=0)]
_TAKES = "smtp://user:password@host:587?starttls=required|opportunistic|never or smtps://host:465"
_HOST_NAME = re.compile(r"[A-Za-z0-9._:\[\]-]+")


class Server(msgspec.Struct, frozen=True, kw_only=True):
    """Where to connect, and how."""

    host: str
    port: int
    tls: Tls
    user: str = ""
    password: Secret = Secret("")


class SmtpConfig(Config, frozen=True, kw_only=True):
    """A relay, how much it takes, and how long it may think (RFC 5321 section 4.5.3.2).

    Short time-outs make uncertainty: a message whose final reply did not come in time may have been taken.
    """

    url: Annotated[Secret, Meta(extra={"env": "SMTP_URL"}, examples=[_TAKES])]
    """STARTTLS is required unless the host is loopback; certificates are always verified."""
    per_second: Annotated[int, Meta(ge=0)] = 0
    """Messages per second; 0 is no limit."""
    max_concurrency: Annotated[int, Meta(ge=1, le=1000)] = 20
    """Connections of one session at most."""
    max_messages: Annotated[int, Meta(ge=0)] = 0
    """Messages on one connection before it is closed; 0 is no limit."""
    idle_seconds: Seconds = 60.0
    """A connection unused for longer is closed rather than used again."""
    connect_seconds: Seconds = 30.0
    """For connecting, and for each answer up to the end of AUTH."""
    mail_seconds: Seconds = 300.0
    rcpt_seconds: Seconds = 300.0
    data_seconds: Seconds = 120.0
    final_seconds: Seconds = 600.0
    helo: str = ""
    """Our name in EHLO; '' uses the machine's, or [127.0.0.1] where it has none."""
    ca_file: Path | None = None
    """A PEM file of authorities to trust instead of the system's."""

    def __post_init__(self) -> None:
        parse_url(self.url)
        if self.helo and not _HOST_NAME.fullmatch(self.helo):
            raise ValueError(f"helo is {self.helo!r}; it takes a host name or an address in brackets")

    def server(self) -> Server:
        return parse_url(self.url)

    def helo_name(self) -> str:
        name = self.helo or socket.gethostname()
        return name if self.helo or "." in name else "[127.0.0.1]"


def parse_url(url: Secret) -> Server:
    """Read an SMTP URL. Raises ValueError that never shows the URL, since it may hold a password."""
    try:
        parts = urlsplit(url.reveal())
        port = parts.port
    except ValueError:
        raise ValueError(f"the SMTP URL is not a URL; it takes {_TAKES}") from None
    if parts.scheme not in ("smtp", "smtps") or not parts.hostname:
        raise ValueError(f"the SMTP URL needs the scheme smtp or smtps and a host; it takes {_TAKES}")
    return Server(
        host=parts.hostname,
        port=port or (465 if parts.scheme == "smtps" else 587),
        tls=_tls(parts),
        user=unquote(parts.username or ""),
        password=Secret(unquote(parts.password or "")),
    )


def _tls(parts: SplitResult) -> Tls:
    query = parse_qs(parts.query, keep_blank_values=True)
    if unknown := query.keys() - {"starttls"}:
        raise ValueError(f"the SMTP URL has the unknown option {min(unknown)!r}; it takes {_TAKES}")
    asked = query.get("starttls", [""])[-1]
    if parts.scheme == "smtps":
        if asked:
            raise ValueError("an smtps URL is encrypted from the start and takes no starttls option")
        return "implicit"
    if asked == "":
        return "never" if is_loopback(parts.hostname or "") else "required"
    if asked in ("required", "opportunistic", "never"):
        return asked  # type: ignore[return-value]
    raise ValueError(f"starttls is {asked!r} in the SMTP URL; it takes required, opportunistic or never")


def is_loopback(host: str) -> bool:
    """Tell whether mail to this host stays on the machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
