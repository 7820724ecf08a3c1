"""Cedar in the ledger: a bounded, canonical part of the language, and what a policy is asked.

Cedar (cedarpolicy.com) decides by `permit` and `forbid` policies over a principal, an action, a resource and a context;
one `forbid` that holds outweighs every `permit`, and nothing is allowed that nothing permits. Here

- a policy set is the canonical JSON of Cedar's own JSON format: keys in order, no blank, no annotation, no template;
- what may stand in it is a list: comparisons, sets, `in`, `is`, `if`. Patterns (`like`), arithmetic, records and
  extension types (ip, decimal, datetime) are left out: they add cost, overflow or parsers to what all must agree on;
- its texts are names and codes of known form, so that no sentence and nobody's name can stand on the ledger.

A library that orders its answers by chance (this one does) is sorted; one that fails denies.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

import cedarpy
import msgspec

from hmchain import decoding
from hmchain.ledger.context import NAME, is_name, require
from hmchain.ledger.transactions import Refusal

BYTES_MAX = 12 * 1024
POLICIES_MAX = 48
DEPTH_MAX = 40
_LONG = 1 << 63

CONTEXT = ("asked", "disease", "purpose", "reviewed")
"""What a policy may read of the context."""
ASKED = (
    "code", "colluders", "commercial", "count", "days", "diseases", "documents", "fields", "institutions", "labels",
    "organisations", "people", "publishes", "purposes", "regions", "rounds",
)  # fmt: skip
"""What a policy may read of `context.asked`: all of it is always there."""

_WITHIN = rf"{NAME}/{NAME}"
"""A person or dataset of an organisation."""
_TYPES = {
    "Action": re.compile(r"[a-z]{1,20}"),
    "Dataset": re.compile(_WITHIN),
    "Disease": re.compile(r"MONDO:[0-9]{7}"),
    "Organisation": re.compile(NAME),
    "Person": re.compile(_WITHIN),
    "Purpose": re.compile(r"DUO:[0-9]{7}"),
    "Role": re.compile(r"[a-z]{1,20}"),
}
_TEXT = re.compile(rf"|{NAME}|[A-Z]{{2}}|[0-9a-f]{{64}}")
"""A name, a region, a digest, or nothing."""
_ONE = ("!", "isEmpty")
_TWO = ("!=", "&&", "<", "<=", "==", ">", ">=", "contains", "containsAll", "containsAny", "in", "||")


class _PolicySet(msgspec.Struct, forbid_unknown_fields=True, rename="camel"):
    static_policies: dict[str, dict[str, Any]]
    template_links: list[None]
    templates: dict[str, None]


# -- what may stand in a policy set ------------------------------------------------------------------------------------


def canonical(policies: dict[str, Any]) -> bytes:
    """The one encoding of policies in Cedar's JSON, by id."""
    return msgspec.json.encode({"staticPolicies": policies, "templateLinks": [], "templates": {}}, order="sorted")


def parsed(cedar: bytes) -> dict[str, Any]:
    """The policies of a set by id, in order.

    Refuses (`bad_policy`) what is too large, not in the one encoding, or beyond the part of the language that is
    allowed.
    """
    require(len(cedar) <= BYTES_MAX, "bad_policy")
    try:
        found = decoding.from_json(cedar, _PolicySet)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        raise Refusal("bad_policy") from None
    policies = found.static_policies
    require(1 <= len(policies) <= POLICIES_MAX and not found.template_links and not found.templates, "bad_policy")
    require(all(is_name(name) for name in policies), "bad_policy")
    require(all(_is_policy(policy) for policy in policies.values()), "bad_policy")
    require(canonical(policies) == cedar, "bad_policy")
    return dict(sorted(policies.items()))


def require_sound(cedar: bytes) -> None:
    """Refuse (`bad_policy`) what `parsed` refuses, and what Cedar itself does not read."""
    parsed(cedar)
    try:
        cedarpy.PolicySet.from_json_str(cedar.decode())
    except ValueError:
        raise Refusal("bad_policy") from None


def naming(cedar: bytes, action: str) -> bytes:
    """The rules of a set that are for an action by its name, not since they are for any; empty where there is none.

    What must never follow from a rule that says nothing of it is judged by these alone.
    """
    entity = {"id": action, "type": "Action"}
    found = {
        name: policy
        for name, policy in parsed(cedar).items()
        if entity in (policy["action"].get("entity"), *policy["action"].get("entities", ()))
    }
    return canonical(found) if found else b""


def _is_policy(policy: dict[str, Any]) -> bool:
    return (
        set(policy) == {"action", "conditions", "effect", "principal", "resource"}
        and policy["effect"] in ("forbid", "permit")
        and all(_is_scope(policy[part]) for part in ("action", "principal", "resource"))
        and isinstance(policy["conditions"], list)
        and all(_is_condition(each) for each in policy["conditions"])
    )


def _is_scope(scope: Any) -> bool:
    match scope:
        case {"op": "All"}:
            return len(scope) == 1
        case {"op": "==" | "in", "entity": entity}:
            return len(scope) == 2 and _is_entity(entity)
        case {"op": "in", "entities": list(entities)}:
            return len(scope) == 2 and all(map(_is_entity, entities))
        case {"op": "is", "entity_type": kind}:
            return len(scope) == 2 and _is_type(kind)
    return False


def _is_type(kind: Any) -> bool:
    """A list or an object has no hash: a look-up of it would fail."""
    return isinstance(kind, str) and kind in _TYPES


def _is_entity(entity: Any) -> bool:
    match entity:
        case {"id": str(name), "type": str(kind)}:
            return len(entity) == 2 and kind in _TYPES and _TYPES[kind].fullmatch(name) is not None
    return False


def _is_condition(condition: Any) -> bool:
    match condition:
        case {"body": body, "kind": "when" | "unless"}:
            return len(condition) == 2 and _is_expression(body, DEPTH_MAX)
    return False


def _is_expression(expression: Any, depth: int) -> bool:
    if depth == 0 or not isinstance(expression, dict) or len(expression) != 1:
        return False
    ((operator, inner),) = expression.items()
    if operator == "Set":
        return isinstance(inner, list) and all(_is_expression(each, depth - 1) for each in inner)
    if operator in ("Value", "Var"):
        return _is_value(inner) if operator == "Value" else inner in ("principal", "action", "resource", "context")
    return isinstance(inner, dict) and _is_operation(operator, inner, depth - 1)


def _is_operation(operator: str, inner: dict[str, Any], depth: int) -> bool:
    if operator == ".":
        return set(inner) == {"attr", "left"} and inner["attr"] in _attributes_of(inner["left"])
    if operator == "is":
        known = set(inner) == {"entity_type", "left"} and _is_type(inner["entity_type"])
        return known and _is_expression(inner["left"], depth)
    parts = _parts(operator)
    return set(inner) == set(parts) != set() and all(_is_expression(inner[part], depth) for part in parts)


def _attributes_of(left: Any) -> tuple[str, ...]:
    """What may be read of the context, and of what is asked in it; nothing of all else."""
    if left == {"Var": "context"}:
        return CONTEXT
    return ASKED if left == {".": {"attr": "asked", "left": {"Var": "context"}}} else ()


def _parts(operator: str) -> tuple[str, ...]:
    if operator in _ONE:
        return ("arg",)
    if operator in _TWO:
        return ("left", "right")
    return ("else", "if", "then") if operator == "if-then-else" else ()


def _is_value(value: Any) -> bool:
    match value:
        case bool():
            return True
        case int():
            return -_LONG <= value < _LONG
        case str():
            return _TEXT.fullmatch(value) is not None
        case {"__entity": entity}:
            return len(value) == 1 and _is_entity(entity)
    return False


# -- what is asked of it -----------------------------------------------------------------------------------------------


def entity(
    kind: str, name: str, parents: Iterable[tuple[str, str]] = (), attributes: dict[str, Any] | None = None
) -> dict[str, Any]:
    """An entity in Cedar's JSON, with its parents and attributes."""
    return {
        "uid": {"type": kind, "id": name},
        "attrs": attributes or {},
        "parents": [{"type": of, "id": parent} for of, parent in parents],
    }


def reference(kind: str, name: str) -> dict[str, Any]:
    """An entity as a value in a context."""
    return {"__entity": {"type": kind, "id": name}}


@lru_cache(256)
def handle(cedar: bytes) -> cedarpy.PolicySet:
    """A policy set that Cedar has read; kept, since reading costs more than deciding."""
    return cedarpy.PolicySet.from_json_str(cedar.decode())


@lru_cache(256)
def reads(cedar: bytes) -> frozenset[str]:
    """What a policy set reads of `context.asked`: the rest need not be told to it."""
    return frozenset(name for name in ASKED if f'"attr":"{name}","left":{_ASKED_JSON}'.encode() in cedar)


_ASKED_JSON = '{".":{"attr":"asked","left":{"Var":"context"}}}'


def asked(
    policies: cedarpy.PolicySet, requests: list[dict[str, Any]], entities: cedarpy.Entities, failed: str
) -> list[tuple[bool, tuple[str, ...]]]:
    """For each request whether it is allowed, and by which policies, in order of their ids.

    A policy that cannot be evaluated would be passed over by Cedar, a `forbid` too; here it denies, as `failed`.
    """
    return [_answer(result, failed) for result in cedarpy.is_authorized_batch(requests, policies, entities)]


def _answer(result: cedarpy.AuthzResult, failed: str) -> tuple[bool, tuple[str, ...]]:
    if result.diagnostics.errors:
        return False, (failed,)
    return result.allowed, tuple(sorted(result.diagnostics.reasons))
