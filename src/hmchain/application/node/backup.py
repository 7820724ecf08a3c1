"""Backups of a node: its blocks and its state, never a key.

A node could also fetch everything from the others; a backup saves the time and the wire. What the validator has signed
is not part of it: a node that forgets that signs twice, and is out for good.
"""

from __future__ import annotations

import errno
import hashlib
import shutil
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import msgspec

from hmchain import decoding, sqlite
from hmchain.application.node import restoration
from hmchain.application.site.node import NodeFolder
from hmchain.errors import StorageError
from hmchain.files import open_regular, replacing
from hmchain.ledger.engines.beginning import BEFORE, FOUNDING
from hmchain.ledger.engines.block_store import BLOCKS, BlockStore, BlockStoreError
from hmchain.ledger.engines.cometbft.damage import DATA, SIGNED, check_signed
from hmchain.ledger.engines.cometbft.snapshots import BEGINNING
from hmchain.ledger.engines.cometbft.storage import STATE
from hmchain.ledger.state import State
from hmchain.plain import size

_MANIFEST = "backup.json"


class BackupError(StorageError):
    """A backup cannot be made, is damaged, or belongs to another network."""

    code = "backup"


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A backup's account of itself; `restore` believes none of it unchecked."""

    chain_id: str
    genesis: str
    height: int
    commitment: str
    files: dict[str, str]
    """SHA-256 of every file, by its path in the backup."""


def snapshot(folder: NodeFolder, file: Path) -> tuple[int, bytes]:
    """Write a backup of a stopped node; returns the state's height and commitment.

    Raises `NodeRunningError`, `NotJoinedError`, or `BackupError` if the state is not sound or the file is there.
    """
    if file.exists():
        raise BackupError(f"{file} exists", "a backup is never overwritten; choose another name")
    genesis = folder.joined().genesis
    with folder.held(), _scratch(folder) as scratch:
        restoration.finish(folder)
        for name in (STATE, BLOCKS):
            _copy(folder.ledger / name, scratch / name)
        height, commitment = _checked(scratch)
        sources = _sources(folder, scratch)
        files = {name: _sha256(path) for name, path in sources.items()}
        manifest = Manifest(genesis.chain_id, genesis.digest.hex(), height, commitment.hex(), files)
        (scratch / _MANIFEST).write_bytes(msgspec.json.encode(manifest))
        with replacing(file, durable=True, new=True) as partial, tarfile.open(partial, "w") as archive:
            for name, path in {_MANIFEST: scratch / _MANIFEST, **sources}.items():
                archive.add(path, name)
    return height, commitment


def _sources(folder: NodeFolder, scratch: Path) -> dict[str, Path]:
    """The files of a backup: each one's path there, and where it is now. The record of signatures does not."""
    found = {name: scratch / name for name in (STATE, BLOCKS)}
    for top in (folder.engine / DATA, *(folder.ledger / name for name in (BEGINNING, FOUNDING, BEFORE))):
        for path in sorted(top.rglob("*")):
            if path.is_file() and path.name != SIGNED:
                found[f"{top.name}/{path.relative_to(top)}"] = path
    return found


def restore(folder: NodeFolder, file: Path) -> tuple[int, bytes]:
    """Put a backup in place of a stopped node's blocks and state; returns the state's height and commitment.

    What was there is kept beside it, in `before-restore-1` and so on. Raises `NodeRunningError`, `NotJoinedError`,
    `SignedRecordError` or `BackupError`, changing nothing.
    """
    genesis = folder.joined().genesis
    with folder.held(), _scratch(folder) as scratch:
        restoration.finish(folder)
        unpack(file, scratch)
        manifest = _manifest(file, scratch)
        if manifest.genesis != genesis.digest.hex():
            raise BackupError(f"{file} belongs to {manifest.chain_id}, another network", "take this network's backup")
        _check_files(file, scratch, manifest)
        height, commitment = _checked(scratch)
        if (height, commitment.hex()) != (manifest.height, manifest.commitment):
            raise BackupError(f"the state in {file} is not the one that was saved", "take another backup")
        check_signed(folder.engine)
        restoration.put_in_place(folder, scratch)
    return height, commitment


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _check_files(file: Path, scratch: Path, manifest: Manifest) -> None:
    """See that every file is there as it was saved, and no other. Raises `BackupError` that names the first."""
    unpacked = {str(path.relative_to(scratch)) for path in scratch.rglob("*") if path.is_file()} - {_MANIFEST}
    for name in sorted(unpacked | manifest.files.keys()):
        if name not in unpacked:
            raise BackupError(f"{name} is missing in {file}", "take another backup")
        if manifest.files.get(name) != _sha256(scratch / name):
            raise BackupError(f"{name} in {file} is damaged: it is not what was saved", "take another backup")


def unpack(file: Path, scratch: Path) -> None:
    """Take the files out of a backup, and nothing that a backup does not have. Raises `BackupError`."""
    try:
        with open_regular(file) as source, tarfile.open(fileobj=source) as archive:
            _require_room(file, sum(member.size for member in archive), scratch.parent)
            archive.extractall(scratch, filter="data")
    except (OSError, tarfile.TarError, EOFError) as error:
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise _no_room(file, scratch.parent) from error
        raise BackupError(f"{file} cannot be read as a backup", "check the path, or take another backup") from error


def _require_room(file: Path, needed: int, place: Path) -> None:
    if needed > shutil.disk_usage(place).free:
        raise _no_room(file, place)


def _no_room(file: Path, place: Path) -> BackupError:
    free = size(shutil.disk_usage(place).free)
    what = f"the disk of {place} has {free} free, less than {file} unpacks to"
    return BackupError(what, "free space, then give the same command again: nothing was changed")


def _manifest(file: Path, scratch: Path) -> Manifest:
    try:
        manifest = decoding.from_json((scratch / _MANIFEST).read_bytes(), Manifest)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BackupError(
            f"{file} is no backup of a node", "give a file that `hmchain node snapshot FILE` wrote"
        ) from error
    if not all((scratch / name).exists() for name in (STATE, BLOCKS, DATA)):
        raise BackupError(f"{file} is not whole", "take another backup")
    return manifest


def _checked(scratch: Path) -> tuple[int, bytes]:
    """Height and commitment of a state whose records give that commitment, beside a log of blocks that is whole."""
    state, blocks = State.open_read_only(scratch / STATE), BlockStore(scratch / BLOCKS, read_only=True)
    try:
        if not state.is_sound():
            raise BackupError("the state's records do not match their commitment", "let the node replay its blocks")
        blocks.check()
        return state.height, state.commitment()
    except BlockStoreError as error:
        raise BackupError(f"the log of blocks is damaged: {error.what}", "let the node replay its blocks") from error
    finally:
        state.close()
        blocks.close()


def _copy(source: Path, target: Path) -> None:
    def named(trouble: sqlite.Trouble) -> BackupError:
        return BackupError(f"{source} cannot be copied: {trouble.value}", "start the node once, and stop it")

    with sqlite.failures(named), closing(sqlite.open_read_only(source, named)) as old:
        sqlite.copy_to(old, target)


@contextmanager
def _scratch(folder: NodeFolder) -> Iterator[Path]:
    """A directory on the same file system, so that what is in it can be moved into place."""
    with tempfile.TemporaryDirectory(dir=folder.path, prefix="backup-", ignore_cleanup_errors=True) as path:
        yield Path(path)
