"""The OpenAPI document as the sweeps read it: operations, the places where an id goes, bodies that fit."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Literal, NamedTuple

from litestar import Litestar

from courierx_app.api.docs import described
from tests.app.operations import operations_of

Json = dict[str, Any]

KINDS = {"list": "list", "email": "email"}
"""Parameters that name somebody's object and are not called `..._id`."""
FREE = {"", "email"}
"""What a body may name freely: an address is nobody's."""
OTHERS = {"transport", "token", "name"}
"""Parts of a path that name nothing of a tenant's: they are the installation's, or signed."""
LATER = "2999-01-01T00:00:00Z"


class Slot(NamedTuple):
    """A place in a request for an object's id; `kind` is what it names: `campaign`, `tenant`, ..."""

    where: Literal["path", "query", "body"]
    name: str
    kind: str


class Operation(NamedTuple):
    method: str
    path: str
    scope: str
    described: Json
    document: Json

    def __str__(self) -> str:
        return f"{self.method} {self.path}"

    def body_schema(self) -> Json:
        content = self.described.get("requestBody", {}).get("content", {})
        return resolve(content.get("application/json", {}).get("schema", {}), self.document)

    def slots(self) -> list[Slot]:
        """List where an id goes. Raises LookupError for a part of the path that nobody has thought about."""
        found = []
        for each in self.described.get("parameters", ()):
            kind = kind_of(each["name"])
            if kind:
                found.append(Slot(each["in"], each["name"], kind))
            elif each["in"] == "path" and each["name"] not in OTHERS:
                raise LookupError(f"{self}: say in document.KINDS or OTHERS what {{{each['name']}}} names")
        properties = self.body_schema().get("properties", {})
        found += [Slot("body", name, kind) for name in properties if (kind := kind_of(name)) not in FREE]
        return found


def operations(app: Litestar) -> list[Operation]:
    """List what needs a key, as the document describes it."""
    document = described(app)
    return [
        Operation(
            each.method, each.path, each.scope, document["paths"][each.path][each.method.lower()], document
        )
        for each in operations_of(app)
        if not each.public and each.path in document["paths"]
    ]


def kind_of(name: str) -> str:
    found = re.fullmatch(r"(?:exclude_)?(.+?)_ids?", name)
    kind = found[1] if found else KINDS.get(name, "")
    return "" if kind in ("rfc_message", "provider", "content") else kind


def sample(op: Operation, fill: Mapping[str, Any], word: str, *, with_: str = "") -> Json:
    """Make the smallest body that fits the schema, `with_` one optional field; ids of each kind from
    `fill`, texts are `word`."""
    schema = op.body_schema()
    wanted = {*schema.get("required", ()), *EXTRA.get(str(op), ()), *([with_] if with_ else ())}
    properties = schema.get("properties", {})
    return {
        name: FITTING.get((str(op), name)) or value(properties[name], name, fill, word, op.document)
        for name in properties
        if name in wanted
    }


def value(schema: Json, name: str, fill: Mapping[str, Any], word: str, document: Json) -> Any:
    kind = kind_of(name)
    schema = resolve(schema, document)
    for choice in (*schema.get("oneOf", ()), *schema.get("anyOf", ())):
        if choice.get("type") != "null":
            return value(choice, name, fill, word, document)
    if schema.get("enum"):
        return schema["enum"][0]
    type_ = schema.get("type", "object")
    type_ = next(each for each in type_ if each != "null") if isinstance(type_, list) else type_
    if type_ == "array":
        return [value(schema.get("items", {}), name, fill, word, document)]
    if type_ == "object":
        wanted = schema.get("required", ())
        return {
            each: value(part, each, fill, word, document)
            for each, part in schema.get("properties", {}).items()
            if each in wanted
        }
    if type_ == "integer":
        return fill.get(kind, 1) if kind else max(1, schema.get("minimum", 1))
    if type_ == "boolean":
        return False
    if schema.get("format") == "date-time":
        return LATER
    if re.search(r"email|recipient|^to$|^from$|address", name):
        return f"{word}-new@x.example"
    return {"url": f"https://{word}.example/", "domain": f"{word}.example"}.get(name, word)


EXTRA: Mapping[str, tuple[str, ...]] = {
    "POST /webhooks/{webhook_id}/replay": ("event_id",),
    "POST /messages": ("subject", "text", "from"),
    "POST /campaigns": ("text", "from_email"),
    "POST /keys": ("scopes",),
    "POST /templates": ("subject", "text"),
}
"""What a request needs beyond what its schema requires."""
FITTING: Mapping[tuple[str, str], Any] = {
    ("POST /keys", "scopes"): ["lists:read"],
    ("POST /messages/batch", "messages"): [{"to": ["new@x.example"], "subject": "s", "text": "t"}],
    ("POST /segments", "definition"): {"type": "attribute", "name": "plan", "op": "in", "value": ["pro"]},
    ("POST /segments/count", "definition"): {
        "type": "attribute",
        "name": "plan",
        "op": "in",
        "value": ["pro"],
    },
}
"""Values that no schema tells."""


RAW: Mapping[str, tuple[str, bytes]] = {
    "POST /subscribers/bulk-import": ("text/csv", b"email\nimported@x.example\n"),
    "POST /suppression/bulk-import": ("text/csv", b"imported@x.example\n"),
}
"""Bodies that are not JSON."""


def resolve(schema: Json, document: Json) -> Json:
    while "$ref" in schema:
        found: Any = document
        for part in schema["$ref"].removeprefix("#/").split("/"):
            found = found[part]
        schema = found
    return schema


def query_of(op: Operation, fill: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Give the query parameters that a request must have."""
    for each in op.described.get("parameters", ()):
        if each["in"] == "query" and each.get("required"):
            yield each["name"], fill.get(kind_of(each["name"]), 1)
