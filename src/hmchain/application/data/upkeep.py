"""Look after a hospital's encrypted records and their keys: check, mirror, repair, back up, bring up to date."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from hmchain.application.data import backup as backups
from hmchain.application.data import registered
from hmchain.application.data.backup import RestoredHospital
from hmchain.application.data.registered import ChangedVersion
from hmchain.application.site import hospital
from hmchain.application.site.activity import Deed, What, recorded
from hmchain.application.site.hospital import HospitalFolder, Records, read_records
from hmchain.errors import InputError
from hmchain.files import PARTIAL
from hmchain.keys import SecretKey, is_sealed, load_key, seal_key
from hmchain.plain import Progress
from hmchain.records.objects import ObjectStore
from hmchain.records.vault import Conversion, Damage, Mirror, Repair, Scrub

__all__ = [
    "Conversion", "Damage", "Mirror", "Repair", "RestoredHospital", "SealedKeys", "SweptObjects", "VaultCheck",
    "WrappedKeys", "WrittenBackup", "backup", "check", "convert", "mirror", "repair", "restore", "rotate",
    "seal_keys", "sweep",
]  # fmt: skip
"""Also the kinds of what a vault says, so that whoever shows them needs no vault."""


@dataclass(frozen=True)
class VaultCheck:
    """The findings of a look at all records."""

    scrub: Scrub
    changed: tuple[ChangedVersion, ...]
    """Registered versions that are not what they were registered as."""

    @property
    def sound(self) -> bool:
        """True if nothing is missing or altered."""
        return self.scrub.sound and not self.changed


@dataclass(frozen=True)
class WrittenBackup:
    """A backup of keys and catalogue."""

    file: Path
    key: Path
    """The key that opens it, to be kept apart."""


@dataclass(frozen=True)
class WrappedKeys:
    """Keys of records that are wrapped by a new key."""

    wrapped: int


@dataclass(frozen=True)
class SealedKeys:
    """Key files that a passphrase seals."""

    folder: Path
    sealed: int
    """Those that were not sealed before."""
    files: int


class NoPassphraseError(InputError):
    """Key files are to be sealed, and no passphrase was given."""

    code = "no_passphrase"


@dataclass(frozen=True)
class SweptObjects:
    """Ciphertext that no record needed, and that is deleted."""

    deleted: int


def check(records: Records, *, ciphertext_only: bool = False, progress: Progress | None = None) -> VaultCheck:
    """Read every object, open it unless `ciphertext_only`, and compare registered versions with their roots."""
    found = records.vault.verify(progress, ciphertext_only=ciphertext_only)
    return VaultCheck(found, registered.changes(records, found.changed))


def mirror(
    records: Records,
    replica: str,
    credentials: Path | None = None,
    *,
    deep: bool = False,
    progress: Progress | None = None,
) -> Mirror:
    """Make a replica hold what the store holds; `deep` reads all of it.

    Raises `SharedPlaceError` of the members' store, or an error of a store.
    """
    there = ObjectStore.open(replica, credentials=credentials)
    records.folder.require_own(there)
    with recorded(records.folder.activity, Deed(What.MIRROR, where=_kind_of(replica))) as deed:
        found = records.vault.mirror(there, progress, deep=deep)
        deed.add(records=found.copied)
    return found


def repair(records: Records, replica: str, credentials: Path | None = None, progress: Progress | None = None) -> Repair:
    """Put missing and altered objects back from a replica. Raises an error of a store."""
    with recorded(records.folder.activity, Deed(What.REPAIR, where=_kind_of(replica))) as deed:
        found = records.vault.repair(ObjectStore.open(replica, credentials=credentials), progress)
        deed.add(records=found.restored)
    return found


def rotate(records: Records, progress: Progress | None = None) -> WrappedKeys:
    """Replace the key that wraps the records' keys, and destroy the old one; ciphertext stays as it is."""
    with recorded(records.folder.activity, Deed(What.ROTATE)) as deed:
        done = WrappedKeys(records.vault.rotate(progress=progress))
        deed.add(records=done.wrapped)
    return done


def sweep(records: Records) -> SweptObjects:
    """Delete ciphertext older than a day that no record needs: what a power cut may leave."""
    return SweptObjects(records.vault.sweep())


def backup(place: HospitalFolder, file: Path, key: Path | None = None, passphrase: str | None = None) -> WrittenBackup:
    """Write keys and catalogue into a new file, sealed under a key that is made at first use.

    Raises as `backups.write`, `backups.backup_key` and `read_records`.
    """
    path = key or backups.default_key(place)
    with read_records(place, passphrase) as records, recorded(place.activity, Deed(What.BACKUP, where="file")) as deed:
        backups.write(records, file, backups.backup_key(path, passphrase), passphrase)
        deed.add(bytes=file.stat().st_size)
    return WrittenBackup(file, path)


def restore(
    file: Path,
    directory: Path,
    key: Path,
    replica: str = "",
    credentials: Path | None = None,
    *,
    passphrase: str | None = None,
    progress: Progress | None = None,
) -> RestoredHospital:
    """Make a hospital's folder of a backup, and of a replica if one is named. Raises as `backups.restore`."""
    store = _replica(replica, credentials)
    opened = load_key(SecretKey, key, passphrase)
    done = backups.restore(file, directory, opened, passphrase=passphrase, replica=store, progress=progress)
    # A folder that is in use is refused, so the log can begin with what made it alone.
    with recorded(hospital.bare(done.folder).activity, Deed(What.RESTORE)) as deed:
        deed.add(records=done.objects)
    return done


def convert(
    place: HospitalFolder,
    replica: str = "",
    credentials: Path | None = None,
    *,
    passphrase: str | None = None,
    progress: Progress | None = None,
) -> Conversion:
    """Bring a vault to this version's format; missing objects come from a replica. Raises as `hospital.convert`."""
    with recorded(place.activity, Deed(What.CONVERT)):
        return hospital.convert(place, passphrase, _replica(replica, credentials), progress)


def _kind_of(place: str) -> str:
    return "s3" if place.startswith("s3://") else "folder"


def _replica(place: str, credentials: Path | None) -> ObjectStore | None:
    return ObjectStore.open(place, credentials=credentials) if place else None


def seal_keys(place: HospitalFolder, passphrase: str | None) -> SealedKeys:
    """Seal the key files of a hospital that are not, and delete halves of some; the same call goes on where it was cut
    short.

    Raises `NoPassphraseError`, `KeyFileError`, or `WrongPassphraseError` if another passphrase seals some of them.
    """
    if passphrase is None:
        hint = "give --passphrase-file FILE, or type it where a terminal asks for it"
        raise NoPassphraseError("no passphrase was given", hint)
    for left in place.keys.glob(f"*.key*{PARTIAL}"):  # of a process that died while it wrote one
        left.unlink(missing_ok=True)
    node = place.node.node_key if place.node else None  # proves connections only, and CometBFT reads it as it is
    files = [path for path in place.keys.glob("*.key*") if path != node]
    files.sort(key=lambda path: not is_sealed(path))  # first those that say if the passphrase is right
    return SealedKeys(place.keys, sum(seal_key(path, passphrase) for path in files), len(files))
