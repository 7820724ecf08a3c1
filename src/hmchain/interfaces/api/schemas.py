"""JSON schema (2020-12, as OpenAPI 3.1 takes it) of views as `plain` writes them: no second set of models.

Bytes are hex, tagged records have their tag as `type`, all fields are there. What a type does not tell stays open.
"""

from __future__ import annotations

import dataclasses
import inspect
import sys
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import date, datetime
from enum import Enum
from pathlib import PurePath
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

import msgspec

from hmchain.canonical import Record

HEX = {"type": "string", "pattern": "^([0-9a-f]{2})*$"}
_SIMPLE: dict[Any, dict[str, Any]] = {
    str: {"type": "string"}, int: {"type": "integer"}, float: {"type": "number"}, bool: {"type": "boolean"},
    bytes: HEX, NoneType: {"type": "null"}, Any: {}, object: {}, Record: {"type": "object"},
    datetime: {"type": "string", "format": "date-time"}, date: {"type": "string", "format": "date"},
}  # fmt: skip


class Schemas:
    """The schemas of an API: those of classes stand once, under their name, and are referred to."""

    def __init__(self, bodies: Iterable[str] = ()) -> None:
        """`bodies` have their names already."""
        self.components: dict[str, dict[str, Any]] = {}
        self._bodies = frozenset(bodies)
        self._names: dict[type, str] = {}

    def of(self, kind: Any) -> dict[str, Any]:
        """The schema of a type as `plain` writes its values."""
        if kind in _SIMPLE:
            return dict(_SIMPLE[kind])
        origin, arguments = get_origin(kind), get_args(kind)
        if origin is Annotated:
            return self.of(arguments[0])
        if origin is Literal:
            return {"enum": list(arguments)}
        if origin in (Union, UnionType):
            return _any_of([self.of(each) for each in arguments])
        if origin is not None and inspect.isclass(origin):
            return self._container(origin, arguments)
        return self._class(kind) if inspect.isclass(kind) else {}

    def _container(self, origin: type, arguments: tuple[Any, ...]) -> dict[str, Any]:
        if issubclass(origin, Mapping):
            return {"type": "object", "additionalProperties": self.of(arguments[1])}
        if issubclass(origin, tuple) and not (len(arguments) == 2 and arguments[1] is Ellipsis):
            each = [self.of(argument) for argument in arguments]
            return {"type": "array", "prefixItems": each, "minItems": len(each), "maxItems": len(each)}
        if issubclass(origin, Sequence | AbstractSet):
            return {"type": "array", "items": self.of(arguments[0])}
        return self._class(origin)

    def _class(self, kind: type) -> dict[str, Any]:
        if issubclass(kind, Enum):
            return {"enum": [each.value for each in kind]}
        if issubclass(kind, PurePath | str):
            return {"type": "string"}
        if issubclass(kind, msgspec.Struct) or dataclasses.is_dataclass(kind):
            return {"$ref": f"#/components/schemas/{self._named(kind)}"}
        return {"type": "object"} if issubclass(kind, dict) else {}

    def _named(self, kind: type) -> str:
        if kind in self._names:
            return self._names[kind]
        name = kind.__name__.lstrip("_")
        if name in self.components or name in self._bodies:  # two rooms have a word for things of their own
            name = f"{kind.__module__.rpartition('.')[2].title().replace('_', '')}{name}"
        self._names[kind] = name
        self.components[name] = {}  # a view may hold views of its own kind
        self.components[name] = self._object(kind)
        return name

    def _object(self, kind: type) -> dict[str, Any]:
        hints = _hints(kind)
        fields = kind.__struct_fields__ if issubclass(kind, msgspec.Struct) else _fields(kind)
        tag = kind.__struct_config__.tag if issubclass(kind, msgspec.Struct) else None
        properties = {"type": {"const": tag}} if tag else {}
        properties |= {name: self.of(hints[name]) for name in fields}
        words = (inspect.getdoc(kind) or "").partition("\n\n")[0].replace("\n", " ")
        return {"type": "object", "description": words, "properties": properties, "required": list(properties)}


def _hints(kind: type) -> dict[str, Any]:
    """The types of its fields; of one that is named for checkers alone, as it would load a large library, none."""
    try:
        return get_type_hints(kind, include_extras=True)
    except NameError:
        found: dict[str, Any] = {}
        for each in reversed(kind.__mro__):
            module = vars(sys.modules[each.__module__])
            for name, written in inspect.get_annotations(each).items():
                try:
                    found[name] = eval(written, module) if isinstance(written, str) else written  # noqa: S307 - ours
                except NameError:
                    found[name] = Any
        return found


def _fields(kind: Any) -> tuple[str, ...]:
    return tuple(field.name for field in dataclasses.fields(kind))


def _any_of(schemas: list[dict[str, Any]]) -> dict[str, Any]:
    return schemas[0] if len(schemas) == 1 else {"anyOf": schemas}
