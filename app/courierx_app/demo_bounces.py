"""Bounces of the demonstration: mail that was accepted, and comes back to the return path that it named.

They come in by the real inbound listener, in a thread, on a courier of its own as another process would have.
"""

from __future__ import annotations

import smtplib
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from email.message import EmailMessage, Message
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText

from courierx_app.container import build
from courierx_app.inbound.intake import Intake
from courierx_app.inbound.listener import Listener
from courierx_app.settings import Configuration
from courierx_core.testing.spool import ReceivedMessage

RETURN_PATH = "bounce.example.com"
WHY = "550 5.1.1 The person has moved and left no address"


@contextmanager
def return_path(configuration: Configuration, listener: socket.socket) -> Iterator[None]:
    """Run the inbound listener on a listening socket; closes it."""
    courier, stop = build(configuration), threading.Event()
    listening = Listener(listener, Intake(courier), name=RETURN_PATH)
    thread = threading.Thread(target=listening.serve, args=(stop,), name="courierx-return-path")
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
        courier.close()


def give_back(host: str, port: int, received: Sequence[ReceivedMessage]) -> int:
    """Bounce mail, as a mail server that had taken it; return how many of the bounces were taken."""
    if not received:
        return 0
    with smtplib.SMTP(host, port, "mx.example.net", timeout=30) as connection:
        for mail in received:
            connection.sendmail("", [mail.sender], bounce_of(mail).as_bytes())
    return len(received)


def bounce_of(mail: ReceivedMessage) -> Message:
    """Write the delivery status notification of a mail (RFC 3464)."""
    bounce = MIMEMultipart("report", report_type="delivery-status")
    bounce["From"] = "MAILER-DAEMON@mx.example.net"
    bounce["To"] = mail.sender
    bounce["Subject"] = "Undelivered Mail Returned to Sender"
    bounce["Auto-Submitted"] = "auto-replied"
    bounce.attach(MIMEText(f"Your mail to {mail.recipient} could not be delivered.\n\n{WHY}\n"))
    server, recipient = EmailMessage(), EmailMessage()
    server["Reporting-MTA"] = "dns; mx.example.net"
    recipient["Final-Recipient"] = f"rfc822; {mail.recipient}"
    recipient["Action"] = "failed"
    recipient["Status"] = "5.1.1"
    recipient["Diagnostic-Code"] = f"smtp; {WHY}"
    status = Message()
    status["Content-Type"] = "message/delivery-status"
    status.set_payload([server, recipient])
    bounce.attach(status)
    return bounce
