"""What Postfix, OpenSMTPD and Exim pass on of a signed campaign, OpenDKIM and dkimpy still take for ours."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import dkim

from courierx_app.demo import HTML, TEXT
from tests.e2e.conftest import Platform
from tests.interop.debian import Tree
from tests.interop.mailservers import MailServer

PEOPLE = ("ann@people.example", "bob@people.example")


def verdicts(tree: Tree, mail: bytes) -> list[str]:
    """Ask OpenDKIM about each signature of a mail."""
    tree.write("/tmp/mail", mail)
    told = tree.run("opendkim", "-x", "/tmp/opendkim.conf", "-v", "-v", "-t", "/tmp/mail")
    return re.findall(r"dkim=(\w+) ", told)


def test_the_signatures_hold_when_mail_has_passed(
    mta: MailServer, tree: Tree, assemble: Callable[..., Platform], smtp_transport: Callable[..., Any]
) -> None:
    platform = assemble(smtp_transport(f"smtp://127.0.0.1:{mta.port}"))
    records = platform.published("acme.example")
    tree.write("/tmp/keys", b"".join(b"%s %s\n" % record for record in records.items()))
    tree.write("/tmp/opendkim.conf", "Mode v\nTestPublicKeys /tmp/keys\nSyslog no\n")
    platform.people(*PEOPLE)
    with platform.worker():
        platform.finish(platform.start(html=HTML, text=TEXT + "\n.\n two  spaces \n\n\n"))
    for kept in mta.kept(len(PEOPLE)):
        mail = kept.replace(b"\n", b"\r\n")
        assert verdicts(tree, mail) == ["pass", "pass"]
        for place in range(2):
            assert dkim.DKIM(mail).verify(place, dnsfunc=lambda name, timeout=5: records[name[:-1]])
        changed = re.sub(rb"(?m)^List-Unsubscribe-Post: .*$", b"List-Unsubscribe-Post: no\r", mail)
        assert verdicts(tree, changed) == ["fail", "fail"]
