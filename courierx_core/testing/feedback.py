"""What every feedback source must keep: subclass, give a folder of recorded requests, and run pytest.

A recording is a JSON file: `{"request": {"headers": {...}, "text": "..."}, "at": "2026-01-31T12:00:00Z",
"feedback": [{"kind": "bounced", "recipient": "a@b.c"}]}`. `at` is when it came; of each feedback only the
fields that the recording names are compared. The tampered, replayed and junk requests are made from it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from courierx_core.errors import Forbidden, InvalidInput
from courierx_core.ports.driver import Runtime
from courierx_core.ports.feedback import Feedback, FeedbackSource, HttpRequest


class Recording(msgspec.Struct, frozen=True, kw_only=True):
    """One request as a provider sent it, and what it means."""

    request: RecordedRequest
    at: datetime
    feedback: list[dict[str, Any]] = []


class RecordedRequest(msgspec.Struct, frozen=True, kw_only=True):
    method: str = "POST"
    path: str = "/events/test"
    query: dict[str, str] = {}
    headers: dict[str, str] = {}
    text: str = ""

    def request(self) -> HttpRequest:
        headers = {name.lower(): value for name, value in self.headers.items()}
        return HttpRequest(
            method=self.method,
            path=self.path,
            query=self.query,
            headers=headers,
            body=self.text.encode(),
        )


class FeedbackContract(ABC):
    """`source(runtime)` makes the source whose settings fit the recordings (keys, certificates)."""

    recordings: ClassVar[Path]
    """The folder of `*.json` files; at least one must carry feedback."""
    stale_after: ClassVar[timedelta | None] = timedelta(days=1)
    """When a request is too old to be believed; None for a source whose requests carry no time."""
    signed: ClassVar[bool] = True
    """False for a provider whose proof does not cover the body: then a changed body cannot be told."""

    @abstractmethod
    def source(self, runtime: Runtime) -> FeedbackSource[Any]: ...

    def test_recordings_are_believed_and_understood(self) -> None:
        found = self._recordings()
        assert any(recording.feedback for recording in found.values()), "no recording carries feedback"
        for name, recording in found.items():
            source, request = self._at(recording), recording.request.request()
            try:
                source.verify(request)
            except (Forbidden, InvalidInput) as refusal:
                pytest.fail(
                    f"{name}: the recorded request is the provider's own, and verify() says: {refusal}"
                )
            got = list(source.parse(request))
            assert len(got) == len(recording.feedback), f"{name}: parse() gave another number of feedbacks"
            for feedback, wanted in zip(got, recording.feedback, strict=True):
                assert _named(feedback, wanted) == wanted, f"{name}: parse() read it another way"
                assert feedback.at.tzinfo is not None, f"{name}: `at` has no time zone"

    def test_a_replay_parses_to_the_same_feedback(self) -> None:
        """What makes applying it once possible: the same request has the same identity."""
        for name, recording in self._recordings().items():
            source, request = self._at(recording), recording.request.request()
            first, second = list(source.parse(request)), list(source.parse(request))
            assert first == second, f"{name}: parse() is pure, and the same request gave something else"

    def test_a_stale_replay_is_forbidden(self) -> None:
        if self.stale_after is None:
            pytest.skip("this source's requests carry no time")
        for name, recording in self._recordings().items():
            late = self._at(recording, late=self.stale_after)
            assert _forbidden(late, recording.request.request()), (
                f"{name}: verify() raises Forbidden for a request that comes {self.stale_after} late"
            )

    def test_a_tampered_body_is_forbidden(self) -> None:
        if not self.signed:
            pytest.skip("this provider's proof does not cover the body")
        for name, recording in self._recordings().items():
            source, request = self._at(recording), recording.request.request()
            for tampered in _tampered_bodies(request):
                assert not _believed(source, tampered), f"{name}: verify() believed a changed body"

    def test_no_headers_and_no_body_are_forbidden(self) -> None:
        for name, recording in self._recordings().items():
            bare = msgspec.structs.replace(recording.request.request(), headers={}, body=b"")
            assert _forbidden(self._at(recording), bare), (
                f"{name}: verify() raises Forbidden for an empty request"
            )

    @settings(suppress_health_check=[HealthCheck.differing_executors])
    @given(body=st.binary(max_size=300))
    def test_junk_is_forbidden_and_never_breaks(self, body: bytes) -> None:
        for recording in self._recordings().values():
            source = self._at(recording)
            junk = msgspec.structs.replace(recording.request.request(), body=body)
            assert not (self.signed and _believed(source, junk)), "verify() believed junk"
            try:
                got = list(source.parse(junk))
            except InvalidInput:
                continue
            assert all(isinstance(feedback, Feedback) for feedback in got), "parse() yields Feedback"

    def _at(self, recording: Recording, late: timedelta = timedelta(0)) -> FeedbackSource[Any]:
        now = recording.at + late + timedelta(seconds=1)
        return self.source(Runtime(now=lambda: now))

    def _recordings(self) -> Mapping[str, Recording]:
        files = sorted(self.recordings.glob("*.json"))
        assert files, f"{self.recordings} has no recordings"
        return {file.name: msgspec.json.decode(file.read_bytes(), type=Recording) for file in files}


def _believed(source: FeedbackSource[Any], request: HttpRequest) -> bool:
    try:
        source.verify(request)
    except (Forbidden, InvalidInput):
        return False
    return True


def _forbidden(source: FeedbackSource[Any], request: HttpRequest) -> bool:
    try:
        source.verify(request)
    except Forbidden:
        return True
    return False


def _named(feedback: Feedback, wanted: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields that the recording names, as JSON has them."""
    plain = msgspec.to_builtins(feedback)
    return {name: plain[name] for name in wanted}


def _tampered_bodies(request: HttpRequest) -> list[HttpRequest]:
    """Change one digit or letter in five places, cut the end off, and add to it."""
    body = request.body
    places = [place for place in range(len(body)) if body[place : place + 1].isalnum()]
    chosen = places[:: max(1, len(places) // 5)][:5]
    bodies = [body[:place] + _other(body[place]) + body[place + 1 :] for place in chosen]
    bodies += [body[:-2], body + b" x"]
    return [msgspec.structs.replace(request, body=changed) for changed in bodies if changed != body]


def _other(byte: int) -> bytes:
    return b"a" if bytes([byte]) != b"a" else b"b"
