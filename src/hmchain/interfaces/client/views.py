"""Views from the JSON that `plain` makes of them: its inverse, for the same dataclasses and structs."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import date, datetime
from enum import Enum
from pathlib import PurePath
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, TypeVar, Union, cast, get_args, get_origin, get_type_hints

import msgspec

from hmchain.canonical import Record

T = TypeVar("T")


class UnlikeViewError(ValueError):
    """A value is not one of its type."""


def viewed(value: Any, kind: type[T]) -> T:
    """A value of this type from its JSON. Raises `UnlikeViewError`."""
    try:
        return cast("T", _of(value, kind))
    except (TypeError, ValueError, KeyError, AttributeError) as error:
        raise UnlikeViewError(f"this is no {getattr(kind, '__name__', kind)}") from error


def _of(value: Any, kind: Any) -> Any:
    if kind in (Any, object, Record) or isinstance(kind, TypeVar):
        return value
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return _of(value, arguments[0])
    if origin in (Union, UnionType):
        return _first(value, arguments)
    if origin is Literal:
        return value
    if inspect.isclass(origin):
        return _held(value, origin, arguments)
    return _single(value, kind)


def _first(value: Any, kinds: Sequence[Any]) -> Any:
    if value is None and NoneType in kinds:
        return None
    for kind in kinds:
        try:
            return _of(value, kind)
        except (TypeError, ValueError, KeyError, AttributeError):
            continue
    raise UnlikeViewError("this is none of several")


def _held(value: Any, origin: type, arguments: tuple[Any, ...]) -> Any:
    if issubclass(origin, Mapping):
        return {key: _of(each, arguments[1]) for key, each in value.items()}
    if issubclass(origin, tuple) and not (len(arguments) == 2 and arguments[1] is Ellipsis):
        return tuple(_of(each, kind) for each, kind in zip(value, arguments, strict=True))
    if issubclass(origin, Sequence | AbstractSet):
        held = [_of(each, arguments[0]) for each in value]
        return origin(held) if origin in (tuple, set, frozenset) else held
    return _single(value, origin)


def _single(value: Any, kind: Any) -> Any:
    if kind is NoneType:
        if value is not None:
            raise UnlikeViewError("this is something")
        return None
    if kind is bytes:
        return bytes.fromhex(value)
    if issubclass(kind, Enum | PurePath):
        return kind(value)
    if issubclass(kind, datetime | date):
        return kind.fromisoformat(value)
    if issubclass(kind, msgspec.Struct) or dataclasses.is_dataclass(kind):
        return _filled(value, kind)
    if kind is float and isinstance(value, int):
        return float(value)
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise UnlikeViewError(f"this is no {kind.__name__}")
    return value


def _filled(value: Any, kind: Any) -> Any:
    if not isinstance(value, dict):
        raise UnlikeViewError(f"this is no {kind.__name__}")
    is_struct = issubclass(kind, msgspec.Struct)
    tag = kind.__struct_config__.tag if is_struct else None
    if tag and value.get("type") != tag:
        raise UnlikeViewError(f"this is no {kind.__name__}")
    names = kind.__struct_fields__ if is_struct else [each.name for each in dataclasses.fields(kind) if each.init]
    hints = get_type_hints(kind, include_extras=True)
    return kind(**{name: _of(value[name], hints[name]) for name in names})
