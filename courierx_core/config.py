"""Settings: a Struct's fields from defaults < courierx.toml < .env < environment.

A blank value means unset, quotes around a value are stripped, and every wrong setting is reported at
once with its name, what it got (never for a Secret) and what it takes.
"""

from __future__ import annotations

import difflib
import types
from collections.abc import Collection, Mapping, Sequence, Set
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

import msgspec

from courierx_core.errors import ConfigError
from courierx_core.ports.driver import Secret

S = TypeVar("S", bound=msgspec.Struct)

_TRUE = frozenset({"1", "true", "yes", "on"})
_FALSE = frozenset({"0", "false", "no", "off"})
_SEQUENCES = (tuple, list, frozenset, set, Sequence, Collection, Set)


def load(config_type: type[S], *, table: Mapping[str, object], environ: Mapping[str, str], where: str) -> S:
    """Build a settings Struct; `where` names the table in messages (`[transports.eu] of courierx.toml`).

    Raises ConfigError with a line for each problem: a value that does not fit, a required one that is
    missing, a key of the table that no field has, and what the Struct's own `__post_init__` refuses.
    """
    values: dict[str, Any] = {}
    problems = unknown_keys(config_type, table, where)
    for field in msgspec.structs.fields(config_type):
        name = env_name(field.type)
        try:
            if name and (text := clean(environ.get(name, ""))):
                values[field.name] = _from_text(text, field.type, name)
            elif field.name in table:
                values[field.name] = _from_table(table[field.name], field.type, f"{where}: {field.name}")
            elif field.required:
                problems.append(_missing(field.name, field.type, name, where))
        except ConfigError as problem:
            problems.append(str(problem))
    if problems:
        raise ConfigError("\n".join(problems))
    try:
        return config_type(**values)
    except ValueError as problem:
        raise ConfigError(f"{where}: {problem}") from problem


def clean(text: str) -> str:
    """Strip spaces and one pair of quotes; '' means unset."""
    text = text.strip()
    if len(text) >= 2 and text[0] == text[-1] and text[0] in "\"'":
        return text[1:-1].strip()
    return text


def merged(*layers: Mapping[str, str]) -> dict[str, str]:
    """Lay mappings over each other, the last on top; a blank value hides nothing."""
    return {name: text for layer in layers for name, text in layer.items() if clean(text)}


def env_name(kind: object) -> str:
    """Return the variable a field's annotation names, '' when it names none."""
    names = [str(meta.extra["env"]) for meta in _unwrap(kind)[1] if meta.extra and "env" in meta.extra]
    return names[0] if names else ""


def env_names(config_type: type[msgspec.Struct]) -> dict[str, str]:
    """Return field -> variable for the fields that name one."""
    names = {field.name: env_name(field.type) for field in msgspec.structs.fields(config_type)}
    return {field: name for field, name in names.items() if name}


def unknown_keys(config_type: type[msgspec.Struct], table: Mapping[str, object], where: str) -> list[str]:
    """Name the keys of a table that no field has, with the nearest one that exists."""
    known = [field.name for field in msgspec.structs.fields(config_type)]
    problems = []
    for key in table:
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1)
            hint = f"did you mean {near[0]}?" if near else f"it takes: {', '.join(known) or 'nothing'}"
            problems.append(f"{where}: {key} is not a setting; {hint}")
    return problems


def is_secret(kind: object) -> bool:
    """Tell whether a value of this annotation must never be shown."""
    return kind is Secret or any(is_secret(part) for part in get_args(kind))


def takes(kind: object) -> str:
    """Say in words what a setting of this annotation takes."""
    kind, metas = _unwrap(kind)
    examples = [example for meta in metas for example in meta.examples or ()]
    return _words(kind, metas) + (f", such as {examples[0]}" if examples else "")


def _words(kind: object, metas: Sequence[msgspec.Meta]) -> str:
    if kind is bool:
        return "true or false"
    if kind in (int, float):
        return ("a whole number" if kind is int else "a number") + _bounds(metas)
    if get_origin(kind) is Literal:
        return "one of: " + ", ".join(str(choice) for choice in get_args(kind))
    if get_origin(kind) in _SEQUENCES:
        return f"{takes(get_args(kind)[0])}, several separated by commas"
    return "a path" if kind is Path else "text"


def _bounds(metas: Sequence[msgspec.Meta]) -> str:
    low = next((meta.ge for meta in metas if meta.ge is not None), None)
    above = next((meta.gt for meta in metas if meta.gt is not None), None)
    high = next((meta.le for meta in metas if meta.le is not None), None)
    if low is not None and high is not None:
        return f" from {low} to {high}"
    if above is not None:
        return f" above {above}"
    if low is not None:
        return f" of at least {low}"
    return f" of at most {high}" if high is not None else ""


def _unwrap(kind: object) -> tuple[object, list[msgspec.Meta]]:
    """Strip Annotated and `| None`; return the plain annotation and its Metas."""
    metas: list[msgspec.Meta] = []
    while True:
        if get_origin(kind) is Annotated:
            metas += [meta for meta in get_args(kind)[1:] if isinstance(meta, msgspec.Meta)]
            kind = get_args(kind)[0]
        elif get_origin(kind) in (Union, types.UnionType):
            real = [part for part in get_args(kind) if part is not type(None)]
            if len(real) != 1:
                return kind, metas
            kind = real[0]
        else:
            return kind, metas


def _from_text(text: str, kind: object, name: str) -> object:
    plain, _ = _unwrap(kind)
    raw: object = text
    if plain is bool:
        word = text.casefold()
        raw = word in _TRUE if word in _TRUE | _FALSE else text
    elif get_origin(plain) in _SEQUENCES:
        raw = [part for part in (clean(item) for item in text.split(",")) if part]
    return _converted(raw, kind, name, strict=False)


def _from_table(value: object, kind: object, name: str) -> object:
    if isinstance(value, str) and get_origin(_unwrap(kind)[0]) in _SEQUENCES:
        return _from_text(value, kind, name)
    return _converted(value, kind, name, strict=True)


def _converted(value: object, kind: object, name: str, *, strict: bool) -> object:
    plain, metas = _unwrap(kind)
    # msgspec takes bounds on a number, not on a number or None; neither source can say None.
    bounded = Annotated[(plain, *metas)] if metas else plain
    try:
        return msgspec.convert(value, bounded, strict=strict, dec_hook=_decode)
    except msgspec.ValidationError as problem:
        got = "a value that is not shown" if is_secret(kind) else repr(value)
        why = "" if is_secret(kind) or not isinstance(problem.__cause__, ValueError) else f" ({problem})"
        raise ConfigError(f"{name}: got {got}; it takes {takes(kind)}{why}") from None


def _decode(kind: type, value: object) -> object:
    if kind not in (Secret, Path):
        raise NotImplementedError(f"no setting can be a {kind.__name__}")
    if not isinstance(value, str):
        raise TypeError("it must be text")
    return kind(value)


def _missing(field: str, kind: object, name: str, where: str) -> str:
    if name:
        return f"{name} is not set (or {field} in {where}); it takes {takes(kind)}"
    return f"{where}: {field} is missing; it takes {takes(kind)}"
