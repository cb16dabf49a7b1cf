"""How much a single message may hold: every bound in one place, checked before anything is stored."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime, timedelta

import msgspec

from courierx_core.checking import Checks
from courierx_core.errors import FieldProblem
from courierx_core.messages.new import NewMessage
from courierx_core.ports.transport import Attachment
from courierx_core.templates.sandbox import OUTPUT_MAX

RECIPIENTS_MAX = 50
"""To, Cc and Bcc together: what SES takes in one message."""
SUBJECT_MAX = 998
"""One line (RFC 5322 section 2.1.1), before encoding."""
FILES_MAX = 50
FILES_MAX_BYTES = 25 << 20
VARIABLES_MAX_BYTES = 256 << 10
TAGS_MAX, TAG_MAX = 20, 100
METADATA_MAX, METADATA_KEY_MAX, METADATA_VALUE_MAX = 50, 64, 500
AHEAD_MAX = timedelta(days=366)

_MEDIA_TYPE = re.compile(r"[!#$&^_.+0-9A-Za-z-]{1,64}/[!#$&^_.+0-9A-Za-z-]{1,64}(;[ -~]*)?")
_CONTENT_ID = re.compile(r"[!-;=?-~]{1,200}")


def check_limits(new: NewMessage, now: datetime) -> None:
    """Raise InvalidInput with every field that is too large, empty, or of a wrong form."""
    checks = Checks()
    if not new.to:
        checks.add("to", "required", "needs at least one address")
    if len(new.recipients) > RECIPIENTS_MAX:
        checks.add(
            "to",
            "too_many",
            f"has {len(new.recipients)} recipients with cc and bcc; at most {RECIPIENTS_MAX}",
        )
    if len(new.subject) > SUBJECT_MAX:
        checks.add("subject", "too_long", f"has {len(new.subject)} characters; at most {SUBJECT_MAX}")
    for name, source in (("html", new.html), ("text", new.text)):
        if len(source) > OUTPUT_MAX:
            checks.add(name, "too_long", f"has {len(source):,} characters; at most {OUTPUT_MAX:,}")
    if len(msgspec.json.encode(new.variables)) > VARIABLES_MAX_BYTES:
        checks.add("variables", "too_long", f"come to more than {VARIABLES_MAX_BYTES >> 10} KB of JSON")
    _check_labels(new, checks)
    checks.problems += _file_problems(new.attachments)
    if new.scheduled_at is not None:
        checks.problems += _time_problems(new.scheduled_at, now)
    checks.done()


def _check_labels(new: NewMessage, checks: Checks) -> None:
    if len(new.tags) > TAGS_MAX:
        checks.add("tags", "too_many", f"are {len(new.tags)}; at most {TAGS_MAX}")
    for place, tag in enumerate(new.tags):
        checks.text(f"tags[{place}]", tag, longest=TAG_MAX)
    if len(new.metadata) > METADATA_MAX:
        checks.add("metadata", "too_many", f"has {len(new.metadata)} entries; at most {METADATA_MAX}")
    for key, value in new.metadata.items():
        checks.text(f"metadata.{key:.64}", key, longest=METADATA_KEY_MAX)
        checks.text(f"metadata.{key:.64}", value, longest=METADATA_VALUE_MAX, required=False)


def _file_problems(files: tuple[Attachment, ...]) -> Iterable[FieldProblem]:
    if len(files) > FILES_MAX:
        yield FieldProblem("attachments", "too_many", f"are {len(files)} files; at most {FILES_MAX}")
    size = sum(len(file.content) for file in files)
    if size > FILES_MAX_BYTES:
        whole = FILES_MAX_BYTES >> 20
        yield FieldProblem("attachments", "too_large", f"come to {size:,} bytes; at most {whole} MB are sent")
    for place, file in enumerate(files):
        field = f"attachments[{place}]"
        if not file.filename.strip() or len(file.filename) > 200:
            yield FieldProblem(f"{field}.filename", "length", "takes 1 to 200 characters")
        if not _MEDIA_TYPE.fullmatch(file.content_type):
            yield FieldProblem(
                f"{field}.content_type", "invalid", "takes a media type such as application/pdf"
            )
        if file.content_id and not _CONTENT_ID.fullmatch(file.content_id):
            yield FieldProblem(
                f"{field}.content_id", "invalid", "takes up to 200 printable characters without space or < >"
            )


def _time_problems(at: datetime, now: datetime) -> Iterable[FieldProblem]:
    if at.tzinfo is None:
        yield FieldProblem("scheduled_at", "invalid", "needs its offset from UTC, as in 2026-05-03T09:00:00Z")
    elif at <= now:
        yield FieldProblem("scheduled_at", "in_the_past", "must be later than now")
    elif at > now + AHEAD_MAX:
        yield FieldProblem("scheduled_at", "too_far", f"is more than {AHEAD_MAX.days} days ahead")
