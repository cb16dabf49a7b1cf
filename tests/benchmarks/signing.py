"""Signing one message, in processor time, beside dkimpy with the same key on the same bytes."""

from __future__ import annotations

import time
from collections.abc import Callable

import dkim
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from courierx_core.mail import dkim_key
from courierx_core.mail.dkim import SIGNED, Signer, SigningKey
from tests.benchmarks.figures import Figures, rounded

ROUNDS = 7
NOW = 1_780_000_000


def compare(mail: bytes, number: int) -> dict[str, Figures]:
    """Return microseconds a signature, and how often ours fits into one of dkimpy's."""
    rsa = dkim_key.load(dkim_key.generate("rsa")[0])
    ed25519 = dkim_key.load(dkim_key.generate("ed25519")[0])
    pem = rsa.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    ours = Signer("example.com", [SigningKey("a", "rsa", rsa)])
    second = Signer("example.com", [SigningKey("b", "ed25519", ed25519)])

    def dkimpy() -> bytes:
        relaxed = (b"relaxed", b"relaxed")
        names = list(SIGNED)
        signed: bytes = dkim.sign(mail, b"a", b"example.com", pem, None, relaxed, include_headers=names)
        return signed

    ways: dict[str, Callable[[], object]] = {
        "dkimpy": dkimpy,
        "rsa": lambda: ours.sign(mail, NOW),
        "ed25519": lambda: second.sign(mail, NOW),
    }
    best = dict.fromkeys(ways, float("inf"))
    for _ in range(ROUNDS):
        for name, sign in ways.items():
            times = max(1, number // 7) if name == "dkimpy" else number
            started = time.process_time()
            for _turn in range(times):
                sign()
            best[name] = min(best[name], (time.process_time() - started) / times * 1e6)
    return {
        "signature_cpu_us": {name: rounded(value) for name, value in best.items()},
        "x_dkimpy": {name: rounded(best["dkimpy"] / value) for name, value in best.items()},
    }
