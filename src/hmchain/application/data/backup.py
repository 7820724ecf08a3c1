"""Backups of a hospital's keys and catalogue: one encrypted file that, with a replica, gives back all records.

It holds the vault's file, the catalogue with the keys of the projects and the consents in it, the log of what was done
with the records, whose records studies used and what left has, the two keys that open them, and former wrapping keys,
which open what others sealed to the hospital. All of it is sealed under a backup key of its own, a key file that is
kept apart. A backup begins with a list of its parts; their bytes follow, in that order. Keys are in clear in memory
alone.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import msgspec

from hmchain import decoding, sqlite
from hmchain.application.consent.study_cohorts import StudyCohorts
from hmchain.application.security import log as security
from hmchain.application.site.activity import ActivityLog
from hmchain.application.site.hospital import (
    ACTIVITY,
    CATALOGUE,
    COHORTS,
    RELEASED,
    HospitalExistsError,
    HospitalFolder,
    NoHospitalError,
    Records,
    bare,
    convert,
    locate,
    open_records,
)
from hmchain.application.site.keyring import (
    earlier_key_file,
    earlier_key_files,
    is_earlier_key,
    key_file,
    replaced_key_file,
)
from hmchain.application.site.persons import FILE as PERSONS
from hmchain.application.site.record_store import SETTINGS
from hmchain.canonical import digest
from hmchain.errors import StorageError
from hmchain.files import free_name, make_folder, read, rename
from hmchain.keys import SecretKey, StoredKey, WrappingKey, load_key, save_key
from hmchain.plain import Progress
from hmchain.records.consents.settings import SETTINGS_FILE as CONSENTS
from hmchain.records.deidentification.patients import RULE_FILE as PATIENTS
from hmchain.records.envelope import EnvelopeError, EnvelopeKeyError, open_stream, seal_stream
from hmchain.records.objects import ObjectStore
from hmchain.records.pipeline import clean_files
from hmchain.records.vault import Repair
from hmchain.records.vault.database import FILE as VAULT

_KEYS: dict[str, type[StoredKey]] = {"wrapping": WrappingKey, "local": SecretKey}
_PLAIN = (SETTINGS, PERSONS, PATIENTS, CONSENTS)
"""Small files beside them, as they are."""
_CONTEXT = digest("hmchain records backup")
_LENGTH_BYTES = 4
_MANIFEST_BYTES_MAX = 1 << 20
_PIECE_BYTES = 1 << 20


class RecordsBackupError(StorageError):
    """A backup of a hospital's records cannot be opened with the key, or is damaged."""

    code = "records_backup"


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A backup's words on itself."""

    format: Literal["hmchain records backup 1"]
    organisation: str
    made: str
    """UTC, ISO 8601."""
    parts: dict[str, int]
    """Names and sizes in bytes, in order."""


@dataclass(frozen=True)
class RestoredHospital:
    """A hospital's folder that a backup gave back."""

    folder: Path
    organisation: str
    """Of whom the backup says that it is."""
    made: str
    objects: int = 0
    """Objects that a replica gave back."""
    lost: int = 0
    """Records whose ciphertext it does not have."""


def default_key(place: HospitalFolder) -> Path:
    """The path of the key of a hospital's backups, if no other place is named."""
    return key_file(place.keys, "backup")


def backup_key(path: Path, passphrase: str | None = None) -> SecretKey:
    """The key of backups, made at first use. Raises `KeyFileError` or `WrongPassphraseError`."""
    if not path.exists():
        save_key(SecretKey.generate(), path, passphrase)
    return load_key(SecretKey, path, passphrase)


def write(records: Records, path: Path, key: SecretKey, passphrase: str | None = None) -> None:
    """Write a backup to a new file of mode 0600; records may be read and put meanwhile.

    Raises `RecordsBackupError` if there is such a file, `DiskFullError`, or an error of vault, catalogue or keys.
    """
    if path.exists():
        raise RecordsBackupError(f"{path} exists", "a backup is never overwritten; choose another name")
    place = records.folder
    with _scratch(place.path) as scratch:
        # The catalogue first: whatever it lists then, the vault has.
        records.catalogue.backup(scratch / CATALOGUE)
        records.vault.backup(scratch / VAULT)
        with closing(ActivityLog(place.activity)) as log:
            log.backup(scratch / ACTIVITY)
        if place.study_cohorts.exists():
            with closing(StudyCohorts(place.study_cohorts)) as cohorts:
                cohorts.backup(scratch / COHORTS)
        if place.released_cohorts.exists():
            _copy(place.released_cohorts, scratch / RELEASED)
        for name in _PLAIN:
            if (place.path / name).exists():
                (scratch / name).write_bytes(read(place.path / name))
        parts: dict[str, Path | bytes] = {file.name: file for file in sorted(scratch.iterdir())}
        for role, kind in _KEYS.items():
            parts[role] = load_key(kind, key_file(place.keys, role), passphrase).secret_bytes()
        for earlier in (load_key(WrappingKey, file, passphrase) for file in earlier_key_files(place.keys)):
            parts[earlier_key_file(place.keys, earlier).name] = earlier.secret_bytes()
        clean_files.write(path, seal_stream(_content(place.organisation, parts), key, _CONTEXT), durable=True)


def _copy(path: Path, target: Path) -> None:
    """Copy a SQLite file that may be in use. Raises `RecordsBackupError`."""

    def named(trouble: sqlite.Trouble) -> RecordsBackupError:
        return RecordsBackupError(f"{path} cannot be read: {trouble.value}", "restore it, or wait for who uses it")

    with closing(sqlite.open_read_only(path, named)) as database, sqlite.failures(named):
        sqlite.copy_to(database, target)


def restore(
    path: Path,
    directory: Path,
    key: SecretKey,
    *,
    passphrase: str | None = None,
    replica: ObjectStore | None = None,
    progress: Progress | None = None,
) -> RestoredHospital:
    """Make a hospital's folder of a backup, in a new folder or in that of a hospital or node that has no records yet.

    Keys of such a folder that are others than the backup's are put aside (`*.key.replaced`). Ciphertext comes from
    `replica`, or is where `records.toml` says. Raises `HospitalExistsError` if there are records or an agent's store,
    or `RecordsBackupError`.
    """
    place = _place(directory)
    if any(path.exists() for path in (place.vault, place.catalogue, place.agent_store)):
        raise HospitalExistsError(f"{place.path} is in use already", "restore into a new folder")
    make_folder(place.path, mode=0o700)
    with _scratch(place.path) as scratch:
        manifest, secrets = _unpack(path, key, scratch)
        for role, kind in _KEYS.items():
            _put_key(kind.from_secret_bytes(secrets.pop(role)), place, role, passphrase)
        for earlier in map(WrappingKey.from_secret_bytes, secrets.values()):
            if not (file := earlier_key_file(place.keys, earlier)).exists():
                save_key(earlier, file, passphrase)
        for name in _PLAIN:
            if (scratch / name).exists() and not (place.path / name).exists():
                rename(scratch / name, place.path / name)
        make_folder(place.vault, mode=0o700)
        rename(scratch / VAULT, place.vault_database)
        rename(scratch / CATALOGUE, place.catalogue)
        if (scratch / COHORTS).exists():
            rename(scratch / COHORTS, place.study_cohorts)
        if (scratch / RELEASED).exists():
            rename(scratch / RELEASED, place.released_cohorts)
        if (scratch / ACTIVITY).exists():
            _bring_log(scratch / ACTIVITY, place.activity, place.organisation)
    convert(place, passphrase, replica)  # a backup may be older than this program
    found = Repair(0, ())
    if replica is not None:
        with open_records(place, passphrase) as records:
            found = records.vault.repair(replica, progress)
    return RestoredHospital(place.path, manifest.organisation, manifest.made, found.restored, len(found.lost))


def _bring_log(brought: Path, own: Path, organisation: str) -> None:
    """The longer log goes on, which the ledger has anchors of; the other, or another hospital's, stays beside it."""
    aside = free_name(own.with_name(f"{own.name}.aside"))
    if security.whose(brought) not in ("", organisation):
        rename(brought, aside)
    elif not own.exists():
        rename(brought, own)
    elif security.head(brought)[0] > security.head(own)[0]:
        sqlite.remove_logs(own)
        rename(own, aside)
        rename(brought, own)
    else:
        rename(brought, aside)


def _place(directory: Path) -> HospitalFolder:
    with suppress(NoHospitalError):
        return locate(directory)
    return bare(directory)


def _put_key(key: StoredKey, place: HospitalFolder, role: str, passphrase: str | None) -> None:
    file = key_file(place.keys, role)
    if file.exists():
        if load_key(type(key), file, passphrase).secret_bytes() == key.secret_bytes():
            return
        rename(file, replaced_key_file(place.keys, role))
    save_key(key, file, passphrase)


def _content(organisation: str, parts: Mapping[str, Path | bytes]) -> Iterator[bytes]:
    sizes = {name: len(part) if isinstance(part, bytes) else part.stat().st_size for name, part in parts.items()}
    made = datetime.now(UTC).isoformat(timespec="seconds")
    manifest = msgspec.json.encode(Manifest("hmchain records backup 1", organisation, made, sizes))
    yield len(manifest).to_bytes(_LENGTH_BYTES, "big") + manifest
    for part in parts.values():
        if isinstance(part, bytes):
            yield part
            continue
        with part.open("rb") as file:
            while piece := file.read(_PIECE_BYTES):
                yield piece


def _unpack(path: Path, key: SecretKey, folder: Path) -> tuple[Manifest, dict[str, bytes]]:
    """Write the files of a backup into a folder; returns what it says of itself, and its keys."""
    try:
        with path.open("rb") as file:
            sealed = iter(lambda: file.read(_PIECE_BYTES), b"")
            return _read_parts(_Reader(open_stream(sealed, key, _CONTEXT)), folder)
    except OSError as error:
        raise RecordsBackupError(f"{path} cannot be read", "check the path and its owner") from error
    except EnvelopeKeyError as error:
        hint = "name the key file that it was made with: --key"
        raise RecordsBackupError(f"{path} was made with another backup key", hint) from error
    except (EnvelopeError, msgspec.DecodeError, EOFError) as error:
        raise RecordsBackupError(f"{path} is no backup of records, or damaged", "take another one") from error


def _read_parts(reader: _Reader, folder: Path) -> tuple[Manifest, dict[str, bytes]]:
    length = int.from_bytes(reader.read(_LENGTH_BYTES), "big")
    if length > _MANIFEST_BYTES_MAX:
        raise EOFError
    manifest = decoding.from_json(reader.read(length), Manifest)
    needed = {VAULT, CATALOGUE, *_KEYS}
    known = needed | {*_PLAIN, ACTIVITY, COHORTS, RELEASED} | {name for name in manifest.parts if is_earlier_key(name)}
    if not needed <= manifest.parts.keys() <= known:
        raise EOFError
    secrets = {}
    for name, size in manifest.parts.items():
        if name in _KEYS or is_earlier_key(name):
            secrets[name] = reader.read(size)
        else:
            clean_files.write(folder / name, reader.pieces(size), durable=True)
    reader.end()
    return manifest, secrets


class _Reader:
    """Reads a stream of pieces by lengths. Raises `EOFError` where it ends too early or too late."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces = iter(pieces)
        self._held = b""

    def pieces(self, size: int) -> Iterator[bytes]:
        while size > 0:
            if not self._held:
                self._held = next(self._pieces, b"")
                if not self._held:
                    raise EOFError
            piece, self._held = self._held[:size], self._held[size:]
            size -= len(piece)
            yield piece

    def read(self, size: int) -> bytes:
        return b"".join(self.pieces(size))

    def end(self) -> None:
        if self._held or any(self._pieces):
            raise EOFError


@contextmanager
def _scratch(folder: Path) -> Iterator[Path]:
    """A passing folder of mode 0700, beside what it holds copies of."""
    with clean_files.writing(folder), tempfile.TemporaryDirectory(prefix="backup-", dir=folder) as name:
        yield Path(name)
