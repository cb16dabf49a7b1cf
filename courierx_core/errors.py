"""Every error CourierX raises on purpose: what was wrong, with what value, and what to do."""

from __future__ import annotations

import msgspec


class FieldProblem(msgspec.Struct, frozen=True):
    """One wrong field of an input: its path (`list_ids[2]`), a code from a closed list, a sentence."""

    field: str
    code: str
    message: str


class CourierXError(Exception):
    """Base of the tree. `str()` is one clear line that a person can act on."""

    code = "error"


class InvalidInput(CourierXError):
    """The caller's input is wrong; `problems` lists every bad field, not only the first."""

    code = "invalid_request"

    def __init__(self, *problems: FieldProblem) -> None:
        self.problems = problems
        super().__init__("; ".join(f"{p.field}: {p.message}" for p in problems))

    @classmethod
    def of(cls, field: str, code: str, message: str) -> InvalidInput:
        """Make the common case, one bad field."""
        return cls(FieldProblem(field, code, message))


class NotFound(CourierXError):
    """Nothing by that id inside the tenant that asked; another tenant's object reads the same."""

    code = "not_found"


class Conflict(CourierXError):
    """The object's present state forbids the action; the text names the state and the way on."""

    code = "conflict"


class Changed(Conflict):
    """Somebody else has changed the object since the caller read it."""

    code = "precondition_failed"


class Forbidden(CourierXError):
    """The caller is known but may not do this, or a signature does not verify."""

    code = "forbidden"


class TooManyRequests(CourierXError):
    """The caller has asked too often; `retry_after` is in seconds."""

    code = "too_many_requests"

    def __init__(self, what: str, retry_after: float) -> None:
        self.retry_after = retry_after
        super().__init__(what)


class Fenced(CourierXError):
    """The lease on a work item is no longer ours: taken over, paused, cancelled. Write nothing more."""

    code = "fenced"


class ConfigError(CourierXError):
    """A setting is missing or wrong; the text names the setting, what it got and what it takes."""

    code = "config"


class PluginError(CourierXError):
    """A plugin is unknown, broken, or of another API version."""

    code = "plugin"


class PluginBroken(PluginError):
    """A plugin's own code raised where it was loaded or made."""


class MissingExtra(PluginError):
    """A plugin's library is not installed; the text names the extra that brings it."""


class StoreError(CourierXError):
    """The store cannot be reached or cannot write (down, locked, disk full). Nothing half-done stays."""

    code = "store_unavailable"


class RenderError(CourierXError):
    """A template does not compile or does not render; `line` counts from 1 within `part`."""

    code = "render"

    def __init__(self, reason: str, *, part: str = "", line: int = 0) -> None:
        self.reason, self.part, self.line = reason, part, line
        where = f"{part} line {line}: " if part and line else f"{part}: " if part else ""
        super().__init__(where + reason)
