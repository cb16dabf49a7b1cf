"""What the button of a public page sends."""

from __future__ import annotations

from urllib.parse import parse_qs

from courierx_core.errors import InvalidInput

BODY_MAX_BYTES = 64 * 1024
_FIELDS_MAX = 200


def form(body: bytes) -> dict[str, list[str]]:
    """Read an application/x-www-form-urlencoded body. Raises InvalidInput for one with too many fields."""
    try:
        return parse_qs(body.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=_FIELDS_MAX)
    except ValueError:
        raise InvalidInput.of("", "too_long", f"The form has more than {_FIELDS_MAX} fields.") from None
