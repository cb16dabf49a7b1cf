"""Request bodies: JSON into a Struct, with every bad field named, not only the first."""

from __future__ import annotations

import re
import types
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin

import msgspec
from litestar.dto import MsgspecDTO
from litestar.exceptions import HTTPException
from litestar.openapi.spec import Reference, Schema
from litestar.typing import FieldDefinition

from courierx_core.errors import FieldProblem, InvalidInput

T = TypeVar("T", bound=msgspec.Struct)

READS = "courierx_reads"
"""Names, in the extra of a field's type, what raises InvalidInput about a value that will not do."""
_NAME_MAX = 80
_INT_MAX = (1 << 63) - 1
_PLACE = re.compile(r" - at `\$(.*)`$")


class MalformedBody(InvalidInput):
    """The body is not JSON, or not an object: nothing in it can be judged."""

    code = "malformed_body"


class Body(MsgspecDTO[T]):
    """Reads `data` of a handler: `@post(dto=Body[NewTenant], return_dto=None)`."""

    def decode_bytes(self, value: bytes) -> Any:
        given = self.asgi_connection.headers.get("content-type", "")
        if given and "json" not in given.lower():
            raise HTTPException(
                status_code=415, detail=f"The body is {given[:80]!r}; send Content-Type: application/json."
            )
        return read_body(self.model_type, value)

    @classmethod
    def create_for_field_definition(
        cls, field_definition: FieldDefinition, handler_id: str, backend_cls: Any = None
    ) -> None:
        """Make no backend: `decode_bytes` needs none."""

    @classmethod
    def create_openapi_schema(
        cls, field_definition: FieldDefinition, handler_id: str, schema_creator: Any
    ) -> Reference | Schema:
        schema: Reference | Schema = schema_creator.for_field_definition(field_definition)
        return schema


def read_body(kind: type[T], raw: bytes) -> T:
    """Decode JSON into `kind`.

    Raises MalformedBody, and InvalidInput listing every bad, missing or unknown field by its path.
    """
    return read_object(kind, read_any(raw), nul=rb"\u0000" in raw)


def read_any(raw: bytes) -> dict[str, Any]:
    """Decode a JSON object. Raises MalformedBody."""
    try:
        given = msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError) as problem:
        raise MalformedBody.of("", "malformed", f"The body is not JSON: {problem}") from None
    except RecursionError:
        raise MalformedBody.of("", "malformed", "The body is nested too deeply.") from None
    if not isinstance(given, dict):
        raise MalformedBody.of("", "malformed", "The body must be a JSON object.")
    return given


def read_object(kind: type[T], given: Mapping[str, object], *, nul: bool = False, texts: bool = False) -> T:
    """Make `kind` of a decoded object, which may hold NUL characters where `nul` says so. With `texts`, as
    in a form, numbers and truths may be written as text.

    Raises InvalidInput listing every bad, missing or unknown field.
    """
    problems: list[FieldProblem] = []
    values = _fields(kind, given, "", problems, not texts)
    if problems:
        # the use case, which would say what else is wrong, is not reached
        problems += _unreadable(kind, values)
    if nul:
        told = {each.field for each in problems}
        problems += (each for each in _nuls(given) if each.field not in told)
    if problems:
        raise InvalidInput(*problems)
    return kind(**values)


def refuse_nul(given: object) -> None:
    """Raise InvalidInput naming every text with a NUL character: no store keeps it, no mail carries it."""
    if problems := list(_nuls(given)):
        raise InvalidInput(*problems)


def _nuls(given: object) -> Iterator[FieldProblem]:
    for place, text in _texts(given, ""):
        if "\0" in text:
            yield FieldProblem(place, "invalid", "holds a NUL character")


def _texts(given: object, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(given, str):
        yield path, given
    elif isinstance(given, dict):
        for name, value in given.items():
            place = f"{path}.{name}" if path else str(name)
            yield place, str(name)
            yield from _texts(value, place)
    elif isinstance(given, list):
        for at, value in enumerate(given):
            yield from _texts(value, f"{path}[{at}]")


_fields_of = cache(msgspec.structs.fields)
"""Of one of our own types; to read its annotations anew costs more than all the rest of a body."""


def _fields(
    kind: type[msgspec.Struct],
    given: Mapping[str, object],
    path: str,
    problems: list[FieldProblem],
    strict: bool,
) -> dict[str, Any]:
    values: dict[str, Any] = {}
    known = _fields_of(kind)
    for name in given.keys() - {field.encode_name for field in known}:
        text = f"is not a field here; there are: {', '.join(field.encode_name for field in known)}"
        problems.append(FieldProblem(f"{path}{name[:_NAME_MAX]}", "unknown", text))
    for field in known:
        name = field.encode_name
        meant = field.required or field.default is msgspec.UNSET  # where null says something
        if name not in given or (given[name] is None and not meant):
            if field.required:
                problems.append(FieldProblem(f"{path}{name}", "required", "is missing"))
            continue
        values[field.name] = _value(field.type, given[name], f"{path}{name}", problems, strict)
    return values


def _value(kind: object, given: object, path: str, problems: list[FieldProblem], strict: bool) -> object:
    inner = _without_none(kind)
    if get_origin(inner) is Annotated:
        inner = get_args(inner)[0]
    if isinstance(inner, type) and issubclass(inner, msgspec.Struct) and isinstance(given, dict):
        found = len(problems)
        values = _fields(inner, given, f"{path}.", problems, strict)
        return inner(**values) if len(problems) == found else None
    if get_origin(inner) in (tuple, list) and isinstance(given, list):
        item = get_args(inner)[0]
        items = [_value(item, each, f"{path}[{at}]", problems, strict) for at, each in enumerate(given)]
        return tuple(items) if get_origin(inner) is tuple else items
    if get_origin(inner) is dict and isinstance(given, dict):
        item = get_args(inner)[1]
        return {name: _value(item, each, f"{path}.{name}", problems, strict) for name, each in given.items()}
    try:
        value = msgspec.convert(given, kind, strict=strict)
        if inner is int and type(value) is int and not -_INT_MAX <= value <= _INT_MAX:
            problems.append(FieldProblem(path, "out_of_range", "is larger than any number CourierX keeps"))
        return value
    except msgspec.ValidationError as problem:
        message = str(problem)
        place = _PLACE.search(message)
        where = path + (place[1] if place else "")
        problems.append(FieldProblem(where, "invalid", _PLACE.sub("", message)))
        return None


def _unreadable(kind: type[msgspec.Struct], values: Mapping[str, Any]) -> Iterator[FieldProblem]:
    for field in _fields_of(kind):
        given, name = values.get(field.name), field.encode_name
        inner = _without_none(field.type)
        if isinstance(given, tuple):
            places = {f"{name}[{at}]": each for at, each in enumerate(given)}
            read = _reader_of(get_args(inner)[0])
        else:
            places, read = {name: given}, _reader_of(inner)
        for place, each in places.items():
            try:
                if read and each:
                    read(each, place)
            except InvalidInput as refused:
                yield from refused.problems


def _reader_of(kind: object) -> Callable[[Any, str], object] | None:
    """Return what a field's type reads its value with: `Annotated[..., Meta(extra={READS: reader})]`. Blank
    says that nothing is given."""
    for each in getattr(kind, "__metadata__", ()):
        if isinstance(each, msgspec.Meta) and each.extra and READS in each.extra:
            reader: Callable[[Any, str], object] = each.extra[READS]
            return reader
    return None


def _without_none(kind: object) -> object:
    if get_origin(kind) in (Union, types.UnionType):
        real = [part for part in get_args(kind) if part not in (type(None), msgspec.UnsetType)]
        return real[0] if len(real) == 1 else kind
    return kind
