"""Connecting, up to the moment when mail may be sent: the standard library's SMTP client and TLS.

Certificates are always verified. A server that withholds a required STARTTLS, has another name or an
expired certificate is told nothing more.
"""

from __future__ import annotations

import smtplib
import socket
import ssl

from courierx_core.ports.transport import TransportDown
from courierx_smtp.config import Server, SmtpConfig, is_loopback
from courierx_smtp.offers import Offers, read_offers

PLAIN_FIRST = {"PLAIN": "auth_plain", "LOGIN": "auth_login", "CRAM-MD5": "auth_cram_md5"}
DIGEST_FIRST = {"CRAM-MD5": "auth_cram_md5", "PLAIN": "auth_plain", "LOGIN": "auth_login"}


def make_context(config: SmtpConfig) -> ssl.SSLContext:
    """Make the TLS settings: TLS 1.2 at least, names and chains checked. Raises TransportDown."""
    try:
        context = ssl.create_default_context(cafile=str(config.ca_file) if config.ca_file else None)
    except (OSError, ssl.SSLError) as error:
        raise TransportDown(f"ca_file {config.ca_file}: {error}") from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def connect(
    server: Server, config: SmtpConfig, context: ssl.SSLContext | None
) -> tuple[socket.socket, Offers]:
    """Open a connection that is ready for MAIL, non-blocking. Raises TransportDown, without a secret."""
    try:
        client = _greet(server, config, context)
    except (OSError, smtplib.SMTPException, ValueError) as error:
        raise TransportDown(f"{server.host}:{server.port}: {_explain(error, server)}") from None
    try:
        client.ehlo_or_helo_if_needed()
        _encrypt(client, server, context)
        _log_in(client, server)
        return _detach(client)
    except TransportDown:
        client.close()
        raise
    except (OSError, smtplib.SMTPException, ValueError) as error:
        client.close()
        raise TransportDown(f"{server.host}:{server.port}: {_explain(error, server)}") from None


def _greet(server: Server, config: SmtpConfig, context: ssl.SSLContext | None) -> smtplib.SMTP:
    name, seconds = config.helo_name(), config.connect_seconds
    if server.tls == "implicit":
        return smtplib.SMTP_SSL(server.host, server.port, name, timeout=seconds, context=context)
    return smtplib.SMTP(server.host, server.port, name, timeout=seconds)


def _encrypt(client: smtplib.SMTP, server: Server, context: ssl.SSLContext | None) -> None:
    if server.tls in ("implicit", "never"):
        return
    if not client.has_extn("starttls"):
        if server.tls == "required":
            raise TransportDown(
                f"{server.host}:{server.port} does not offer STARTTLS, so nothing was sent; see that nobody"
                " strips it, use smtps://, or allow plain text with ?starttls=never"
            )
        return
    code, text = client.starttls(context=context)
    if code != 220:
        raise TransportDown(f"{server.host}:{server.port} refused STARTTLS: {code} {_text(text)}")
    code, text = client.ehlo()
    if code != 250:
        raise TransportDown(f"{server.host}:{server.port} refused EHLO after STARTTLS: {code} {_text(text)}")


def _log_in(client: smtplib.SMTP, server: Server) -> None:
    if not server.user:
        return
    encrypted = isinstance(client.sock, ssl.SSLSocket)
    if not encrypted and server.tls != "never" and not is_loopback(server.host):
        raise TransportDown(
            f"{server.host}:{server.port} does not offer STARTTLS, so the password was not sent to it"
        )
    offered = client.esmtp_features.get("auth", "").upper().split()
    known = (PLAIN_FIRST if encrypted else DIGEST_FIRST).items()
    methods = [(name, method) for name, method in known if name in offered]
    if not methods:
        raise TransportDown(
            f"{server.host}:{server.port} offers no login we know ({' '.join(offered) or 'none at all'});"
            f" we know {', '.join(PLAIN_FIRST)}"
        )
    # One mechanism and one try: a second one would hide a reply too many.
    client.user, client.password = server.user, server.password.reveal()
    name, method = methods[0]
    code, text = client.auth(name, getattr(client, method))
    if code != 235:
        raise smtplib.SMTPAuthenticationError(code, text)


def _detach(client: smtplib.SMTP) -> tuple[socket.socket, Offers]:
    """Take the socket out of the client, which must have nothing unread: that would be a reply too many."""
    sock, file = client.sock, client.file
    assert sock is not None
    sock.setblocking(False)
    if file is not None:
        try:
            unread = file.peek(1)
        except ssl.SSLWantReadError:
            unread = b""
        if unread:
            raise TransportDown("the server answered more than it was asked before any mail was sent")
        file.close()
    client.sock = client.file = None
    return sock, read_offers(client.esmtp_features)


def _explain(error: Exception, server: Server) -> str:
    if isinstance(error, smtplib.SMTPResponseException):
        text = f"{error.smtp_code} {_text(error.smtp_error)}"
    elif isinstance(error, ssl.SSLCertVerificationError):
        text = f"its certificate was not accepted: {error.verify_message}"
    elif isinstance(error, TimeoutError):
        text = "it did not answer in time"
    else:
        text = str(error) or type(error).__name__
    secret = server.password.reveal()
    return text.replace(secret, "***") if secret else text


def _text(raw: bytes | str) -> str:
    text = raw.decode("ascii", "replace") if isinstance(raw, bytes) else raw
    return text.replace("\n", " ")[:500]
