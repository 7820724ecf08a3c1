"""`hmchain data vault`: look after the encrypted records and their keys."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hmchain.interfaces.cli import output
from hmchain.interfaces.cli.options import DEFAULT_FOLDER, AsJson, HospitalOption, example, passphrase
from hmchain.plain import plain

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hmchain.records.vault import Damage

app = typer.Typer(no_args_is_help=True, help="Check, mirror, repair and back up the encrypted records; replace keys.")

DAMAGED = 4
SHOWN = 20

KeyOption = Annotated[
    Path | None,
    typer.Option(
        "--key", metavar="FILE", help="Key file of backups; made at first use.", show_default="keys/backup.key"
    ),
]
ReplicaArgument = Annotated[
    str, typer.Argument(metavar="REPLICA", help="A directory, or s3://BUCKET/PREFIX. It gets ciphertext alone.")
]
CredentialsOption = Annotated[
    Path | None,
    typer.Option("--credentials", metavar="FILE", help="Of an S3 replica; without it the usual AWS_ variables."),
]


@app.command(epilog=example("hmchain data vault verify"))
def verify(
    directory: HospitalOption = DEFAULT_FOLDER,
    ciphertext_only: Annotated[
        bool, typer.Option("--ciphertext-only", help="Compare digests only, without opening the records.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Read every encrypted object and open it with its key, and compare registered versions with what was registered.

    Exit status 4 if anything is missing or altered.
    """
    from hmchain.application.data import registered
    from hmchain.application.site import hospital

    place = hospital.locate(directory)
    with hospital.read_records(place, passphrase()) as records:
        with output.progress_bar("reading objects") as progress:
            found = records.vault.verify(progress, ciphertext_only=ciphertext_only)
        changed = registered.changes(records, found.changed)
    sound = found.sound and not changed
    if as_json:
        output.emit({**plain(found), "changed": changed, "sound": sound})
    elif sound:
        output.say(f"All {found.records} records can be read.", style="bold green")
        output.fields((("objects", found.blobs), ("of no record", found.unnamed)))
    else:
        _show_damage(found.damaged)
        if found.damaged:
            output.say("Put them back from a replica: hmchain data vault repair REPLICA")
        for each in changed:
            output.say(f"{each.what}: {each.hint}", style="bold red")
    if not sound:
        raise typer.Exit(DAMAGED)


@app.command(epilog=example("hmchain data vault mirror /mnt/replica"))
def mirror(
    replica: ReplicaArgument,
    directory: HospitalOption = DEFAULT_FOLDER,
    credentials: CredentialsOption = None,
    deep: Annotated[
        bool, typer.Option("--deep", help="Read all of the replica, not only 256 MiB or a fiftieth of it.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Copy to a replica what it lacks, replace what has rotten there, and remove what was erased here.

    Sizes are compared of all objects, contents of some that are drawn anew each time.
    """
    from hmchain.application.site import hospital
    from hmchain.records.objects import ObjectStore

    with hospital.read_records(hospital.locate(directory), passphrase()) as records:
        store = ObjectStore.open(replica, credentials=credentials)
        with output.progress_bar("copying objects") as progress:
            found = records.vault.mirror(store, progress, deep=deep)
    if as_json:
        output.emit(found)
    else:
        output.fields((
            ("copied", found.copied),
            ("checked", f"{found.checked}, of which {found.repaired} had rotten and were replaced"),
            ("removed", found.removed),
        ))  # fmt: skip
        _show_damage(found.damaged)
    if found.damaged:
        raise typer.Exit(DAMAGED)


@app.command(epilog=example("hmchain data vault repair /mnt/replica"))
def repair(
    replica: ReplicaArgument,
    directory: HospitalOption = DEFAULT_FOLDER,
    credentials: CredentialsOption = None,
    as_json: AsJson = False,
) -> None:
    """Put missing and altered objects back from a replica; exit status 4 if some are lost."""
    from hmchain.application.site import hospital
    from hmchain.records.objects import ObjectStore

    with hospital.read_records(hospital.locate(directory), passphrase()) as records:
        store = ObjectStore.open(replica, credentials=credentials)
        with output.progress_bar("comparing objects") as progress:
            found = records.vault.repair(store, progress)
    if as_json:
        output.emit(found)
    else:
        output.fields((("put back", found.restored), ("lost", len(found.lost))))
        _show_damage(found.lost)
    if found.lost:
        raise typer.Exit(DAMAGED)


@app.command(epilog=example("hmchain data vault backup north-2026-11.backup"))
def backup(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A new file.")],
    directory: HospitalOption = DEFAULT_FOLDER,
    key: KeyOption = None,
    as_json: AsJson = False,
) -> None:
    """Write wrapped keys, catalogue and the keys that open them into one encrypted file.

    With it, its key and a replica a lost machine can be made good. Records that are erased later come back with it:
    destroy old backups.
    """
    from hmchain.application.data import backup as backups
    from hmchain.application.site import hospital

    place = hospital.locate(directory)
    key_path = key or backups.default_key(place)
    with hospital.read_records(place, passphrase()) as records:
        backups.write(records, file, backups.backup_key(key_path, passphrase()), passphrase())
    if as_json:
        output.emit({"file": file, "key": key_path})
        return
    output.say(
        f"{file} holds keys and catalogue, encrypted. The ciphertext is mirrored apart: hmchain data vault mirror"
    )
    output.say(f"Keep a copy of {key_path} elsewhere, apart from the backups: without it nobody can open them.")


@app.command(epilog=example("hmchain data vault restore north-2026-11.backup --key backup.key --dir north"))
def restore(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What `vault backup` wrote.")],
    key: Annotated[Path, typer.Option("--key", metavar="FILE", help="The backup's key file.")],
    directory: HospitalOption = DEFAULT_FOLDER,
    replica: Annotated[
        str, typer.Option("--replica", metavar="PLACE", help="A directory, or s3://BUCKET/PREFIX, with the ciphertext.")
    ] = "",
    credentials: CredentialsOption = None,
    as_json: AsJson = False,
) -> None:
    """Make a hospital's folder of a backup and a replica, after a machine was lost.

    Exit status 4 if the replica lacks objects.
    """
    from hmchain.application.data import backup as backups
    from hmchain.keys import SecretKey, load_key
    from hmchain.records.objects import ObjectStore

    store = ObjectStore.open(replica, credentials=credentials) if replica else None
    with output.progress_bar("fetching objects") as progress:
        found = backups.restore(
            file, directory, load_key(SecretKey, key, passphrase()),
            passphrase=passphrase(), replica=store, progress=progress,
        )  # fmt: skip
    if as_json:
        output.emit(found)
    else:
        output.fields((
            ("folder", found.folder),
            ("backup of", f"{found.organisation}, made {found.made}"),
            ("objects fetched", found.objects if replica else "none: no replica was named"),
            ("records lost", found.lost),
        ))  # fmt: skip
        output.say(f"Check it: hmchain data vault verify --dir {directory}")
    if found.lost:
        raise typer.Exit(DAMAGED)


@app.command(epilog=example("hmchain data vault rotate"))
def rotate(directory: HospitalOption = DEFAULT_FOLDER, as_json: AsJson = False) -> None:
    """Replace the key that wraps the records' keys, and destroy the old one. The ciphertext stays as it is."""
    from hmchain.application.site import hospital

    place = hospital.locate(directory)
    with hospital.open_records(place, passphrase()) as records, output.progress_bar("wrapping keys") as progress:
        count = records.vault.rotate(progress=progress)
    if as_json:
        output.emit({"wrapped": count})
    else:
        output.say(f"The keys of {count} records are wrapped by a new key; the old one is destroyed.")


@app.command(epilog=example("hmchain data vault convert"))
def convert(
    directory: HospitalOption = DEFAULT_FOLDER,
    replica: Annotated[
        str, typer.Option("--replica", metavar="PLACE", help="Where objects are taken from that the store lacks.")
    ] = "",
    credentials: CredentialsOption = None,
    as_json: AsJson = False,
) -> None:
    """Bring a vault that an earlier version made to this one's format; what was cut short goes on.

    Keys are wrapped again, bound to patient and salt, and objects get their names. Ciphertext and registered roots stay
    as they are. Exit status 4 if objects are missing or altered.
    """
    from hmchain.application.site import hospital
    from hmchain.records.objects import ObjectStore

    place = hospital.locate(directory)
    store = ObjectStore.open(replica, credentials=credentials) if replica else None
    with output.progress_bar("wrapping keys, naming objects") as progress:
        found = hospital.convert(place, passphrase(), store, progress)
    if as_json:
        output.emit(found)
    elif found.records:
        output.fields((("records", found.records), ("objects lost", found.lost)))
        output.say(f"Check it: hmchain data vault verify --dir {directory}")
    else:
        output.say("The vault has this version's format: there is nothing to do.")
    if found.lost:
        raise typer.Exit(DAMAGED)


@app.command(epilog=example("hmchain data vault sweep"))
def sweep(directory: HospitalOption = DEFAULT_FOLDER, as_json: AsJson = False) -> None:
    """Delete ciphertext older than a day that no record needs: what a power cut may leave."""
    from hmchain.application.site import hospital

    with hospital.open_records(hospital.locate(directory), passphrase()) as records:
        count = records.vault.sweep()
    if as_json:
        output.emit({"deleted": count})
    else:
        output.say(f"{count} objects deleted.")


def _show_damage(damaged: Sequence[Damage]) -> None:
    if damaged:
        output.table(
            ("dataset", "version#", "record", "problem"),
            ((each.dataset, each.version, each.record, each.problem) for each in damaged[:SHOWN]),
        )
        if len(damaged) > SHOWN:
            output.say(f"and {len(damaged) - SHOWN} more")
