"""Addresses: `Name <local@domain>` read, checked, brought to one form, and written as header text."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from email.errors import HeaderParseError
from email.header import decode_header, make_header

import msgspec

from courierx_core.errors import InvalidInput
from courierx_core.mail.header import encoded_words, fold, is_plain, one_line

LOCAL_MAX, ADDRESS_MAX, LABEL_MAX = 64, 254, 63
"""Octets (RFC 5321 section 4.5.3.1, RFC 1035 section 2.3.4)."""

_ATEXT = r"A-Za-z0-9!#$%&'*+/=?^_`{|}~"
_LOCAL = re.compile(rf"[{_ATEXT}\x80-\U0010ffff-]+(?:\.[{_ATEXT}\x80-\U0010ffff-]+)*")
_LDH = re.compile(r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?")
_PHRASE = re.compile(rf"[{_ATEXT}-]+(?: [{_ATEXT}-]+)*")
_ANGLE = re.compile(r"(.*)<([^<>]*)>", re.DOTALL)
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"')
_DOTS = str.maketrans("\u3002\uff0e\uff61", "...")  # what IDNA takes for a dot (RFC 3490 section 3.1)


class Address(msgspec.Struct, frozen=True):
    """A mailbox: `email` is normalised, `name` may be empty."""

    name: str
    email: str

    @property
    def domain(self) -> str:
        return self.email.rpartition("@")[2]

    @property
    def needs_smtputf8(self) -> bool:
        return needs_smtputf8(self.email)

    def __str__(self) -> str:
        return mailbox(self)


def needs_smtputf8(email: str) -> bool:
    """Tell whether an address can only go where SMTPUTF8 is offered (RFC 6531)."""
    return not email.isascii()


def normalise(address: str, field: str = "email") -> str:
    """Bring an address to its one form: lower case, domain in A-labels, no space around it.

    Raises InvalidInput about `field`. A local part in another script stays; see `needs_smtputf8`.
    """
    local, at, domain = address.strip().rpartition("@")
    if not at or not local or not domain:
        raise _invalid(field, address, "needs the form name@domain.example")
    local = unicodedata.normalize("NFC", unicodedata.normalize("NFC", local).lower())
    if len(local) > LOCAL_MAX or len(local.encode("utf-8", "replace")) > LOCAL_MAX:
        raise _invalid(field, address, f"has more than {LOCAL_MAX} octets before the @; shorten it")
    if not _LOCAL.fullmatch(local) or not (local.isascii() or _is_text(local)):
        raise _invalid(
            field,
            address,
            "holds a space, quote, stray dot or other sign that mail does not allow before the @",
        )
    host = _a_labels(domain)
    if host is None:
        raise _invalid(
            field, address, f"has no valid domain after the @ ({domain!r:.80}); check its spelling"
        )
    whole = f"{local}@{host}"
    if len(whole.encode("utf-8")) > ADDRESS_MAX:
        raise _invalid(field, address, f"is longer than {ADDRESS_MAX} octets; shorten it")
    return whole


def split_address(text: str, field: str = "email") -> Address:
    """Read `a@b` or `Name <a@b>`, quoted or RFC 2047 encoded names included. Raises InvalidInput."""
    match = _ANGLE.fullmatch(text.strip())
    if match is None:
        return Address("", normalise(text, field))
    name = one_line(match[1])
    quoted = _QUOTED.fullmatch(name)
    if quoted is not None:
        name = re.sub(r"\\(.)", r"\1", quoted[1])
    elif "=?" in name:
        name = _decoded(name)
    return Address(one_line(name), normalise(match[2], field))


def read_address(value: str | Mapping[str, object], field: str = "email") -> Address:
    """Read a text as `split_address` does, or `{"email": ..., "name": ...}`. Raises InvalidInput."""
    if isinstance(value, str):
        return split_address(value, field)
    email, name = value.get("email"), value.get("name") or ""
    if not isinstance(email, str) or not isinstance(name, str):
        raise InvalidInput.of(field, "invalid_email", 'takes "Name <a@b.example>" or {"email", "name"} texts')
    return Address(one_line(name), normalise(email, field))


def mailbox(address: Address) -> str:
    """Write a mailbox as header text, 7-bit ASCII, not folded.

    An address that ASCII cannot write becomes a named empty group (RFC 6857 section 3.1.8): an encoded
    word never stands inside an address, and the envelope still carries the real one.
    """
    name, email = one_line(address.name), address.email
    if needs_smtputf8(email):
        return " ".join(encoded_words(f"{name} {email}".strip(), room=60)) + " :;"
    if not name:
        return email
    return f"{_phrase(name)} <{email}>"


def address_field(name: str, addresses: Iterable[Address]) -> bytes:
    """Write a whole field of mailboxes (From, To, Cc, Reply-To), folded."""
    return fold(name, ", ".join(mailbox(address) for address in addresses))


def _phrase(name: str) -> str:
    if not is_plain(name):
        return " ".join(encoded_words(name, room=60))
    if _PHRASE.fullmatch(name):
        return name
    escaped = name.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _decoded(name: str) -> str:
    try:
        return str(make_header(decode_header(name)))
    except (HeaderParseError, LookupError, UnicodeError, ValueError):
        return name


def _a_labels(domain: str) -> str | None:
    domain = unicodedata.normalize("NFKC", domain.translate(_DOTS))
    labels = [_a_label(label) for label in domain.split(".")]
    host = ".".join(label for label in labels if label)
    if not all(labels) or labels[-1].isdigit() or (len(labels) == 1 and host != "localhost"):
        return None
    return host


def _a_label(label: str) -> str:
    """Return the label's ASCII form, '' when it has none.

    Own punycode over NFKC, because the standard library's codec is IDNA 2003: it would send mail for
    `fußball.example` to `fussball.example`, which is somebody else's domain (RFC 5894 section 7.2).
    """
    label = unicodedata.normalize("NFKC", label.lower())
    if not label.isascii():
        if not _is_text(label) or unicodedata.category(label[0])[0] == "M":
            return ""
        label = "xn--" + label.encode("punycode").decode("ascii")
    return label if len(label) <= LABEL_MAX and _LDH.fullmatch(label) else ""


def _is_text(text: str) -> bool:
    """Letters, marks, numbers and symbols in any script; no space, control, private or unpaired code."""
    return all(char.isascii() or unicodedata.category(char)[0] in "LMNS" for char in text)


def _invalid(field: str, address: str, why: str) -> InvalidInput:
    shown = address if len(address) <= 80 else address[:77] + "..."
    return InvalidInput.of(field, "invalid_email", f"{shown!r} {why}.")
