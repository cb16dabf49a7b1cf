"""The transaction state machine against a model server that may refuse, split, drop and lie."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from courierx_core.mail.wire import on_the_wire
from courierx_core.ports.transport import Accepted, Deferred, Envelope, Receipt, Refused, Uncertain
from courierx_core.testing import FakeEnvelope
from courierx_smtp.conversation import Conversation
from courierx_smtp.offers import Offers
from courierx_smtp.replies import LINE_MAX, REPLY_MAX, NotAReply, read_reply


class ModelServer:
    """A correct server: `plan(stage, id)` answers each step; it keeps what its dot was answered 2yz for."""

    def __init__(
        self, plan: Callable[[str, int], bytes], stored: list[tuple[int, bytes]], eager: bool
    ) -> None:
        self.plan, self.stored, self.eager = plan, stored, eager
        self.buffer = b""
        self.sender = False
        self.recipient = 0
        self.asked = 0
        self.in_body = False

    def feed(self, data: bytes) -> bytes:
        self.buffer += data
        replies = b""
        while True:
            if self.in_body:
                end = 0 if self.buffer.startswith(b".\r\n") else self.buffer.find(b"\r\n.\r\n") + 2
                if end == 1:
                    return replies
                body, self.buffer = self.buffer[:end], self.buffer[end + 3 :]
                self.in_body = False
                replies += self.dot(body)
                continue
            line, found, rest = self.buffer.partition(b"\r\n")
            if not found:
                return replies
            self.buffer = rest
            replies += self.command(line)

    def command(self, line: bytes) -> bytes:
        if line.startswith(b"MAIL"):
            assert not self.sender, "nested MAIL"
            self.asked = int(line.partition(b"<sender")[2].partition(b"@")[0])
            answer = self.plan("mail", self.asked)
            self.sender = answer[:1] == b"2"
            return answer
        if line.startswith(b"RCPT"):
            if not self.sender:
                return b"503 5.5.1 no MAIL\r\n"
            answer = self.plan("rcpt", self.asked)
            self.recipient = self.asked if answer[:1] == b"2" else 0
            return answer
        if line == b"DATA":
            if not self.recipient and not (self.eager and self.sender):
                return b"503 5.5.1 no RCPT\r\n"
            answer = self.plan("data", self.asked)
            self.in_body = answer[:1] == b"3"
            return answer
        assert line == b"RSET", line
        assert not self.buffer, "RSET was pipelined"
        self.sender, self.recipient = False, 0
        return b"250 2.0.0 ok\r\n"

    def dot(self, body: bytes) -> bytes:
        recipient, self.sender, self.recipient = self.recipient, False, 0
        if not recipient:
            assert body == b""
            return b"554 5.5.1 nobody\r\n"
        assert body != b""
        answer = self.plan("dot", recipient)
        if answer[:1] == b"2":
            self.stored.append((recipient, body))
        return answer


class Run:
    """Drives conversations, connection after connection, until every envelope has its receipt."""

    def __init__(self, data: st.DataObject, number: int, offers: Offers, eager: bool) -> None:
        self.data = data
        self.offers = offers
        self.eager = eager
        self.waiting = [envelope(id) for id in range(1, number + 1)]
        self.receipts: list[Receipt] = []
        self.stored: list[tuple[int, bytes]] = []
        self.seen = b""

    def take(self) -> Envelope | None:
        if not self.waiting or self.data.draw(st.integers(0, 3)) == 0:
            return None
        return self.waiting.pop(0)

    def plan(self, stage: str, id: int) -> bytes:
        usual = b"354 go\r\n" if stage == "data" else b"250-2.0.0 multi\r\n250 2.0.0 ok\r\n"
        plain = b"354 go\r\n" if stage == "data" else b"250 2.0.0 ok\r\n"
        refusals = [b"450 4.2.0 later\r\n", b"550 5.1.1 no\r\n"]
        return self.data.draw(st.sampled_from([plain] * 6 + [usual] + refusals))

    def connection(self, cut_at: int | None, lie_at: int | None) -> None:
        talk = Conversation(self.offers, self.data.draw(st.sampled_from([0, 0, 1, 3])))
        server = ModelServer(self.plan, self.stored, self.eager)
        to_client = b""
        while True:
            output = b""
            if to_client:
                size = self.data.draw(st.one_of(st.just(len(to_client)), st.integers(1, len(to_client))))
                chunk, to_client = to_client[:size], to_client[size:]
                output = talk.receive(chunk, self.take, self.receipts)
            elif talk.roomy and self.waiting:
                output = talk.begin(self.waiting.pop(0), self.receipts)
            elif not talk.awaits:
                return
            if talk.closed:
                break
            if output and cut_at is not None:
                cut_at -= 1
                if cut_at < 0:
                    out = self.data.draw(st.integers(0, len(output)))
                    server.feed(output[:out])
                    talk.unsent = len(output) - out
                    talk.lose("dropped", self.receipts)
                    break
            self.seen += output
            replies = server.feed(output)
            if lie_at is not None and replies:
                if lie_at == 0:
                    replies = self.data.draw(
                        st.sampled_from([b"250 extra\r\n" + replies, replies + b"250 x\r\n"])
                    )
                    lie_at = None
                else:
                    lie_at -= 1
            to_client += replies
        if talk.returned is not None:
            self.waiting.insert(0, talk.returned)

    def until_done(self, cuts: Iterator[int | None], lies: Iterator[int | None]) -> None:
        for _ in range(200):
            if not self.waiting:
                return
            self.connection(next(cuts, None), next(lies, None))
        pytest.fail("it makes no progress")

    def check(self, number: int) -> dict[int, Receipt]:
        assert Counter(receipt.id for receipt in self.receipts) == Counter(range(1, number + 1))
        assert max(Counter(id for id, _ in self.stored).values(), default=1) == 1
        assert all(body == on_the_wire(envelope(id).mime()) for id, body in self.stored)
        assert self.seen.count(b"\r") == self.seen.count(b"\n") == self.seen.count(b"\r\n")
        return {receipt.id: receipt for receipt in self.receipts}


def envelope(id: int) -> FakeEnvelope:
    return FakeEnvelope(id, mail_from=f"sender{id}@example.org", content=b".a\r\n.\r\nbody %d\r\n" % id)


numbers = st.integers(0, 8)
some_offers = st.builds(Offers, pipelining=st.booleans(), sizes=st.booleans())
cut_lists = st.lists(st.one_of(st.none(), st.integers(0, 9)), max_size=4)
lie_lists = st.lists(st.integers(0, 8), min_size=1, max_size=2)


@given(st.data(), numbers, some_offers, st.booleans())
def test_an_honest_server_gets_definite_receipts(
    data: st.DataObject, number: int, offers: Offers, eager: bool
) -> None:
    run = Run(data, number, offers, eager)
    run.until_done(iter(()), iter(()))
    receipts = run.check(number)
    stored = {id for id, _ in run.stored}
    for id, receipt in receipts.items():
        assert isinstance(receipt, Accepted) == (id in stored)
        assert not isinstance(receipt, Uncertain)


@given(st.data(), numbers, some_offers, st.booleans(), cut_lists)
def test_a_dropped_connection_never_tells_a_lie(
    data: st.DataObject, number: int, offers: Offers, eager: bool, cuts: list[int | None]
) -> None:
    run = Run(data, number, offers, eager)
    run.until_done(iter(cuts), iter(()))
    receipts = run.check(number)
    stored = {id for id, _ in run.stored}
    for id, receipt in receipts.items():
        if isinstance(receipt, Accepted):
            assert id in stored
        if isinstance(receipt, Deferred | Refused):
            assert id not in stored
    uncertain = sum(isinstance(receipt, Uncertain) for receipt in receipts.values())
    assert uncertain <= len(cuts)


@given(st.data(), numbers, some_offers, st.booleans(), lie_lists)
def test_a_250_too_many_never_loses_what_was_taken(
    data: st.DataObject, number: int, offers: Offers, eager: bool, lies: list[int]
) -> None:
    """Each message has one receipt, none is sent twice, and what the server took never counts as untaken."""
    run = Run(data, number, offers, eager)
    run.until_done(iter(()), iter(lies))
    receipts = run.check(number)
    for id, _ in run.stored:
        assert isinstance(receipts[id], Accepted | Uncertain)


@given(st.lists(st.binary(max_size=80), max_size=12), st.booleans())
def test_any_bytes_end_with_every_receipt(chunks: list[bytes], pipelining: bool) -> None:
    talk = Conversation(Offers(pipelining=pipelining))
    receipts: list[Receipt] = []
    waiting = [envelope(2), envelope(3)]
    taken = [1]

    def take() -> Envelope | None:
        if not waiting:
            return None
        taken.append(waiting[0].id)
        return waiting.pop(0)

    talk.begin(envelope(1), receipts)
    for chunk in chunks:
        if talk.closed:
            break
        talk.receive(chunk, take, receipts)
    talk.lose("end", receipts)
    assert talk.returned is None or talk.served
    settled = [receipt.id for receipt in receipts] + ([talk.returned.id] if talk.returned else [])
    assert sorted(settled) == taken


def test_one_write_carries_a_body_and_the_next_commands() -> None:
    talk = Conversation(Offers(pipelining=True))
    receipts: list[Receipt] = []
    waiting = [envelope(2)]
    assert talk.begin(envelope(1), receipts) == (
        b"MAIL FROM:<sender1@example.org>\r\nRCPT TO:<person1@example.com>\r\nDATA\r\n"
    )
    ready = b"250 ok\r\n250 ok\r\n354 go\r\n"
    assert talk.receive(ready, waiting.pop, receipts) == (
        b"..a\r\n..\r\nbody 1\r\n.\r\n"
        b"MAIL FROM:<sender2@example.org>\r\nRCPT TO:<person2@example.com>\r\nDATA\r\n"
    )
    assert talk.receive(b"250 queued as 7\r\n" + ready, lambda: None, receipts) == (
        b"..a\r\n..\r\nbody 2\r\n.\r\n"
    )
    assert receipts == [Accepted(1, "", "250 queued as 7")]


@pytest.mark.parametrize("place", range(4))
def test_a_bare_line_end_does_not_hide_a_reply(place: int) -> None:
    """One of the four replies is two; 354 is then not the answer to DATA, or comes with one too many."""
    talk = Conversation(Offers(pipelining=True))
    receipts: list[Receipt] = []
    waiting = iter([envelope(2), envelope(3)])
    talk.begin(envelope(1), receipts)
    talk.receive(b"250 a\r\n250 b\r\n354 c\r\n", lambda: next(waiting), receipts)
    lines = [b"250 a", b"250 b", b"250 c", b"354 d"]
    lines[place] += b"\n550 no"
    assert talk.receive(b"".join(line + b"\r\n" for line in lines), lambda: next(waiting), receipts) == b""
    assert talk.closed
    assert not any(isinstance(receipt, Accepted) and receipt.id != 1 for receipt in receipts)


@pytest.mark.parametrize(
    "tail", [b"250 ok\r\n250 ok\r\n354 go\r\n250 one too many\r\n", b"250 ok\r\n250 ok\r\n250 ok\r\n"]
)
def test_out_of_step_before_the_body_writes_nothing(tail: bytes) -> None:
    talk = Conversation(Offers(pipelining=True))
    receipts: list[Receipt] = []
    talk.begin(envelope(1), receipts)
    assert talk.receive(tail, lambda: None, receipts) == b""
    assert talk.closed
    [receipt] = receipts
    assert isinstance(receipt, Deferred)
    assert receipt.scope == "transport"


@pytest.mark.parametrize(
    ("missing", "wanted"),
    [
        (0, Uncertain(1, "answer", "gone")),
        (3, Uncertain(1, "data", "gone")),
        (19, Uncertain(1, "data", "gone")),
        (20, Deferred(1, "gone", "transport")),
    ],
)
def test_how_much_of_the_body_went_out_decides(missing: int, wanted: Receipt) -> None:
    talk = Conversation(Offers(pipelining=True))
    receipts: list[Receipt] = []
    talk.begin(envelope(1), receipts)
    output = talk.receive(b"250 ok\r\n250 ok\r\n354 go\r\n", lambda: None, receipts)
    assert len(output) == 20
    talk.unsent = missing
    talk.lose("gone", receipts)
    assert receipts == [wanted]


def test_what_a_kept_connection_would_not_begin_is_returned() -> None:
    talk = Conversation(Offers(pipelining=True))
    receipts: list[Receipt] = []
    waiting = [envelope(2)]
    talk.begin(envelope(1), receipts)
    talk.receive(b"250 ok\r\n250 ok\r\n354 go\r\n", waiting.pop, receipts)
    talk.receive(b"250 taken\r\n421 4.3.2 enough\r\n", lambda: None, receipts)
    assert receipts == [Accepted(1, "", "250 taken")]
    assert talk.closed
    assert talk.returned is not None
    assert talk.returned.id == 2


lines = st.lists(st.sampled_from([b"a", b".", b"..", b"", b"\r", b"\n", b"\r\n", b"MAIL FROM:<x>", b"\xff"]))


@given(st.one_of(lines.map(b"".join), st.binary(max_size=200)))
def test_the_wire_form_hides_no_end_and_loses_nothing(content: bytes) -> None:
    wire = on_the_wire(content)
    assert wire.endswith(b"\r\n")
    assert wire.count(b"\r") == wire.count(b"\n") == wire.count(b"\r\n")
    rows = wire.split(b"\r\n")[:-1]
    assert b"." not in rows
    unstuffed = [row.removeprefix(b".") for row in rows]
    plain = content.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    assert b"\n".join(unstuffed) == plain.removesuffix(b"\n")
    assert all(row.startswith(b"..") for row in rows if row.startswith(b"."))


replies = st.builds(
    lambda code, texts: b"".join(
        b"%d%b%b\r\n" % (code, b" " if place == len(texts) - 1 else b"-", text)
        for place, text in enumerate(texts)
    ),
    st.integers(20, 55).filter(lambda tens: tens % 10 < 6).map(lambda tens: tens * 10 + 1),
    st.lists(st.binary(max_size=40).map(lambda raw: raw.translate(None, b"\r\n")), min_size=1, max_size=4),
)


@given(st.lists(replies, min_size=1, max_size=4), st.data())
def test_replies_survive_any_split(sent: list[bytes], data: st.DataObject) -> None:
    stream, buffer, found = b"".join(sent), b"", []
    while stream:
        size = data.draw(st.integers(1, len(stream)))
        buffer, stream = buffer + stream[:size], stream[size:]
        while (got := read_reply(buffer)) is not None:
            found.append(got[0].code)
            buffer = got[1]
            if not buffer:
                break
    assert buffer == b""
    assert found == [int(reply[:3]) for reply in sent]


@pytest.mark.parametrize(
    "raw",
    [
        b"hello\r\n",
        b"\r\n",
        b"2500 ok\r\n",
        b"250ok\r\n",
        b"190 no\r\n",
        b"260 no\r\n",
        b"650 no\r\n",
        b"250-a\r\n251 b\r\n",
        b"x",
        b"25x",
        b"250 " + b"y" * LINE_MAX,
        b"250 " + b"y" * LINE_MAX + b"\r\n",
        b"250-y\r\n" * (REPLY_MAX // 7 + 1),
        b"HTTP/1.1 200 OK\r\n",
    ],
)
def test_what_is_no_reply_is_refused(raw: bytes) -> None:
    with pytest.raises(NotAReply):
        read_reply(raw)


def test_a_reply_keeps_its_text_and_status() -> None:
    raw = b"550-5.1.1 The address\r\n550 5.1.1 is \xe9 unknown\r\n250 next\r\n"
    found = read_reply(raw)
    assert found is not None
    reply, rest = found
    assert (reply.code, reply.status, rest) == (550, "5.1.1", b"250 next\r\n")
    assert reply.text == "550-5.1.1 The address\n550 5.1.1 is \ufffd unknown"
    long = read_reply(b"550 " + b"y" * 4000 + b"\r\n")
    assert long is not None
    assert len(long[0].text) == 500
