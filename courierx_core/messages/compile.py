"""Compile a message once, render it a million times.

What every recipient gets alike (headers, MIME structure, text between merge tags, attachments) is written
and transfer-encoded here, once. The rest are holes: numbers, macs, values. Rendering fills a copy of the
skeleton and joins it; `EmailMessage` for each recipient costs a hundred times as much (docs/decisions).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Literal

from courierx_core.mail.address import Address, mailbox, split_address
from courierx_core.mail.dkim import Signer
from courierx_core.mail.header import one_line
from courierx_core.mail.mime import Pieces
from courierx_core.mail.token import Kind, TokenKeys
from courierx_core.messages.body import body
from courierx_core.messages.envelope import Outgoing
from courierx_core.messages.head import head
from courierx_core.messages.headers import (
    MAILTO,
    ONE_CLICK,
    SEND_ID,
    can_post,
    check_headers,
    stream_headers,
    unsubscribe_mailbox,
    unsubscribe_offer,
)
from courierx_core.messages.links import CLICK, PIXEL, add_pixel, track_links
from courierx_core.messages.model import Message, Recipient
from courierx_core.messages.parts import Part, Url
from courierx_core.messages.segments import Extra
from courierx_core.messages.skeleton import Skeleton, Tokens
from courierx_core.ports.transport import Fields
from courierx_core.templates.filters import Filter
from courierx_core.templates.sandbox import allowed_filters
from courierx_core.templates.variables import KNOWN, unknown


class Compiled:
    """A message ready to render. Raises RenderError or InvalidInput for one that cannot be sent at all.

    `path` is "segments" where no part has logic, else "logic". `warnings` name variables that only some
    recipients may have. Rendering changes nothing: any thread may.
    """

    path: Literal["segments", "logic"]
    warnings: tuple[str, ...]

    def __init__(
        self,
        message: Message,
        tokens: TokenKeys,
        filters: Mapping[str, Filter] = {},
        *,
        signer: Signer | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        content = message.content
        check_headers(content.headers)
        self.message = message
        self._signer, self._clock = signer, clock
        self._sender = split_address(content.from_email, "from_email")
        if content.from_name:
            self._sender = Address(content.from_name, self._sender.email)
        self._offer = unsubscribe_offer(message)
        self._urls, self._constants = _variables(message, self._offer)
        self._parts = self._sources(allowed_filters(filters))
        names = frozenset[str]().union(*(part.names() for part in self._parts.values()))
        asked = [name for name in self._urls if name in names]
        self._stamps = tokens.stamps(message.tenant_id, self._wanted(asked))
        self._send = self._stamps.place("send")
        self._verp = self._stamps.place("verp") if content.return_path else None
        self._bounces = f"@{content.return_path}"
        self._mailbox = unsubscribe_mailbox(content)
        self._addresses = [self._address(name) for name in asked]
        late = frozenset[str]().union(*(part.late_names() for part in self._parts.values()))
        self._late_addresses = [each for each in self._addresses if each[0] in late]
        self._skeleton = Skeleton(self._stamps)
        self._skeleton.seal(self._pieces(clock))
        self.path = "logic" if any(part.has_logic for part in self._parts.values()) else "segments"
        self.warnings = tuple(
            unknown(names, KNOWN | self._urls.keys() | self._constants.keys() | {"content"})
        )

    def render(self, recipient: Recipient, extra: Mapping[str, object] = {}) -> bytes:
        """Return the recipient's whole message: CRLF line ends, 7-bit ASCII, not dot-stuffed.

        Raises RenderError about that recipient alone. `extra` holds plugins' variables by namespace.
        """
        return self.fill((recipient,), extra, (self._stamps.mint(recipient.id),))[0][0]

    def fill(
        self, recipients: Sequence[Recipient], extra: Extra, tokens: Sequence[Tokens]
    ) -> tuple[list[bytes], bool]:
        """Do for each what `render` does, with tokens that are minted already; say, too, whether SMTP carries
        the messages as they are. Raises RenderError where one of them cannot be rendered."""
        mails, is_wire = self._skeleton.fill(recipients, extra, tokens, self._late_known)
        if self._signer is None:
            return mails, is_wire
        now, sign = int(self._clock()), self._signer.sign
        return [sign(mail, now) + mail for mail in mails], is_wire

    def envelopes(
        self, recipients: Sequence[Recipient], extra: Mapping[str, object] = {}, *, eager: bool = True
    ) -> list[Outgoing]:
        """Return the recipients' envelopes, rendered now if `eager`. Raises RenderError then, where one of
        them cannot be rendered. Twenty at once cost half of twenty by themselves."""
        path, tokens = self._return_path, self._stamps.mint_all([recipient.id for recipient in recipients])
        mails, is_wire = self.fill(recipients, extra, tokens) if eager else ([b""] * len(tokens), False)
        return [
            Outgoing(self, to, extra, own, path(own), mail, is_wire)
            for to, own, mail in zip(recipients, tokens, mails, strict=True)
        ]

    def send_id(self, recipient: Recipient) -> str:
        """Return our public token for the delivery."""
        return self.send_id_of(self._stamps.mint(recipient.id))

    def mail_from(self, recipient: Recipient) -> str:
        """Return the RFC 5321 return path: a VERP address where the content names a domain for it."""
        return self._return_path(self._stamps.mint(recipient.id))

    def fields(self, recipient: Recipient, extra: Mapping[str, object] = {}) -> Fields:
        """Return the recipient's message as parts. Raises RenderError."""
        content, tokens = self.message.content, self._stamps.mint(recipient.id)
        known = self._known(recipient, extra, tokens, self._addresses)
        return Fields(
            from_=mailbox(self._sender),
            to=tuple(mailbox(split_address(to)) for to in content.to) or (recipient.address,),
            subject=one_line(self._parts["subject"].render(known)),
            html=self._parts["html"].render(known) if "html" in self._parts else "",
            text=self._parts["text"].render(known) if "text" in self._parts else "",
            cc=tuple(mailbox(split_address(cc)) for cc in content.cc),
            reply_to=mailbox(split_address(content.reply_to)) if content.reply_to else "",
            headers=(
                (SEND_ID, self._stamps.text(tokens, self._send)),
                *self._unsubscribe_pairs(tokens),
                *stream_headers(self.message, self._sender.domain),
                *content.headers,
            ),
            attachments=content.attachments,
        )

    def _sources(self, filters: Mapping[str, Filter]) -> dict[str, Part]:
        content = self.message.content
        html, layout = content.html, content.layout if content.html else ""
        if content.public_url and content.track_clicks:
            numbers = {url: number for number, url in enumerate(content.links)}
            html, layout = track_links(html, numbers), track_links(layout, numbers)
        if content.public_url and content.track_opens and html:
            html, layout = (html, add_pixel(layout)) if layout else (add_pixel(html), layout)
        sources = {"subject": content.subject, "html": html, "text": content.text}
        return {
            name: Part(
                name,
                source,
                filters=filters,
                constants=self._constants,
                urls=self._urls,
                layout=layout if name == "html" else "",
            )
            for name, source in sources.items()
            if source or name == "subject" or (name == "text" and not html)
        }

    def _wanted(self, asked: Sequence[str]) -> set[tuple[Kind, int]]:
        wanted: set[tuple[Kind, int]] = {("send", 0)}
        if self.message.content.return_path:
            wanted.add(("verp", 0))
        if self._offer == "one-click":
            wanted.add(("unsubscribe", 0))
        return wanted | {(self._urls[name].kind, self._urls[name].link) for name in asked}

    def _address(self, name: str) -> tuple[str, str, int]:
        prefix, kind, link = self._urls[name]
        place = self._stamps.place(kind, link)
        return name, prefix + self._stamps.heads[place], place

    def send_id_of(self, tokens: Tokens) -> str:
        """Do what `send_id` does, with tokens that are minted already."""
        return self._stamps.text(tokens, self._send)

    def _return_path(self, tokens: Tokens) -> str:
        if self._verp is None:
            return self._sender.email
        return f"b-{self._stamps.text(tokens, self._verp)}{self._bounces}"

    def _late_known(self, recipient: Recipient, extra: Extra, tokens: Tokens) -> dict[str, object]:
        return self._known(recipient, extra, tokens, self._late_addresses)

    def _known(
        self,
        recipient: Recipient,
        extra: Extra,
        tokens: Tokens,
        addresses: Sequence[tuple[str, str, int]],
    ) -> dict[str, object]:
        """Gather the template variables; the later ones win, the way `segments.reader` looks them up."""
        known: dict[str, object] = {
            **recipient.attributes,
            **extra,
            "email": recipient.address,
            "first_name": recipient.first_name,
            "last_name": recipient.last_name,
            "attributes": recipient.attributes,
            **self._constants,
        }
        for name, before, place in addresses:
            known[name] = before + (tokens[0] + tokens[place + 1]).decode("ascii")
        return known

    def _unsubscribe_pairs(self, tokens: Tokens) -> list[tuple[str, str]]:
        if self._offer == "none":
            return []
        uri, more = self._offer, ""
        if uri == "one-click":
            token = self._stamps.text(tokens, self._stamps.place("unsubscribe"))
            uri = self._urls["unsubscribe_url"].prefix + token
            if self._mailbox:
                more = f", <{MAILTO}{token}{self._mailbox}>"
        post = [("List-Unsubscribe-Post", ONE_CLICK)] if can_post(uri) else []
        return [("List-Unsubscribe", f"<{uri}>{more}"), *post]

    def _pieces(self, clock: Callable[[], float]) -> Pieces:
        unsubscribe: Pieces = ()
        uri = "" if self._offer == "none" else self._offer
        if uri == "one-click":
            start, holes = self._skeleton.token("unsubscribe")
            uri = self._urls["unsubscribe_url"].prefix + start
            unsubscribe = (f"<{uri}".encode("ascii"), *holes, b">")
            if self._mailbox:
                by_mail = (f",\r\n <{MAILTO}{start}".encode("ascii"), *holes)
                unsubscribe = (*unsubscribe, *by_mail, f"{self._mailbox}>".encode("ascii"))
        elif uri:
            unsubscribe = (f"<{uri}>".encode("ascii"),)
        fields = head(
            self.message,
            self._sender,
            self._parts["subject"],
            self._skeleton,
            unsubscribe=unsubscribe,
            is_one_click=can_post(uri),
            clock=clock,
        )
        files = self.message.content.attachments
        return (*fields, *body(self._parts.get("text"), self._parts.get("html"), files, self._skeleton))


def _variables(message: Message, offer: str) -> tuple[dict[str, Url], dict[str, object]]:
    """Return the variables that hold a token, and those that are the same for everybody."""
    content = message.content
    base = content.public_url.rstrip("/")
    urls: dict[str, Url] = {}
    constants: dict[str, object] = {**content.variables, "unsubscribe_url": "", "preferences_url": ""}
    constants.pop("email", None)
    if offer == "one-click":
        urls["unsubscribe_url"] = Url(f"{base}/u/", "unsubscribe")
        urls["preferences_url"] = Url(f"{base}/p/", "preferences")
    elif offer != "none":
        constants["unsubscribe_url"] = constants["preferences_url"] = offer
    if base:
        urls["view_url"] = Url(f"{base}/v/", "view")
        urls[PIXEL] = Url(f"{base}/o/", "open")
        urls |= {f"{CLICK}{n}": Url(f"{base}/c/", "click", n) for n in range(len(content.links))}
    else:
        constants["view_url"] = ""
    return urls, constants
