"""Other people's programs, out of Debian's packages, in a folder of their own.

Debian lets one mail server be installed at a time. Here apt resolves each against an empty machine, and what
it downloads is unpacked together into one tree where the programs run by chroot: nothing is installed,
configured or started on the machine itself.
"""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

USERS: Mapping[str, int] = {
    "root": 0,
    "daemon": 1,
    "mail": 900,
    "nobody": 65534,
    "postfix": 901,
    "postdrop": 902,
    "opensmtpd": 903,
    "opensmtpq": 904,
    "Debian-exim": 905,
}
"""Each is also a group of the same number."""

DEVICES = {"null": (1, 3), "zero": (1, 5), "random": (1, 8), "urandom": (1, 9)}
REMEDY = "These tests need root and apt on Debian 12 or later, and its archive: run `apt-get update`."


class Missing(RuntimeError):
    """This machine cannot run other people's mail servers; the text says what to do."""


class Tree:
    """A root file system with programs in it."""

    def __init__(self, folder: Path, *wanted: Sequence[str]) -> None:
        """Download and unpack some sets of packages, each with all it depends on; about 50 MB and 15 s."""
        if os.getuid() != 0 or not shutil.which("apt-get"):
            raise Missing(REMEDY)
        self.root = folder / "root"
        self.root.mkdir(mode=0o755, parents=True)
        for packages in wanted:
            _download(folder, packages)
        for package in sorted((folder / "archives").glob("*.deb")):
            _run("dpkg-deb", "--extract", str(package), str(self.root))
        shutil.rmtree(folder / "archives")
        self._furnish()

    def path(self, name: str) -> Path:
        """Return the outside's path of an absolute one inside."""
        return self.root / name.lstrip("/")

    def write(self, name: str, text: str | bytes, *, mode: int = 0o644) -> None:
        path = self.path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        path.chmod(mode)

    def folder(self, name: str, owner: str = "root", mode: int = 0o755, *, group: str = "") -> None:
        path = self.path(name)
        path.mkdir(parents=True, exist_ok=True)
        os.chown(path, USERS[owner], USERS[group or owner])
        path.chmod(mode)

    def start(self, log: Path, *command: str) -> subprocess.Popen[bytes]:
        """Start a program, in a process group of its own; its words go to a log."""
        with log.open("ab") as words:
            return subprocess.Popen(
                ["chroot", str(self.root), *command],
                stdin=subprocess.DEVNULL,
                stdout=words,
                stderr=words,
                env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"},
                start_new_session=True,
            )

    def run(self, *command: str, user: str = "nobody", given: bytes = b"") -> str:
        """Run a program to its end and return what it says. Raises CalledProcessError."""
        done = subprocess.run(
            ["chroot", f"--userspec={USERS[user]}:{USERS[user]}", str(self.root), *command],
            input=given,
            capture_output=True,
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8", "HOME": "/tmp"},
            check=True,
        )
        return done.stdout.decode("utf-8", "replace")

    def _furnish(self) -> None:
        """Make what packages' own scripts and the machine's start would have made."""
        for name, (major, minor) in DEVICES.items():
            self.folder("/dev")
            os.mknod(self.path(f"/dev/{name}"), 0o666 | stat.S_IFCHR, os.makedev(major, minor))
            self.path(f"/dev/{name}").chmod(0o666)
        for folder in ("/tmp", "/var/tmp"):
            self.folder(folder, mode=0o1777)
        for folder in ("/run", "/var/log"):
            self.folder(folder, mode=0o777)
        if not self.path("/var/run").exists():
            self.path("/var/run").symlink_to("/run")
        users = "".join(f"{name}:x:{id}:{id}::/var/empty:/bin/false\n" for name, id in USERS.items())
        self.write("/etc/passwd", users)
        self.write("/etc/group", "".join(f"{name}:x:{id}:\n" for name, id in USERS.items()))
        self.write("/etc/hosts", "127.0.0.1 localhost\n")


def _download(folder: Path, packages: Sequence[str]) -> None:
    """Fetch packages and everything they depend on, as if the machine had none."""
    (folder / "archives" / "partial").mkdir(parents=True, exist_ok=True)
    (folder / "status").touch()
    options = {
        "Dir::State::status": folder / "status",
        "Dir::Cache::archives": folder / "archives",
        "APT::Install-Recommends": "false",
        "APT::Sandbox::User": "root",
        "Debug::NoLocking": "1",
    }
    given = [f"--option={name}={value}" for name, value in options.items()]
    _run("apt-get", *given, "--quiet", "--yes", "--download-only", "install", *packages)


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise Missing(f"`{' '.join(command)}` failed: {done.stderr[-1500:]}\n{REMEDY}")
