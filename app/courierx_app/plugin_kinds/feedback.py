"""A feedback source of JSON webhooks that are signed with a shared secret."""

from __future__ import annotations

from collections.abc import Mapping

WORDS: Mapping[str, str] = {
    "does": "Hears what becomes of mail from",
    "group": "courierx.feedback",
    "object": "Feedback",
    "method": "verify` and `parse",
    "use": """Hear it at `POST /events/$name`, which your provider calls:

    export COURIERX_FEEDBACK=$name ${env}_WEBHOOK_SECRET=what-the-provider-signs-with
    courierx doctor
    courierx serve""",
}

_CODE = '''\
"""What `$name` says later: a JSON webhook with HMAC-SHA256 over its time and body."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterable
from datetime import datetime
from typing import Annotated, Any, ClassVar

from msgspec import Meta

from courierx_core import Config, Feedback, FeedbackSource, Forbidden, HttpRequest, InvalidInput, Secret

FRESH_SECONDS = 300


class ${title}Config(Config, frozen=True, kw_only=True):
    """What the webhooks are believed by; '' believes none."""

    webhook_secret: Annotated[Secret, Meta(extra={"env": "${env}_WEBHOOK_SECRET"})] = Secret("")


class ${title}Feedback(FeedbackSource[${title}Config]):
    Config: ClassVar[type[Any]] = ${title}Config

    def verify(self, request: HttpRequest) -> None:
        """Believe nobody: a forged, a changed and an old request are Forbidden."""
        secret, stamp = self.config.webhook_secret.reveal(), request.headers.get("$name-time", "")
        given = request.headers.get("$name-signature", "").encode("utf-8", "replace")
        if not secret or not hmac.compare_digest(signature(secret, stamp, request.body).encode(), given):
            raise Forbidden("The signature of the webhook does not verify.")
        if not stamp.isdigit() or abs(self.runtime.now().timestamp() - int(stamp)) > FRESH_SECONDS:
            raise Forbidden("The webhook is too old to be believed.")

    def parse(self, request: HttpRequest) -> Iterable[Feedback]:
        """Turn a verified request into feedback; what cannot be read is InvalidInput."""
        try:
            return [
                Feedback(
                    kind="bounced" if told["what"] == "returned" else "other",
                    at=datetime.fromisoformat(told["at"]),
                    event_id=str(told["id"]),
                    send_id=str(told.get("reference", "")),
                    recipient=str(told.get("to", "")),
                    reply=str(told.get("words", "")),
                    raw=json.dumps(told),
                )
                for told in json.loads(request.body)
            ]
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as problem:
            raise InvalidInput.of("body", "invalid", f"is no webhook: {type(problem).__name__}") from None


def signature(secret: str, stamp: str, body: bytes) -> str:
    """Return the hex of the signature over a body at a time."""
    return hmac.new(secret.encode(), f"{stamp}.".encode() + body, hashlib.sha256).hexdigest()
'''

_TEST = '''\
"""The feedback source keeps the contract."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from $package.feedback import ${title}Config, ${title}Feedback, signature

from courierx_core import Runtime, Secret
from courierx_core.plugins import FEEDBACK
from courierx_core.testing import FeedbackContract

SECRET = "change me"
AT = "2026-01-31T12:00:00+00:00"


class Test${title}(FeedbackContract):
    stale_after = timedelta(minutes=6)

    @pytest.fixture(autouse=True)
    def _recording(self, tmp_path: Path) -> None:
        """Better: keep what your provider really sent in a folder, and let `recordings` name it."""
        event = {"id": "e1", "what": "returned", "at": AT, "to": "ann@x.example", "words": "550 gone"}
        text = json.dumps([event])
        stamp = str(int(datetime.fromisoformat(AT).timestamp()))
        headers = {"$name-time": stamp, "$name-signature": signature(SECRET, stamp, text.encode())}
        means = [{"kind": "bounced", "recipient": "ann@x.example", "event_id": "e1"}]
        recording = {"request": {"headers": headers, "text": text}, "at": AT, "feedback": means}
        (tmp_path / "returned.json").write_text(json.dumps(recording))
        self.recordings = tmp_path  # type: ignore[misc]

    def source(self, runtime: Runtime) -> ${title}Feedback:
        return ${title}Feedback("$name", ${title}Config(webhook_secret=Secret(SECRET)), runtime)


def test_the_entry_point_is_found_by_its_name() -> None:
    assert FEEDBACK.load("$name") is ${title}Feedback
'''

FILES: Mapping[str, str] = {"src/$package/feedback.py": _CODE, "tests/test_feedback.py": _TEST}
