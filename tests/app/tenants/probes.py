"""What one tenant tries on another, generated from the OpenAPI document; each yields what leaked."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from courierx_core.scopes import PLATFORM
from tests.app.operations import NOBODYS
from tests.app.tenants.document import Operation, Slot, kind_of, sample
from tests.app.tenants.world import CANARY, World

REFUSED = {"path": {404}, "query": {404, 422}, "body": {404, 422}}
"""An id in the path or of a tenant is not found; one among a request's fields may be named as a bad field."""
SEARCHES = {"q": CANARY[1:], "recipient": CANARY[1:] + "-new@x.example"}
"""Texts that find what is theirs, and do not show the canary when an answer repeats them."""


def leaks(world: World) -> Iterator[str]:
    """Try everything; yield a line for each thing that a tenant may not."""
    before = world.rows(world.theirs)
    for op in sorted(world.operations, key=_mildest_first):
        yield from lists(world, op)
        for slot in op.slots():
            yield from foreign_id(world, op, slot)
        if op.method != "GET" and (changed := _changed(before, world.rows(world.theirs))):
            yield f"{op} changed their {', '.join(changed)}"
            return


def foreign_id(world: World, op: Operation, slot: Slot) -> Iterator[str]:
    """Put their id into one slot, with our key, and with a platform key that acts for us (T01)."""
    ours, theirs = world.ids[world.ours], world.ids[world.theirs]
    if slot.kind not in theirs and any(f"{{{slot.kind}_id}}" in each.path for each in world.operations):
        yield f"{op}: nothing makes a {slot.kind}; give world.py a way to"
        return
    their_id = theirs.get(slot.kind, int(NOBODYS))
    given = request(world, op, slot, their_id)
    keys = [world.keys[world.ours]]
    if slot.where != "path" and slot.kind != "tenant":
        keys.append(world.platform_key)
        target = given["body"] if "tenant_id" in op.body_schema().get("properties", {}) else given["query"]
        target.setdefault("tenant_id", ours["tenant"])
    for key in keys:
        answer = world.ask(op, key=key, **given)
        if CANARY in answer.text.replace(str(their_id), ""):
            yield f"{op} with their {slot.name} shows what is theirs: {answer.text[:99]}"
        if op.scope == PLATFORM and answer.status_code == 403:
            continue
        if slot.where == "query" and op.method == "GET" and answer.text == "[]" and slot.kind != "tenant":
            continue  # a filter that finds nothing tells nothing
        wanted = {404} if slot.kind == "tenant" else REFUSED[slot.where]
        if answer.status_code not in wanted or not _about(answer, slot):
            yield f"{op} with their {slot.name} ({slot.where}) is a {answer.status_code}: {answer.text[:99]}"


def lists(world: World, op: Operation) -> Iterator[str]:
    """Read whatever can be read with our own ids: no canary anywhere (T02)."""
    if op.method != "GET":
        return
    ours = world.ids[world.ours]
    path = {slot.name: ours.get(slot.kind, 1) for slot in op.slots() if slot.where == "path"}
    names = {each["name"] for each in op.described.get("parameters", ())}
    searches: list[dict[str, Any]] = [{}]
    searches += [{name: text} for name, text in SEARCHES.items() if name in names]
    for query in searches:
        as_platform = {"tenant_id": world.ours} if "tenant_id" in names else {}
        for key, more in ((world.keys[world.ours], {}), (world.platform_key, as_platform)):
            if key == world.platform_key and not (path or as_platform):
                continue  # what the platform sees of all is no leak
            answer = world.ask(op, key=key, path=path, query={**query, **more})
            if CANARY in answer.text:
                yield f"{op} {query} shows what is theirs: {answer.text[:99]}"
            elif answer.status_code >= 300 and not query:
                yield f"{op} with our own ids is a {answer.status_code}: {answer.text[:99]}"


def request(world: World, op: Operation, slot: Slot, their_id: Any) -> dict[str, Any]:
    """Make a request that is right but for one id."""
    ours = world.ids[world.ours]
    path = {each.name: ours.get(each.kind, 1) for each in op.slots() if each.where == "path"}
    given: dict[str, Any] = {"path": path, "query": {}, "body": {}}
    if op.body_schema():
        given["body"] = sample(op, ours, "mine", with_=slot.name if slot.where == "body" else "")
    many = isinstance(given["body"].get(slot.name), list)
    given[slot.where][slot.name] = [their_id] if many else their_id
    return given


def _about(answer: Any, slot: Slot) -> bool:
    """Tell whether a 422 is about the slot, and not about something else that hides it."""
    if answer.status_code != 422:
        return True
    fields = [each["field"].partition("[")[0] for each in answer.json()["errors"]]
    return slot.name in fields or slot.kind in map(kind_of, fields)


def _changed(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    return [name for name in before if before[name] != after[name]]


def _mildest_first(op: Operation) -> tuple[int, str]:
    """Read, then make and change, then remove: so that what is ours is there while it is needed."""
    order = {"GET": 0, "PATCH": 1, "POST": 2, "DELETE": 3}
    return order.get(op.method, 2), op.path
