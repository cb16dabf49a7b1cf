"""Postfix, OpenSMTPD and Exim, each with the least configuration that does the same.

Mail to `people.example` and `acme.example` is kept; `later@people.example` is put off; mail to `gone.example`
is passed on to another port, whose refusal makes the server write a bounce.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import time
from contextlib import suppress

from courierx_core.testing.certificates import Certificate
from tests.interop.debian import Tree
from tests.ports import free_port

SIZE_MAX = 300_000
LATER = "come back later"
START_SECONDS = 30.0
KEPT = "/var/people/Maildir"


class MailServer:
    """One server, from `__enter__` to `__exit__`; a subclass says how it is configured."""

    name = ""
    takes_utf8 = True
    pipelines = True
    encrypts = True
    journal = ""
    """Where it writes what happens, inside the tree; '': to its standard error."""
    spool = ""

    def __init__(self, tree: Tree, certificate: Certificate, onward: int) -> None:
        """Configure it in the tree; `onward` is the port for mail to gone.example."""
        self.tree = tree
        self.port = free_port()
        self.onward = onward
        self.log = tree.root.parent / f"{self.name}.log"
        self._process: subprocess.Popen[bytes] | None = None
        tree.write("/etc/tls/chain.pem", certificate.chain.read_bytes())
        tree.write("/etc/tls/key.pem", certificate.key.read_bytes(), mode=0o600)

    def configure(self) -> tuple[str, ...]:
        """Write its files; return the command that runs it in the foreground."""
        raise NotImplementedError

    def __enter__(self) -> MailServer:
        for left in (KEPT, self.spool):
            shutil.rmtree(self.tree.path(left), ignore_errors=True)
        self.tree.folder("/var/people", "mail")
        for kind in ("", "/new", "/cur", "/tmp"):
            self.tree.folder(f"{KEPT}{kind}", "mail")
        self._process = self.tree.start(self.log, *self.configure())
        deadline = time.monotonic() + START_SECONDS
        while not self._greets():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.__exit__()
                raise AssertionError(f"{self.name} did not start:\n{self.words()}")
            time.sleep(0.05)
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(10)
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()

    def words(self) -> str:
        logs = [self.log, *([self.tree.path(self.journal)] if self.journal else [])]
        return "\n".join(log.read_text("utf-8", "replace")[-6000:] for log in logs if log.exists())

    def kept(self, count: int) -> list[bytes]:
        """Wait until it has delivered so many messages; return them, lines ended by LF."""
        deadline = time.monotonic() + START_SECONDS
        while len(found := sorted(self.tree.path(f"{KEPT}/new").iterdir())) < count:
            assert time.monotonic() < deadline, f"{len(found)} of {count} came:\n{self.words()}"
            time.sleep(0.02)
        return [each.read_bytes().replace(b"\r\n", b"\n") for each in found]

    def _greets(self) -> bool:
        with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 5) as client:
            return client.recv(3) == b"220"
        return False


class Postfix(MailServer):
    name = "postfix"
    journal = "/var/log/postfix.log"
    spool = "/var/spool/postfix"

    def configure(self) -> tuple[str, ...]:
        self.tree.write("/etc/postfix/main.cf", POSTFIX_MAIN.format(server=self, size=SIZE_MAX, kept=KEPT))
        self.tree.write("/etc/postfix/access", f"later@people.example 450 4.2.1 {LATER}\n")
        self.tree.write("/etc/postfix/mailboxes", "/@/ Maildir/\n")
        self.tree.write("/etc/postfix/transport", f"gone.example smtp:[127.0.0.1]:{self.onward}\n")
        services = self.tree.path("/usr/share/postfix/master.cf.dist").read_text()
        listener = f"127.0.0.1:{self.port} inet"
        services = re.sub(r"^smtp\s+inet", listener, services, flags=re.MULTILINE)
        services = re.sub(r"^pickup\s.*$", "", services, flags=re.MULTILINE)
        # none in a chroot of its own: this tree is one
        services = re.sub(r"^(\S+ +\w+ +\S+ +\S+ +)y ", r"\1n ", services, flags=re.MULTILINE)
        self.tree.write("/etc/postfix/master.cf", services)
        self.tree.folder("/var/lib/postfix", "postfix")
        for queue in ("", "/pid"):
            self.tree.folder(f"{self.spool}{queue}")
        for queue in ("incoming", "active", "bounce", "corrupt", "defer", "deferred", "flush", "hold",
                      "private", "saved", "trace"):  # fmt: skip
            self.tree.folder(f"{self.spool}/{queue}", "postfix", 0o700)
        self.tree.folder(f"{self.spool}/maildrop", "postfix", 0o730, group="postdrop")
        self.tree.folder(f"{self.spool}/public", "postfix", 0o710, group="postdrop")
        return ("/usr/lib/postfix/sbin/master", "-s", "-c", "/etc/postfix")


POSTFIX_MAIN = """\
compatibility_level = 3.6
myhostname = mx.people.example
mydestination =
mynetworks = 127.0.0.0/8
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
smtp_host_lookup = native
smtp_dns_support_level = disabled
alias_maps =
message_size_limit = {size}
smtputf8_enable = yes
smtpd_tls_security_level = may
smtpd_tls_chain_files = /etc/tls/key.pem /etc/tls/chain.pem
smtpd_relay_restrictions = permit_mynetworks, reject
smtpd_recipient_restrictions = check_recipient_access texthash:/etc/postfix/access
transport_maps = texthash:/etc/postfix/transport
virtual_mailbox_domains = people.example acme.example
virtual_mailbox_base = /var/people
virtual_mailbox_maps = regexp:/etc/postfix/mailboxes
virtual_uid_maps = static:900
virtual_gid_maps = static:900
virtual_mailbox_limit = 0
maillog_file = {server.journal}
"""


class OpenSmtpd(MailServer):
    name = "opensmtpd"
    spool = "/var/spool/smtpd"
    takes_utf8 = False
    pipelines = False
    encrypts = False
    """Debian 12's 6.8 offers STARTTLS, but finds no private key with OpenSSL 3 (OpenSMTPD's issue 1171)."""

    def configure(self) -> tuple[str, ...]:
        text = OPENSMTPD.format(server=self, size=SIZE_MAX, later=LATER, kept=KEPT)
        self.tree.write("/etc/smtpd.conf", text)
        self.tree.write("/etc/mailname", "mx.people.example\n")
        self.tree.folder("/var/lib/opensmtpd/empty")
        self.tree.folder(self.spool, mode=0o711)
        return ("/usr/sbin/smtpd", "-d")


OPENSMTPD = """\
smtp max-message-size {size}
pki ours cert "/etc/tls/chain.pem"
pki ours key "/etc/tls/key.pem"
table everybody {{ "@" = mail }}
filter later phase rcpt-to match rcpt-to regex "later@.*" reject "450 4.2.1 {later}"
listen on 127.0.0.1 port {server.port} tls pki ours filter later hostname mx.people.example
action keep maildir "{kept}" virtual <everybody>
action onward relay host smtp://127.0.0.1:{server.onward}
match from any for domain {{ "people.example" "acme.example" }} action keep
match from any for domain "gone.example" action onward
"""


class Exim(MailServer):
    name = "exim"
    journal = "/var/log/exim4/mainlog"
    spool = "/var/spool/exim4"

    def configure(self) -> tuple[str, ...]:
        text = EXIM.format(server=self, size=SIZE_MAX, later=LATER, kept=KEPT)
        self.tree.write("/etc/exim4/exim4.conf", text)
        self.tree.write("/etc/tls/exim.pem", self.tree.path("/etc/tls/key.pem").read_bytes(), mode=0o644)
        for folder in (self.spool, "/var/log/exim4"):
            self.tree.folder(folder, "Debian-exim")
        return ("/usr/sbin/exim4", "-bdf")


EXIM = """\
primary_hostname = mx.people.example
daemon_smtp_ports = {server.port}
local_interfaces = 127.0.0.1
message_size_limit = {size}
tls_advertise_hosts = *
tls_certificate = /etc/tls/chain.pem
tls_privatekey = /etc/tls/exim.pem
smtputf8_advertise_hosts = *
smtp_accept_queue_per_connection = 0
smtp_accept_max = 0
acl_smtp_rcpt = recipient
begin acl
recipient:
  defer local_parts = later
        message = 450 4.2.1 {later}
  accept
begin routers
onward:
  driver = manualroute
  domains = gone.example
  transport = onward
  route_list = * 127.0.0.1
  self = send
people:
  driver = accept
  transport = people
begin transports
people:
  driver = appendfile
  directory = {kept}
  maildir_format
  user = mail
  group = mail
onward:
  driver = smtp
  port = {server.onward}
  allow_localhost
"""

SERVERS = (Postfix, OpenSmtpd, Exim)
