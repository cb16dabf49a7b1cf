"""The SMTP test server: pipelining, scripted, and the durable oracle of the fault tests.

`SmtpServer` runs it in a process of its own, or in a thread when its script is a function.
`python -m courierx_core.testing.smtp --port 0 --spool FILE` runs it by hand.
"""

from __future__ import annotations

import argparse
import os
import socket
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

import msgspec

from courierx_core.testing.certificates import Certificate, make_certificate
from courierx_core.testing.dialogue import ServerOptions
from courierx_core.testing.script import Rule, Script, decode_rules, script_of
from courierx_core.testing.smtpd import Smtpd
from courierx_core.testing.spool import ReceivedMessage, Spool, duplicates, read_spool

_START_SECONDS = 20.0


class SmtpServer:
    """A server on a free loopback port, from `__enter__` to `__exit__`.

    `rules` script the server in its own process; `script` (a function) needs a thread of this one. What it
    took is in `spool`, which outlives both. With `options.tls` and no certificate it makes its own.
    `kill` and `start` play a crash: the port and the spool stay.
    """

    def __init__(
        self,
        options: ServerOptions | None = None,
        *,
        rules: Sequence[Rule] = (),
        script: Script | None = None,
        thread: bool = False,
        folder: Path | None = None,
        certificate: Certificate | None = None,
        transcript: bool = False,
    ) -> None:
        if script is not None and rules:
            raise ValueError("give rules or a script, not both")
        self._own_folder = None if folder else tempfile.TemporaryDirectory(prefix="courierx-smtp-")
        self.folder = folder or Path(self._own_folder.name if self._own_folder else "")
        self.folder.mkdir(parents=True, exist_ok=True)
        self.spool = self.folder / "spool"
        self.host = "127.0.0.1"
        self.port = 0
        self.certificate = certificate
        self._options = options or ServerOptions()
        self._rules = list(rules)
        self._script = script
        self._in_thread = thread or script is not None
        self._transcript = self.folder / "transcript" if transcript else None
        self._process: subprocess.Popen[str] | None = None
        self._smtpd: Smtpd | None = None
        self._thread: threading.Thread | None = None

    def __enter__(self) -> SmtpServer:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        if self._own_folder:
            self._own_folder.cleanup()

    @property
    def url(self) -> str:
        """What SMTP_URL would be, without a user: TLS as offered, required."""
        if self._options.tls == "implicit":
            return f"smtps://{self.host}:{self.port}"
        starttls = "required" if self._options.tls == "starttls" else "never"
        return f"smtp://{self.host}:{self.port}?starttls={starttls}"

    @property
    def pid(self) -> int:
        """The id of its process: this one's, when the server is a thread or does not run."""
        return self._process.pid if self._process else os.getpid()

    def start(self) -> None:
        """Listen: on a free port the first time, on the same one after that."""
        options = self._options
        if options.tls != "none" and not options.chain:
            if self.certificate is None:
                self.certificate = make_certificate(self.folder / "tls")
            options = msgspec.structs.replace(
                options, chain=str(self.certificate.chain), key=str(self.certificate.key)
            )
        if self._in_thread:
            self._start_thread(options)
        else:
            self._start_process(options)

    def stop(self) -> None:
        """End the server and wait for it."""
        if self._smtpd is not None and self._thread is not None:
            self._smtpd.stop()
            self._thread.join()
            self._smtpd = self._thread = None
        self._end_process(kill=False)

    def kill(self) -> None:
        """End the server's process with SIGKILL."""
        if self._process is None:
            raise ValueError("only a server in a process of its own can be killed")
        self._end_process(kill=True)

    def received(self) -> list[ReceivedMessage]:
        """Return every copy taken so far, in order."""
        return read_spool(self.spool)

    def counts(self) -> Counter[str]:
        """Count the copies by recipient."""
        return Counter(message.recipient for message in self.received())

    def duplicates(self) -> dict[tuple[str, str], int]:
        """Count the (recipient, send id) pairs that arrived more than once."""
        return duplicates(self.received())

    def transcript(self) -> list[str]:
        """Return `connection plain|tls command` for each command and each connection, in order."""
        if self._transcript is None:
            raise ValueError("make the server with transcript=True")
        if not self._transcript.exists():
            return []
        return self._transcript.read_text("utf-8", "replace").splitlines()

    def _start_thread(self, options: ServerOptions) -> None:
        listener = listen(self.host, self.port)
        self.port = listener.getsockname()[1]
        script = self._script or (script_of(self._rules) if self._rules else None)
        spool = Spool(self.spool, options.keep, fsync=options.fsync)
        self._smtpd = Smtpd(listener, spool, options, script, self._transcript)
        self._thread = threading.Thread(target=self._smtpd.serve, name="smtp-server", daemon=True)
        self._thread.start()

    def _start_process(self, options: ServerOptions) -> None:
        command = [sys.executable, "-m", "courierx_core.testing.smtp", "--host", self.host]
        command += ["--port", str(self.port), "--spool", str(self.spool), "--with-parent"]
        command += ["--options", msgspec.json.encode(options).decode()]
        command += ["--rules", msgspec.json.encode(self._rules).decode()]
        if self._transcript:
            command += ["--transcript", str(self._transcript)]
        path = os.pathsep.join(entry for entry in sys.path if entry)
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONPATH": path},
        )
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line.startswith("listening "):
            self._end_process(kill=True)
            raise RuntimeError(f"the SMTP server did not start: it said {line!r}")
        self.port = int(line.split()[1])

    def _end_process(self, *, kill: bool) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        if kill:
            process.kill()
        else:
            process.terminate()
        for pipe in (process.stdin, process.stdout):
            if pipe:
                pipe.close()
        process.wait(_START_SECONDS)


def listen(host: str, port: int) -> socket.socket:
    """Open a listening socket; port 0 takes a free one."""
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((host, port))
    listener.listen(1024)
    return listener


def main(arguments: Sequence[str] | None = None) -> None:
    """Serve until killed; with --with-parent, until standard input ends too."""
    parser = argparse.ArgumentParser(prog="python -m courierx_core.testing.smtp", description=main.__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--spool", type=Path, required=True)
    parser.add_argument("--transcript", type=Path)
    parser.add_argument("--with-parent", action="store_true", help="stop when standard input ends")
    parser.add_argument("--rules", default="[]", help="a JSON list of courierx_core.testing.script.Rule")
    parser.add_argument("--options", default="{}", help="a JSON courierx_core.testing.dialogue.ServerOptions")
    given = parser.parse_args(arguments)
    rules = decode_rules(given.rules)
    options = msgspec.json.decode(given.options, type=ServerOptions)
    listener = listen(given.host, given.port)
    spool = Spool(given.spool, options.keep, fsync=options.fsync)
    smtpd = Smtpd(listener, spool, options, script_of(rules) if rules else None, given.transcript)
    print(f"listening {listener.getsockname()[1]}", flush=True)
    if given.with_parent:
        threading.Thread(target=_stop_with_parent, args=(smtpd,), daemon=True).start()
    smtpd.serve()


def _stop_with_parent(smtpd: Smtpd) -> None:
    while os.read(0, 4096):
        pass
    smtpd.stop()


if __name__ == "__main__":
    main()
