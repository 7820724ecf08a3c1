"""Quarantine: a person looks at what no program may decide, and lets it through or rejects it.

Whatever the decision, the item as it came is then erased from the vault; what stays is the decision and who took it.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hmchain.errors import InputError
from hmchain.records.catalogue import Catalogue, HeldItem
from hmchain.records.catalogue.entries import PENDING, REJECTED, RELEASED
from hmchain.records.pipeline.extraction import Extraction, Tally, name_record, quarantine_of
from hmchain.records.sources.item import Item
from hmchain.records.vault import Vault


class NotHeldError(InputError):
    """No item that waits in quarantine, or more than one, begins with what was given."""

    code = "not_held"


class NotReleasableError(InputError):
    """An item in quarantine is damaged or contradicts another: looking at it cannot mend that."""

    code = "not_releasable"


def find_held(catalogue: Catalogue, prefix: str) -> HeldItem:
    """The waiting item whose id begins with `prefix`. Raises `NotHeldError`."""
    waiting = [held for held in catalogue.held() if held.state == PENDING]
    found = [held for held in waiting if held.item.hex().startswith(prefix.lower())]
    if len(found) != 1 or not prefix:
        what = "no waiting item begins" if not found else f"{len(found)} waiting items begin"
        raise NotHeldError(f"{what} with {prefix!r}", "`hmchain data quarantine list` shows them")
    return found[0]


def original_name(vault: Vault, held: HeldItem) -> str:
    """What the source calls the item: for the reviewer's eyes, since it may name the patient."""
    return vault.get(quarantine_of(held.dataset), held.version, name_record(held.item)).decode()


def write_content(vault: Vault, held: HeldItem, path: Path) -> None:
    """Write the item as it came into a new file that only its owner can read: it shows a patient.

    Raises `InputError` if there is such a file.
    """
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError as error:
        raise InputError(f"{path} exists", "give the name of a new file") from error
    with os.fdopen(descriptor, "wb") as file:
        for piece in vault.get_stream(quarantine_of(held.dataset), held.version, held.item.hex()):
            file.write(piece)


@contextmanager
def held_content(vault: Vault, held: HeldItem) -> Iterator[Path]:
    """The item as it came, in a file that is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="hmchain-") as folder:  # mode 0700
        path = Path(folder) / held.item.hex()
        write_content(vault, held, path)
        yield path


def release(
    extraction: Extraction, catalogue: Catalogue, vault: Vault, held: HeldItem, reviewer: str, now_ms: int
) -> Tally:
    """Let an item through: it is de-identified like any other, and becomes records.

    Raises `NotReleasableError` for one that no reviewer can let through.
    """
    if not held.releasable:
        hint = "mend it at its source and extract it again, or reject it"
        raise NotReleasableError(f"item {held.item.hex()[:12]} is held because of {held.reason}", hint)
    with held_content(vault, held) as path:
        item = Item(original_name(vault, held), held.kind, lambda: path.open("rb"), held.label)
        tally = extraction.release(item, held.item)
    if tally.held == 0:
        _close(catalogue, vault, held, RELEASED, reviewer, now_ms)
    return tally


def reject(catalogue: Catalogue, vault: Vault, held: HeldItem, reviewer: str, now_ms: int) -> None:
    """Keep an item out for good."""
    _close(catalogue, vault, held, REJECTED, reviewer, now_ms)


def _close(catalogue: Catalogue, vault: Vault, held: HeldItem, state: str, reviewer: str, now_ms: int) -> None:
    catalogue.review(held, state, reviewer, now_ms)  # first: an item whose content is erased must not seem to wait
    for record in (held.item.hex(), name_record(held.item)):
        vault.erase(quarantine_of(held.dataset), record)
