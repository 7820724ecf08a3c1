"""Views of the state of a vault."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from hmchain.application.data.upkeep import (
    Conversion,
    Damage,
    Mirror,
    Repair,
    RestoredHospital,
    SealedKeys,
    SweptObjects,
    VaultCheck,
    WrappedKeys,
    WrittenBackup,
)
from hmchain.interfaces.cli import output
from hmchain.plain import plain

SHOWN = 20


def checked(found: VaultCheck) -> dict[str, object]:
    """The same as JSON."""
    return {**plain(found.scrub), "changed": found.changed, "sound": found.sound}


def show_checked(found: VaultCheck) -> None:
    """Say whether all records can be read, or what is wrong and what to do."""
    if found.sound:
        output.say(f"All {found.scrub.records} records can be read.", style="bold green")
        output.fields((("objects", found.scrub.blobs), ("of no record", found.scrub.unnamed)))
        return
    _show_damage(found.scrub.damaged)
    if found.scrub.damaged:
        output.say("Put them back from a replica: `hmchain data vault repair REPLICA`")
    for each in found.changed:
        output.say(f"{each.what}: {each.hint}", style="bold red")


def show_mirrored(found: Mirror) -> None:
    """Say what was copied to a replica, and what could not be."""
    output.fields((
        ("copied", found.copied),
        ("checked", f"{found.checked}, of which {found.repaired} had rotten and were replaced"),
        ("removed", found.removed),
    ))  # fmt: skip
    _show_damage(found.damaged)


def show_repaired(found: Repair) -> None:
    """Say what came back from a replica, and what is lost."""
    output.fields((("put back", found.restored), ("lost", len(found.lost))))
    _show_damage(found.lost)


def show_wrapped(done: WrappedKeys) -> None:
    """Say how many keys are wrapped anew."""
    output.say(f"The keys of {done.wrapped} records are wrapped by a new key; the old one is destroyed.")


def show_sealed(done: SealedKeys) -> None:
    """Say how many key files were sealed, and what to take care of."""
    if not done.sealed:
        output.say(
            f"All {done.files} key files in {done.folder} are sealed with this passphrase: nothing is to be done."
        )
        return
    output.say(
        f"Sealed {done.sealed} of {done.files} key files in {done.folder}. Without the passphrase nobody opens them:"
    )
    output.say("keep it apart from them. Copies and backups of the folder made before hold the keys unsealed.")


def show_swept(done: SweptObjects) -> None:
    """Say what was deleted."""
    output.say(f"{done.deleted} objects deleted.")


def show_backup(made: WrittenBackup) -> None:
    """Say what a backup holds, and what to keep apart from it."""
    output.say(f"{made.file} holds keys and catalogue, encrypted.")
    output.say("The ciphertext is mirrored apart: `hmchain data vault mirror REPLICA`")
    output.say(f"Keep a copy of {made.key} elsewhere, apart from the backups: without it nobody can open them.")


def show_restored(found: RestoredHospital, directory: Path, *, from_replica: bool) -> None:
    """Say what a backup, and a replica if one was named, gave back."""
    output.fields((
        ("folder", found.folder),
        ("backup of", f"{found.organisation}, made {found.made}"),
        ("objects fetched", found.objects if from_replica else "none: no replica was named"),
        ("records lost", found.lost),
    ))  # fmt: skip
    output.say(f"Check it: `hmchain data vault verify --dir {directory}`")


def show_converted(found: Conversion, directory: Path) -> None:
    """Say what became of a vault of an earlier version."""
    if found.records:
        output.fields((("records", found.records), ("objects lost", found.lost)))
        output.say(f"Check it: `hmchain data vault verify --dir {directory}`")
    else:
        output.say("The vault has this version's format: there is nothing to do.")


def _show_damage(damaged: Sequence[Damage]) -> None:
    if damaged:
        output.table(
            ("dataset", "version#", "record", "problem"),
            ((each.dataset, each.version, each.record, each.problem) for each in damaged[:SHOWN]),
        )
        if len(damaged) > SHOWN:
            output.say(f"and {len(damaged) - SHOWN} more")
