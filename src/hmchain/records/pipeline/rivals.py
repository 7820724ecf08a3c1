"""Two contents with one identifier: what an item would become, beside the record that is kept in its place.

A person says which of the two to take, and must see both for that.
"""

from __future__ import annotations

import difflib
import io
from collections.abc import Iterator
from dataclasses import dataclass, field

from hmchain.records.catalogue import Catalogue, HeldItem
from hmchain.records.deidentification.outcome import Clean
from hmchain.records.pipeline import viewing
from hmchain.records.pipeline.review import held_item_again
from hmchain.records.pipeline.viewing import View
from hmchain.records.pipeline.workers import Deidentifiers, outcomes
from hmchain.records.sources.item import DICOM, IMAGE
from hmchain.records.vault import Vault

_LINES_MAX, _SHOWN_MAX = 4000, 200


@dataclass(frozen=True)
class Rival:
    """A record that is kept, of whose identifier an item has other content."""

    kept: View
    """The record as it is kept, de-identified."""
    differences: tuple[str, ...] = field(default=())
    """Lines of both, once both are de-identified: of the record after a minus sign, of the item after a plus sign."""
    more: int = 0
    """Further records that the item would replace."""


def rival(rules: Deidentifiers, catalogue: Catalogue, vault: Vault, held: HeldItem) -> Rival | None:
    """Find what is kept in place of an item; None if nothing is, any more. Raises almost anything on damaged bytes."""
    found = _rivals(rules, catalogue, vault, held)
    first = next(found, None)
    if first is None:
        return None
    kind, kept, would = first
    shown, instead = viewing.view(kind, io.BytesIO(kept)), viewing.view(kind, io.BytesIO(would))
    return Rival(
        shown, tuple(_differences(_lines(kind, kept, shown), _lines(kind, would, instead))), sum(1 for _ in found)
    )


def _rivals(
    rules: Deidentifiers, catalogue: Catalogue, vault: Vault, held: HeldItem
) -> Iterator[tuple[str, bytes, bytes]]:
    """What is kept and differs, and what would take its place, each with the kind that it is shown as."""
    for found in outcomes(held_item_again(vault, held), rules, reviewed=True):
        if not isinstance(found, Clean) or not vault.has(held.dataset, held.version, found.record):
            continue
        entry = catalogue.record(held.dataset, held.version, found.record)
        would = b"".join(bytes(piece) for piece in found.pieces())
        kept = b"".join(vault.get_stream(held.dataset, held.version, found.record))
        if entry is not None and kept != would:
            yield _shown_as(found.media_type), kept, would


def _shown_as(media_type: str) -> str:
    return DICOM if media_type == "application/dicom" else IMAGE if media_type.startswith("image/") else "text"


def _lines(kind: str, data: bytes, view: View) -> list[str]:
    text = viewing.header(io.BytesIO(data)) if kind == DICOM else view.text
    return text.splitlines()[:_LINES_MAX]


def _differences(kept: list[str], would: list[str]) -> Iterator[str]:
    changed = list(difflib.unified_diff(kept, would, n=0, lineterm=""))[2:]
    lines = [line for line in changed if not line.startswith("@@")]
    yield from lines[:_SHOWN_MAX]
    if len(lines) > _SHOWN_MAX:
        yield f"and {len(lines) - _SHOWN_MAX} lines more"
