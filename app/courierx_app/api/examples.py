"""Examples in the API's description: made from each schema, so that none can be forgotten or grow old."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from courierx_app.api.problems import CODES

Schema = Mapping[str, Any]

AT = "2026-05-03T09:00:00Z"
VALUES: Mapping[str, object] = {
    "name": "Spring", "email": "ann@example.org", "recipient": "Ann <ann@example.org>",
    "recipient_email": "ann@example.org", "to": "Ann <ann@example.org>", "contact_email": "post@acme.example",
    "from": "Acme <hi@acme.example>", "from_email": "Acme <hi@acme.example>", "from_name": "Acme",
    "default_from": "Acme <hi@acme.example>", "reply_to": "help@acme.example", "first_name": "Ann",
    "last_name": "Lee", "subject": "Hello {{ first_name }}", "body": "<p>Hello {{ first_name }}</p>",
    "html": "<p>Hello {{ first_name }}</p>", "text": "Hello {{ first_name }}", "layout": "",
    "csv_text": "email,first_name\nann@example.org,Ann\n", "attributes": {"city": "Leeds"},
    "variables": {"city": "Leeds"}, "headers": {"X-Kind": "news"}, "tags": ["receipt"],
    "metadata": {"order_id": "4711"}, "transport": "smtp", "url": "https://acme.example/shop",
    "states": {"accepted": 1200, "bounced": 4}, "audience": 1204, "reply": "250 2.0.0 Ok: queued",
    "last_smtp_response": "250 2.0.0 Ok: queued", "message_id": 88, "provider_id": "0100018f-2b1c",
    "job_id": "4711-1", "pause_reason": "", "unsubscribe": "", "filename": "a.pdf",
    "reason": "asked us to stop", "content_type": "application/pdf", "content": "JVBERg==", "content_id": "",
    "cause": "manual", "provider_job_id": "88", "bounce_type": None, "bounce_subtype": None,
    "complaint_type": None, "state": "accepted", "example": "550 5.1.1 user unknown",
    "scopes": ["campaigns:read"], "warnings": [], "errors": [], "key": "cx_7_shown-only-once",
    "messages": [{"to": ["ann@example.org"], "subject": "Order 4711", "text": "Thank you."}],
    "domain": "acme.example", "txt_name": "cx5e1f7a2r._domainkey.acme.example",
    "txt_value": "v=DKIM1; k=rsa; p=MIIBIjANBgkqhkiG9w0B", "cname_name": "bounce.acme.example",
    "cname_value": "bounce.mail.example", "signs_with": ["cx5e1f7a2r"], "verified_by": "dns",
    "raw": {}, "user_agent": "", "line": 3, "status": "ok",
}  # fmt: skip
"""What a field of that name holds, where its schema allows it."""
WORDS: Mapping[str, object] = {"message_id": "0100018f-2b1c", "status": "sent"}
"""The same, where the field of that name is another thing elsewhere."""
KINDS: Mapping[str, object] = {"integer": 12, "number": 13.9, "boolean": True, "string": "text", "null": None}
BODIES: Mapping[str, tuple[str, ...]] = {
    "MessageBody": ("from", "to", "subject", "html", "variables", "tags"),
    "NewCampaign": ("tenant_id", "name", "subject", "body", "from_email"),
    "NewTemplate": ("tenant_id", "name", "subject", "html"),
    "CampaignChanges": ("subject",),
}
"""What an example of a request gives, where that is not just what it must."""


def example(schema: Schema, components: Schema, name: str = "") -> object:
    """Return a value that the schema allows; one of `VALUES`, or its own, if it has one."""
    for values in (VALUES, WORDS):
        if name in values and allows(schema, values[name], components):
            return values[name]
    if schema.get("examples"):
        return schema["examples"][0]
    if "$ref" in schema:
        return example(_named(schema, components), components, name)
    for one_of in ("oneOf", "anyOf"):
        if one_of in schema:
            return example(schema[one_of][0], components, name)
    if "enum" in schema or "const" in schema:
        return schema["const"] if "const" in schema else schema["enum"][0]
    kind = schema.get("type")
    if kind == "object" and "properties" in schema:
        return {each: example(found, components, each) for each, found in schema["properties"].items()}
    if kind == "object":
        more = schema.get("additionalProperties")
        return {"name": example(more, components)} if more else {}
    if kind == "array":
        return [example(schema.get("items", {}), components, name)]
    if schema.get("format") == "date-time":
        return AT
    return KINDS.get(str(kind), {})


def request_example(schema: Schema, components: Schema) -> object:
    """Return a request that gives what it must, and what makes it worth reading."""
    whole, real = example(schema, components), _named(schema, components)
    if not isinstance(whole, dict):
        return whole
    first = tuple(whole)[:1]
    wanted = BODIES.get(schema.get("$ref", "").rpartition("/")[2]) or tuple(real.get("required", ())) or first
    return {name: whole[name] for name in whole if name in wanted}


def problem_example(status: int) -> Mapping[str, object]:
    """Return a refusal of that status."""
    code = CODES[status]
    field = {"field": "subject", "code": "required", "message": "is missing"}
    return {
        "type": f"/problems/{code.replace('_', '-')}",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "code": code,
        "detail": f"{field['field']}: {field['message']}"
        if status == 422
        else HTTPStatus(status).description,
        "request_id": "5f2c8e1a9b7d4c3e6f0a1b2c",
        "errors": [field] if status == 422 else [],
    }


def allows(schema: Schema, value: object, components: Schema) -> bool:
    """Tell whether a schema takes a value: types, enumerations, items, required properties."""
    schema = _named(schema, components)
    for one_of in ("oneOf", "anyOf"):
        if one_of in schema:
            return any(allows(each, value, components) for each in schema[one_of])
    if "enum" in schema or "const" in schema:
        return value in schema.get("enum", [schema.get("const")])
    kind = schema.get("type")
    if kind == "array":
        items = schema.get("items", {})
        return isinstance(value, list) and all(allows(items, each, components) for each in value)
    if kind == "object":
        return isinstance(value, dict) and _allows_object(schema, value, components)
    kinds: Mapping[object, tuple[type, ...]] = {
        "string": (str,), "integer": (int,), "number": (int, float), "boolean": (bool,),
        "null": (type(None),),
    }  # fmt: skip
    return kind not in kinds or (
        isinstance(value, kinds[kind]) and (kind == "boolean") is (type(value) is bool)
    )


def _allows_object(schema: Schema, value: Mapping[str, object], components: Schema) -> bool:
    own, more = schema.get("properties", {}), schema.get("additionalProperties", True)
    if not set(schema.get("required", ())) <= value.keys():
        return False
    return all(
        allows(own.get(name, more) if name in own or isinstance(more, Mapping) else {}, each, components)
        for name, each in value.items()
    )


def _named(schema: Schema, components: Schema) -> Schema:
    while "$ref" in schema:
        schema = components[schema["$ref"].rpartition("/")[2]]
    return schema
