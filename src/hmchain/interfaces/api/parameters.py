"""What stands in paths and queries of several resources, each with the form that it has to have."""

from __future__ import annotations

from typing import Annotated

import msgspec
from fastapi import Path, Query

NAME = "^[a-z0-9][a-z0-9._-]{0,47}$"
"""A name on a ledger."""

Name = Annotated[str, Path(pattern=NAME, description="Its name on the ledger.")]
Dataset = Annotated[str, Path(pattern=NAME, description="Name of a dataset.")]
Person = Annotated[str, Path(pattern=NAME, description="Name of a person, or an office: `steward`, `scientist`.")]
Organisation = Annotated[str, Path(pattern=NAME, description="Short name of a member.")]
Digits = Annotated[str, Path(pattern="^[0-9a-fA-F]{4,64}$", description="A digest, or its first 4 digits or more.")]
OfMember = Annotated[
    str, Query(alias="of", pattern="^([a-z0-9][a-z0-9._-]{0,47})?$", description="A member; this hospital if left out.")
]
OfDataset = Annotated[
    str, Query(alias="dataset", pattern="^([a-z0-9][a-z0-9._-]{0,47})?$", description="One dataset; all if left out.")
]
Version = Annotated[int | None, Query(ge=0, le=2**31, description="A version; the newest if left out.")]

LedgerName = Annotated[str, msgspec.Meta(pattern=NAME)]
"""The same in a body."""
DatasetName = Annotated[str, msgspec.Meta(pattern="^([a-z0-9][a-z0-9._-]{0,47})?$")]
"""One dataset, or an empty text for all that are meant."""
Code = Annotated[str, msgspec.Meta(pattern="^[a-z][a-z0-9-]{0,40}$")]
"""A word that a ledger has: a reason, an answer, a state."""
Text = Annotated[str, msgspec.Meta(max_length=20_000)]
"""What a person writes: sealed to its readers, and on no ledger."""
