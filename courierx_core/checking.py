"""Input checked field by field, so that the caller hears of every wrong one at once."""

from __future__ import annotations

from collections.abc import Callable

from courierx_core.errors import FieldProblem, InvalidInput
from courierx_core.mail.address import normalise, split_address


class Checks:
    """Collects problems; `done()` raises InvalidInput with all of them."""

    def __init__(self) -> None:
        self.problems: list[FieldProblem] = []

    def add(self, field: str, code: str, message: str) -> None:
        self.problems.append(FieldProblem(field, code, message))

    def text(self, field: str, value: str, *, longest: int, required: bool = True) -> str:
        """Return the text without space around it."""
        value = value.strip()
        if required and not value:
            self.add(field, "required", "must not be empty")
        elif len(value) > longest:
            self.add(field, "too_long", f"has {len(value)} characters; at most {longest} are possible")
        elif any(ord(char) < 32 or ord(char) == 127 for char in value):
            self.add(field, "invalid", "must not hold line breaks or control characters")
        return value

    def address(self, field: str, value: str, *, required: bool = True) -> str:
        """Return the address in its one form, '' when it is not one."""
        if not value.strip() and not required:
            return ""
        return self.by(field, value, normalise)

    def by(self, field: str, value: str, read: Callable[[str, str], str]) -> str:
        """Return what `read(value, field)` makes of the value, '' where it raises InvalidInput."""
        try:
            return read(value, field)
        except InvalidInput as problem:
            self.problems += problem.problems
            return ""

    def mailbox(self, field: str, value: str) -> str:
        """Return `Name <a@b>` or `a@b` as given, once it reads as an address; '' stays."""
        if not value.strip():
            return ""
        try:
            return str(split_address(value, field))
        except InvalidInput as problem:
            self.problems += problem.problems
            return ""

    def done(self) -> None:
        if self.problems:
            raise InvalidInput(*self.problems)
