"""What stands in paths and queries of several resources, each with the form that it has to have."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import msgspec
from fastapi import Path, Query

from hmchain.application.site.persons import MadeElsewhere
from hmchain.ledger import context

NAME = f"^{context.NAME}$"
"""A name on a ledger."""
NAME_OR_NONE = f"^({context.NAME})?$"
NAME_OF_MEMBER = f"{context.NAME}/{context.NAME}"
"""ORGANISATION/NAME."""


def like(form: str, **more: Any) -> msgspec.Meta:
    r"""The form of a text in a body, from end to end: msgspec searches as Python does, whose `$` lets a line break in.

    What is published says `$`, as JSON schema has no `\Z`.
    """
    return msgspec.Meta(pattern=rf"^{form}\Z", **more)


def one_of(words: Iterable[str]) -> msgspec.Meta:
    """Say in the description which words there are; the service refuses others, and says so in its own words."""
    return msgspec.Meta(extra_json_schema=words_of(words))


def words_of(words: Iterable[str]) -> dict[str, Any]:
    """The same of what stands in an address."""
    return {"enum": list(map(str, words))}


Name = Annotated[str, Path(pattern=NAME, description="Its name on the ledger.")]
Dataset = Annotated[str, Path(pattern=NAME, description="Name of a dataset.")]
Person = Annotated[str, Path(pattern=NAME, description="Name of a person, or an office: `steward`, `scientist`.")]
Organisation = Annotated[str, Path(pattern=NAME, description="Short name of a member.")]
Digits = Annotated[str, Path(pattern="^[0-9a-fA-F]{4,64}$", description="A digest, or its first 4 digits or more.")]
OfMember = Annotated[str, Query(alias="of", pattern=NAME_OR_NONE, description="A member; this hospital if left out.")]
OfDataset = Annotated[str, Query(alias="dataset", pattern=NAME_OR_NONE, description="One dataset; all if left out.")]
Version = Annotated[int | None, Query(ge=0, le=2**31, description="A version; the newest if left out.")]

LedgerName = Annotated[str, like(context.NAME)]
"""The same in a body."""
DatasetName = Annotated[str, like(f"({context.NAME})?")]
"""One dataset, or an empty text for all that are meant."""
Code = Annotated[str, like("[a-z][a-z0-9-]{0,40}")]
"""A word that a ledger has: a reason, an answer, a state."""
Text = Annotated[str, msgspec.Meta(max_length=20_000)]
"""What a person writes: sealed to its readers, and on no ledger."""
Hash = Annotated[str, like("[0-9a-f]{64}")]
"""32 bytes: a digest, or a key."""
Signature = Annotated[str, like("[0-9a-f]{128}")]


class PersonSigned(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The signature of one of the hospital's people."""

    person: Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
    signature: Signature


Signatures = Annotated[tuple[PersonSigned, ...], msgspec.Meta(min_length=1, max_length=8)]
"""Of what several people sign together."""


def made_elsewhere(signed_ms: int, signatures: Sequence[PersonSigned]) -> MadeElsewhere:
    """The same as services take it."""
    return MadeElsewhere(signed_ms, tuple((each.person, bytes.fromhex(each.signature)) for each in signatures))


@dataclass(frozen=True)
class ToApprove:
    """What people sign together, each with a key of their own."""

    statement: bytes
    """32 bytes."""
    signed_ms: int
    persons: int
    """So many."""
    reason: str


class Nothing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Nothing more is to be said."""
