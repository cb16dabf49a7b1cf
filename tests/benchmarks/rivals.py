"""What the pipeline is held against: Postfix's load generator, and the usual Python with the same books."""

from __future__ import annotations

import resource
import shutil
import smtplib
import subprocess
import tempfile
import time
from email.message import EmailMessage
from pathlib import Path

import psycopg
from jinja2 import Environment

from tests.benchmarks.campaign import HTML, TEXT, address
from tests.benchmarks.figures import Figures
from tests.benchmarks.sink import SBIN, PostfixSink, Sink
from tests.servers import TEMPLATE, PostgresServer

CONNECTIONS = 20
"""As many as our SMTP transport opens by default."""


def measure_smtp_source(messages: int, size: int) -> Figures | None:
    """Send messages of that size with `smtp-source -d`, which keeps no books; None where it is missing."""
    program = shutil.which("smtp-source", path=SBIN)
    if program is None or shutil.which("smtp-sink", path=SBIN) is None:
        return None
    with tempfile.TemporaryDirectory(prefix="courierx-bench-") as name, PostfixSink(Path(name)) as sink:
        command = [program, "-d", "-l", str(size), "-m", str(messages), "-s", str(CONNECTIONS)]
        before, began = _children_cpu(), time.monotonic()
        subprocess.run([*command, f"127.0.0.1:{sink.port}"], check=True)
        seconds = time.monotonic() - began
        used = _children_cpu() - before
        sink.hold("smtp-source", messages)
    return {"per_second": messages / seconds, "worker_cpu_us": used / messages * 1e6}


def _children_cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def measure_textbook(messages: int, sink_kind: type[Sink], postgres: PostgresServer) -> Figures:
    """Send with Jinja, EmailMessage and smtplib, and the same books: a row intended, then recorded."""
    jinja = Environment(autoescape=True)
    html, text = jinja.from_string(HTML), jinja.from_string(TEXT)
    with (
        tempfile.TemporaryDirectory(prefix="courierx-bench-") as name,
        sink_kind(Path(name)) as sink,
        postgres.database(template=TEMPLATE) as database,
        psycopg.connect(postgres.url(database), autocommit=True) as connection,
        smtplib.SMTP("127.0.0.1", sink.port) as smtp,
    ):
        connection.execute("CREATE TABLE book (id bigint PRIMARY KEY, state text)")
        began, cpu = time.monotonic(), time.process_time()
        for n in range(messages):
            values = {
                "first_name": "Ann",
                "city": "Oslo",
                "unsubscribe_url": f"https://mail.example.com/u/{n}",
            }
            mail = EmailMessage()
            mail["From"], mail["To"] = "bench@example.com", address(n)
            mail["Subject"] = "Ann, news for Oslo"
            mail.set_content(text.render(values))
            mail.add_alternative(html.render(values), subtype="html")
            connection.execute("INSERT INTO book VALUES (%s, 'sending')", (n,))
            smtp.send_message(mail)
            connection.execute("UPDATE book SET state = 'accepted' WHERE id = %s", (n,))
        seconds, used = time.monotonic() - began, time.process_time() - cpu
        sink.hold("textbook", messages)
    return {"per_second": messages / seconds, "worker_cpu_us": used / messages * 1e6}
