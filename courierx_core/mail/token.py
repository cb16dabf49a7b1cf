"""Tokens: the one format behind every link, return path and send id of a delivery.

    k kkk L.. D.. mmmmmmmmmmmmm      base32 digits (RFC 4648 section 6, lower case, no padding)
    | |   |   |   +- 13 digits, 65 bits of keyed BLAKE2b over tenant, delivery and slot
    | |   |   +- delivery id   } numbers of variable length, most significant digit first: 4 bits a
    | |   +- link number       } digit, `a-p` in the last one and `q-7` in those before it
    | +- 15 bits naming the key, so that keys rotate while old links verify for years
    +- kind

Every digit is significant, so a token has exactly one spelling. 38 characters at the most, and nothing
but letters and digits: it fits a URL, a local part and a header alike.

One BLAKE2b digest signs four neighbouring *slots* of a delivery (a kind, or a link of kind click): the
dozen tokens of a message cost three digests, not twelve. Slices of one keyed digest tell nothing about
each other.
"""

from __future__ import annotations

import hashlib
import re
import struct
from collections.abc import Callable, Iterable, Sequence
from hmac import compare_digest
from typing import Literal, TypeAlias, get_args

import msgspec

from courierx_core.errors import ConfigError, NotFound

Kind: TypeAlias = Literal["send", "verp", "unsubscribe", "open", "click", "view", "preferences", "confirm"]

KINDS: tuple[Kind, ...] = get_args(Kind)
"""A kind's place is its digit: append only. The first four share a digest."""

MAX_LENGTH = 38
LINKS = 1 << 20
"""Link numbers are below this."""
DELIVERIES = 1 << 63
"""Delivery ids are below this."""

_DIGITS = "abcdefghijklmnopqrstuvwxyz234567"
_DIGEST, _MAC, _PER_DIGEST = 64, 13, 4
_FIRST_LINK_SLOT = len(_DIGITS)
_FROM_BYTE = bytes(ord(_DIGITS[byte & 31]) for byte in range(256))
_LAST = bytes.maketrans(b"0123456789abcdef", _DIGITS[:16].encode())
_MORE = bytes.maketrans(b"0123456789abcdef", _DIGITS[16:].encode())
_HEX = str.maketrans(_DIGITS, "0123456789abcdef" * 2)
_NUMBER = "((?!q)[q-z2-7]*[a-p])"
_FORM = re.compile(f"([a-z2-7])([a-z2-7]{{3}}){_NUMBER}{_NUMBER}([a-z2-7]{{{_MAC}}})", re.ASCII)
_u64, _u32, _signed = struct.Struct(">Q").pack, struct.Struct(">I").pack, struct.Struct(">QI").pack


class BadToken(NotFound):
    """The text is not a token, or not one of ours; it reads like any unknown id."""


class Token(msgspec.Struct, frozen=True):
    """A token taken apart, not verified yet. `link` is 0 unless the kind is click."""

    kind: Kind
    key_id: int
    delivery_id: int
    link: int
    mac: str


class Stamps:
    """A fixed set of tokens, minted together for one delivery after another.

    Token `i` reads `heads[i]`, then `parts[0]`, then `parts[i + 1]` of `parts = mint(delivery_id)`: the
    head never changes, so whoever writes a thousand mails writes it once.
    """

    __slots__ = ("_blocks", "_places", "_start", "_unpack", "heads")

    def __init__(self, start: hashlib.blake2b, key_id: int, wanted: Iterable[tuple[Kind, int]]) -> None:
        ordered = sorted(wanted, key=lambda pair: _slot(*pair))
        slots = [_slot(*pair) for pair in ordered]
        blocks = sorted({slot // _PER_DIGEST for slot in slots})
        self._places = {pair: place for place, pair in enumerate(ordered)}
        self._start = start.copy
        self._blocks = [_u32(block) for block in blocks]
        self._unpack = struct.Struct("".join(_cut(block, slots) for block in blocks)).iter_unpack
        self.heads = tuple((_stem(kind, key_id) + _number(link)).decode("ascii") for kind, link in ordered)

    def place(self, kind: Kind, link: int = 0) -> int:
        """Return the `i` of a token in `heads`."""
        return self._places[kind, link]

    def mint(self, delivery_id: int) -> tuple[bytes, ...]:
        """Return the delivery's number and the macs in the order of `heads`, all ASCII."""
        return self.mint_all((delivery_id,))[0]

    def mint_all(self, delivery_ids: Sequence[int]) -> list[tuple[bytes, ...]]:
        """Do what `mint` does for many deliveries."""
        start, blocks, digests = self._start, self._blocks, []
        for delivery in map(_u64, delivery_ids):
            for block in blocks:
                state = start()
                state.update(delivery + block)
                digests.append(state.digest())
        macs = self._unpack(b"".join(digests).translate(_FROM_BYTE))
        return [(_number(each), *own) for each, own in zip(delivery_ids, macs, strict=True)]

    def text(self, parts: Sequence[bytes], place: int) -> str:
        """Put one token together from what `mint` gave."""
        return self.heads[place] + (parts[0] + parts[place + 1]).decode("ascii")


class TokenKeys:
    """The secrets that sign tokens, newest first: the first mints, all of them verify.

    Raises ConfigError when there is none, or a blank one.
    """

    def __init__(self, secrets: Sequence[str]) -> None:
        if not secrets or not all(secret.strip() for secret in secrets):
            raise ConfigError(
                "COURIERX_SECRET_KEY holds no secret, or an empty one; it takes a comma-separated list of "
                "long random texts, newest first. Make one with: openssl rand -base64 32"
            )
        self._keys = tuple((_key_id(secret), _key(secret)) for secret in secrets)

    def __repr__(self) -> str:
        return f"TokenKeys({len(self._keys)} keys)"

    def mint(self, kind: Kind, tenant_id: int, delivery_id: int, link: int = 0) -> str:
        """Return a new token. Raises ValueError for a number out of range."""
        if not 0 <= delivery_id < DELIVERIES:
            raise ValueError(f"Delivery id {delivery_id} is not in 0..2**63-1.")
        if not 0 <= link < (LINKS if kind == "click" else 1):
            raise ValueError(f"A token of kind {kind} takes no link number {link}.")
        return self.minter(kind, tenant_id)(delivery_id, link)

    def minter(self, kind: Kind, tenant_id: int) -> Callable[[int, int], str]:
        """Return `(delivery_id, link) -> token` with the key's part of the work done ahead.

        It checks nothing: the link number is 0 unless the kind is click.
        """
        key_id, key = self._keys[0]
        copy, stem, first = _start(key, tenant_id).copy, _stem(kind, key_id), _slot(kind, 0)

        def mint(delivery_id: int, link: int) -> str:
            slot = first + link
            state = copy()
            state.update(_signed(delivery_id, slot >> 2))
            at = (slot & 3) * _MAC
            mac = state.digest()[at : at + _MAC].translate(_FROM_BYTE)
            return (stem + (_number(link) if link else b"a") + _number(delivery_id) + mac).decode("ascii")

        return mint

    def stamps(self, tenant_id: int, wanted: Iterable[tuple[Kind, int]]) -> Stamps:
        """Prepare to mint all of `wanted`, distinct (kind, link) pairs, at once per delivery."""
        key_id, key = self._keys[0]
        return Stamps(_start(key, tenant_id), key_id, wanted)

    def read(self, text: str) -> Token:
        """Take a token apart; it proves nothing until `verify`. Raises BadToken."""
        match = _FORM.fullmatch(text) if len(text) <= MAX_LENGTH else None
        if match is None:
            raise BadToken("This link is incomplete or damaged.")
        digit, key_text, link_text, number, mac = match.groups()
        kind_code, link, delivery_id = _DIGITS.index(digit), _parse(link_text), _parse(number)
        if (
            kind_code >= len(KINDS)
            or link >= LINKS
            or delivery_id >= DELIVERIES
            or (link and KINDS[kind_code] != "click")
        ):
            raise BadToken("This link is incomplete or damaged.")
        key_id = 0
        for char in key_text:
            key_id = key_id << 5 | _DIGITS.index(char)
        return Token(KINDS[kind_code], key_id, delivery_id, link, mac)

    def verify(self, token: Token, tenant_id: int) -> None:
        """Check that we minted it for that tenant, in constant time. Raises BadToken."""
        block, part = divmod(_slot(token.kind, token.link), _PER_DIGEST)
        for key_id, key in self._keys:
            if key_id != token.key_id:
                continue
            state = _start(key, tenant_id)
            state.update(_signed(token.delivery_id, block))
            mac = state.digest()[part * _MAC : part * _MAC + _MAC].translate(_FROM_BYTE)
            if compare_digest(mac, token.mac.encode("ascii")):
                return
        raise BadToken("This link is incomplete or damaged.")


def _slot(kind: Kind, link: int) -> int:
    return _FIRST_LINK_SLOT + link if kind == "click" else KINDS.index(kind)


def _cut(block: int, slots: Sequence[int]) -> str:
    """Return the struct format that takes the wanted macs out of one digest."""
    parts = range(block * _PER_DIGEST, (block + 1) * _PER_DIGEST)
    rest = _DIGEST - _MAC * _PER_DIGEST
    return "".join(f"{_MAC}{'s' if slot in slots else 'x'}" for slot in parts) + f"{rest}x"


def _stem(kind: Kind, key_id: int) -> bytes:
    places = (KINDS.index(kind), key_id >> 10, key_id >> 5 & 31, key_id & 31)
    return bytes(ord(_DIGITS[place]) for place in places)


def _number(value: int) -> bytes:
    digits = b"%x" % value
    return digits[:-1].translate(_MORE) + digits[-1:].translate(_LAST)


def _parse(number: str) -> int:
    return int(number.translate(_HEX), 16)


def _key(secret: str) -> bytes:
    return hashlib.blake2b(secret.encode(), person=b"courierx token").digest()


def _key_id(secret: str) -> int:
    name = hashlib.blake2b(secret.encode(), digest_size=2, person=b"courierx key id").digest()
    return int.from_bytes(name, "big") >> 1


def _start(key: bytes, tenant_id: int) -> hashlib.blake2b:
    return hashlib.blake2b(_u64(tenant_id), key=key)
