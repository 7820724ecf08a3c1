"""`hmchain data vault`: look after the encrypted records and their keys."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hmchain.application.data import upkeep
from hmchain.application.site import hospital
from hmchain.interfaces.cli import output
from hmchain.interfaces.cli.asking import YesOption, confirm
from hmchain.interfaces.cli.command import ReadCommand, WriteCommand
from hmchain.interfaces.cli.data import show_vault as views
from hmchain.interfaces.cli.data.sources import changing, reading
from hmchain.interfaces.cli.options import (
    CREDENTIALS_HELP,
    DEFAULT_FOLDER,
    HospitalOption,
    example,
    new_passphrase,
    passphrase,
)

app = typer.Typer(no_args_is_help=True, help="Check, mirror, repair and back up the encrypted records; replace keys.")

DAMAGED = 4
KEY_HELP = "Key file of backups."
REPLICA_HELP = "A directory, or s3://BUCKET/PREFIX, with the ciphertext."

KeyOption = Annotated[
    Path | None,
    typer.Option("--key", metavar="FILE", help=KEY_HELP, show_default="keys/backup.key, made at first use"),
]
ReplicaArgument = Annotated[
    str, typer.Argument(metavar="REPLICA", help="A directory, or s3://BUCKET/PREFIX. It gets ciphertext alone.")
]
CredentialsOption = Annotated[
    Path | None,
    typer.Option("--credentials", metavar="FILE", help=CREDENTIALS_HELP),
]


@app.command(cls=ReadCommand, epilog=example("hmchain data vault verify"))
def verify(
    directory: HospitalOption = DEFAULT_FOLDER,
    ciphertext_only: Annotated[
        bool, typer.Option("--ciphertext-only", help="Compare digests only, without opening the records.")
    ] = False,
) -> None:
    """Read every encrypted object and open it with its key, and compare registered versions with what was registered.

    Exit status 4 if anything is missing or altered.
    """
    with reading(directory) as records, output.progress_bar("reading objects") as progress:
        found = upkeep.check(records, ciphertext_only=ciphertext_only, progress=progress)
    output.show(found, views.show_checked, json=views.checked)
    _require(found.sound)


@app.command(cls=WriteCommand, epilog=example("hmchain data vault mirror /mnt/replica"))
def mirror(
    replica: ReplicaArgument,
    directory: HospitalOption = DEFAULT_FOLDER,
    credentials: CredentialsOption = None,
    deep: Annotated[
        bool, typer.Option("--deep", help="Read all of the replica, not only 256 MiB or a fiftieth of it.")
    ] = False,
) -> None:
    """Copy to a replica what it lacks, replace what has rotten there, and remove what was erased here.

    Sizes are compared of all objects, contents of some that are drawn anew each time.
    """
    with reading(directory) as records, output.progress_bar("copying objects") as progress:
        found = upkeep.mirror(records, replica, credentials, deep=deep, progress=progress)
    output.show(found, views.show_mirrored)
    _require(not found.damaged)


@app.command(cls=WriteCommand, epilog=example("hmchain data vault repair /mnt/replica"))
def repair(
    replica: ReplicaArgument, directory: HospitalOption = DEFAULT_FOLDER, credentials: CredentialsOption = None
) -> None:
    """Put missing and altered objects back from a replica; exit status 4 if some are lost."""
    with reading(directory) as records, output.progress_bar("comparing objects") as progress:
        found = upkeep.repair(records, replica, credentials, progress)
    output.show(found, views.show_repaired)
    _require(not found.lost)


@app.command(cls=WriteCommand, epilog=example("hmchain data vault backup north-2026-11.backup"))
def backup(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A new file.")],
    directory: HospitalOption = DEFAULT_FOLDER,
    key: KeyOption = None,
) -> None:
    """Write wrapped keys, catalogue and the keys that open them into one encrypted file.

    With it, its key and a replica a lost machine can be made good. Records that are erased later come back with it:
    destroy old backups.
    """
    output.show(upkeep.backup(hospital.locate(directory), file, key, passphrase()), views.show_backup)


@app.command(
    cls=WriteCommand, epilog=example("hmchain data vault restore north-2026-11.backup --key backup.key --dir north")
)
def restore(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What `vault backup` wrote.")],
    key: Annotated[Path, typer.Option("--key", metavar="FILE", help=KEY_HELP)],
    directory: HospitalOption = DEFAULT_FOLDER,
    replica: Annotated[str, typer.Option("--replica", metavar="PLACE", help=REPLICA_HELP)] = "",
    credentials: CredentialsOption = None,
) -> None:
    """Make a hospital's folder of a backup and a replica, after a machine was lost.

    Exit status 4 if the replica lacks objects.
    """
    with output.progress_bar("fetching objects") as progress:
        found = upkeep.restore(file, directory, key, replica, credentials, passphrase=passphrase(), progress=progress)
    output.show(found, lambda made: views.show_restored(made, directory, from_replica=bool(replica)))
    _require(not found.lost)


@app.command(cls=WriteCommand, epilog=example("hmchain data vault rotate"))
def rotate(directory: HospitalOption = DEFAULT_FOLDER, yes: YesOption = False) -> None:
    """Replace the key that wraps the records' keys, and destroy the old one. The ciphertext stays as it is."""
    question = (
        "Replace the vault's key, and destroy the old one? Backups of the vault made before are worth nothing then"
    )
    confirm(question, yes=yes)
    with changing(directory) as records, output.progress_bar("wrapping keys") as progress:
        done = upkeep.rotate(records, progress)
    output.show(done, views.show_wrapped)


@app.command(cls=WriteCommand, epilog=example("hmchain data vault seal-keys"))
def seal_keys(directory: HospitalOption = DEFAULT_FOLDER) -> None:
    """Seal the hospital's key files with a passphrase, if they were made without one. Nothing else opens them then.

    It is asked for at a terminal, or comes with --passphrase-file. Keep it apart from the keys, and make a new backup.
    """
    place = hospital.locate(directory)
    output.show(upkeep.seal_keys(place, new_passphrase()), views.show_sealed)


@app.command(cls=WriteCommand, epilog=example("hmchain data vault convert"))
def convert(
    directory: HospitalOption = DEFAULT_FOLDER,
    replica: Annotated[str, typer.Option("--replica", metavar="PLACE", help=REPLICA_HELP)] = "",
    credentials: CredentialsOption = None,
) -> None:
    """Bring a vault that an earlier version made to this one's format; what was cut short goes on.

    Keys are wrapped again, bound to patient and salt, and objects get their names. Ciphertext and registered roots stay
    as they are. Exit status 4 if objects are missing or altered.
    """
    place = hospital.locate(directory)
    with output.progress_bar("wrapping keys, naming objects") as progress:
        found = upkeep.convert(place, replica, credentials, passphrase=passphrase(), progress=progress)
    output.show(found, lambda made: views.show_converted(made, directory))
    _require(not found.lost)


@app.command(cls=WriteCommand, epilog=example("hmchain data vault sweep"))
def sweep(directory: HospitalOption = DEFAULT_FOLDER) -> None:
    """Delete ciphertext older than a day that no record needs: what a power cut may leave."""
    with changing(directory) as records:
        done = upkeep.sweep(records)
    output.show(done, views.show_swept)


def _require(sound: bool) -> None:
    if not sound:
        raise typer.Exit(DAMAGED)
