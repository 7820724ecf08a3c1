"""Quarantine: a person looks at what no program may decide, and lets it through or rejects it.

Whatever the decision, the item as it came is then erased from the vault; what stays is the decision and who took it.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import BinaryIO

from hmchain.errors import InputError
from hmchain.records.catalogue import Catalogue, HeldItem
from hmchain.records.catalogue.entries import PENDING, REJECTED, RELEASED
from hmchain.records.objects import DiskFullError
from hmchain.records.pipeline.decided import CONFLICT
from hmchain.records.pipeline.extraction import Extraction, ExtractionTally, name_record, quarantine_of
from hmchain.records.sources.item import Item, Rectangles
from hmchain.records.sources.spool import spooled
from hmchain.records.vault import Vault


class NotHeldError(InputError):
    """No item that waits in quarantine, or more than one, begins with what was given."""

    code = "not_held"


class NotReleasableError(InputError):
    """An item in quarantine is damaged or contradicts another: looking at it cannot mend that."""

    code = "not_releasable"


def find_held(catalogue: Catalogue, prefix: str) -> HeldItem:
    """The waiting item whose id begins with `prefix`. Raises `NotHeldError`."""
    waiting = [held for held in catalogue.quarantine.items() if held.state == PENDING]
    found = [held for held in waiting if held.item.hex().startswith(prefix.lower())]
    if len(found) > 1 and prefix:
        raise NotHeldError(f"{len(found)} waiting items begin with {prefix!r}", "give more letters of the item's id")
    if len(found) != 1 or not prefix:
        raise NotHeldError(f"no waiting item begins with {prefix!r}", "`hmchain data quarantine list` shows them")
    return found[0]


def original_name(vault: Vault, held: HeldItem) -> str:
    """Read what the source calls the item: for the reviewer's eyes, since it may name the patient."""
    return vault.get(quarantine_of(held.dataset), held.version, name_record(held.item)).decode()


def write_content(vault: Vault, held: HeldItem, path: Path) -> None:
    """Write the item as it came into a new file that only its owner can read: it shows a patient.

    Raises `InputError` if there is such a file, or `DiskFullError` if it cannot be written: then none is left.
    Raises `NotHeldError` if the item was not kept, since it is about somebody who opted out.
    """
    if not vault.has(quarantine_of(held.dataset), held.version, held.item.hex()):
        raise NotHeldError("nothing of this item was kept: it is about somebody who opted out", "look at its source")
    try:
        with open(path, "xb", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
            try:
                for piece in vault.get_stream(quarantine_of(held.dataset), held.version, held.item.hex()):
                    file.write(piece)
                file.flush()
            except BaseException:
                path.unlink()
                raise
    except FileExistsError as error:
        raise InputError(f"{path} exists", "give the name of a new file") from error
    except OSError as error:
        raise DiskFullError(f"{path} cannot be written", "check its folder and the free space") from error


def held_content(vault: Vault, held: HeldItem) -> BinaryIO:
    """The item as it came, from its start: in memory, or in a file without a name that no crash leaves behind."""
    return spooled(vault.get_stream(quarantine_of(held.dataset), held.version, held.item.hex()))


def release(
    extraction: Extraction,
    catalogue: Catalogue,
    vault: Vault,
    held: HeldItem,
    reviewer: str,
    now_ms: int,
    *,
    replacing: bool = False,
    blank: Rectangles = (),
) -> ExtractionTally:
    """Let an item through: it is de-identified like any other, and becomes records.

    `blank` is set to 0 in every frame of an image first: `held.regions`, say, or what the reviewer drew.
    `replacing` says of one with the identifier of other records that it takes their place. Raises `NotReleasableError`
    for one that no reviewer can let through, or for such a one if that is not said.
    """
    if not held.releasable:
        hint = "mend it at its source and extract it again, or reject it"
        raise NotReleasableError(f"item {held.item.hex()[:12]} is held: {held.reason}", hint)
    if CONFLICT in held.code and not replacing:
        what = f"item {held.item.hex()[:12]} has an identifier of which other content was kept"
        raise NotReleasableError(
            what, "say which to take: release it with --replace, or reject it to stay with the other"
        )
    item = Item(original_name(vault, held), held.kind, lambda: held_content(vault, held), held.label, blank=blank)
    tally = extraction.release(item, held.item, replacing=replacing)
    if tally.held == 0:
        _close(catalogue, vault, held, RELEASED, reviewer, now_ms)
    return tally


def reject(catalogue: Catalogue, vault: Vault, held: HeldItem, reviewer: str, now_ms: int) -> None:
    """Keep an item out for good."""
    _close(catalogue, vault, held, REJECTED, reviewer, now_ms)


def forget(catalogue: Catalogue, vault: Vault, held: HeldItem) -> None:
    """Erase an item and all that is written of it: its patient is erased."""
    _erase(vault, held)
    catalogue.quarantine.forget(held)


def _close(catalogue: Catalogue, vault: Vault, held: HeldItem, state: str, reviewer: str, now_ms: int) -> None:
    # First: an item whose content is erased must not seem to wait.
    catalogue.quarantine.decide(held, state, reviewer, now_ms)
    _erase(vault, held)


def _erase(vault: Vault, held: HeldItem) -> None:
    for record in (held.item.hex(), name_record(held.item)):
        vault.erase(quarantine_of(held.dataset), record)
