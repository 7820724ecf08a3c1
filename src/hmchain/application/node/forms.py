"""The forms of what is signed and proven: names and kinds of fields, for readers that are not this program.

A record is written as an array without names. A browser that reads one itself, before a person signs it or believes it,
takes the names from here.
"""

from __future__ import annotations

import types
from collections.abc import Iterable
from typing import Annotated, Any, Union, get_args, get_origin

import msgspec

from hmchain.ledger import contracts
from hmchain.ledger.blocks import Receipt
from hmchain.ledger.genesis import Genesis
from hmchain.ledger.readers.proofs import InclusionProof

_WORDS = {bytes: "bytes", types.NoneType: "none"}
Form = Any
"""`value`, `bytes`, `none`; `{"list": Form}`, `{"any": [Form]}`, `{"record": NAME}`: as JSON."""


def bodies() -> dict[str, Any]:
    """The forms of all transactions: records by their names, and the name of each kind's."""
    records: dict[str, Any] = {}
    kinds = {str(each.__struct_config__.tag): _record(each, records) for each in get_args(contracts.Body)}
    return {"kinds": kinds, "records": records}


def proofs() -> dict[str, Any]:
    """The forms of what an inclusion proof holds."""
    records: dict[str, Any] = {}
    kinds = {each.__name__: _record(each, records) for each in (Genesis, InclusionProof, Receipt)}
    return {"kinds": kinds, "records": records}


def _form(kind: Any, records: dict[str, Any]) -> Form:
    origin = get_origin(kind)
    if origin is Annotated:
        return _form(get_args(kind)[0], records)
    if origin is tuple:
        return {"list": _form(get_args(kind)[0], records)}
    if origin in (types.UnionType, Union):
        return {"any": list(_forms(get_args(kind), records))}
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return {"record": _record(kind, records)}
    return _WORDS.get(kind, "value")


def _forms(kinds: Iterable[Any], records: dict[str, Any]) -> Iterable[Form]:
    return (_form(each, records) for each in kinds)


def _record(kind: type[msgspec.Struct], records: dict[str, Any]) -> str:
    name = f"{kind.__module__.rpartition('.')[2]}.{kind.__qualname__}"
    if name not in records:
        records[name] = {}
        records[name] = {
            "tag": kind.__struct_config__.tag,
            "fields": [[field.name, _form(field.type, records)] for field in msgspec.structs.fields(kind)],
        }
    return name
