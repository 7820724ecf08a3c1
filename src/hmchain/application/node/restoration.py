"""Putting a backup in place of a node's files: all of it, or nothing.

What was unpacked and checked is on disk first, in a folder of its own, whose name says that it is whole. From then on
only names change. A change that the system refuses is taken back; one that a power cut or a kill stops is finished by
whatever works on the node next.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import msgspec

from hmchain import decoding, sqlite
from hmchain.application.site.node import NodeFolder
from hmchain.errors import LedgerError
from hmchain.files import free_name, make_folder, rename, sync_tree, write_whole
from hmchain.ledger import genesis as genesis_file
from hmchain.ledger.engines.beginning import BEFORE, FOUNDING
from hmchain.ledger.engines.block_store import BLOCKS
from hmchain.ledger.engines.cometbft.damage import DATA, SIGNED
from hmchain.ledger.engines.cometbft.home import write_secret
from hmchain.ledger.engines.cometbft.snapshots import BEGINNING
from hmchain.ledger.engines.cometbft.storage import STATE

_PLAN = "plan.json"
"""In the folder of what is put in place: it is whole if this is there."""
_LEDGER = (STATE, BLOCKS, BEGINNING)

_NAMES = (DATA, *_LEDGER, FOUNDING, BEFORE, genesis_file.FILE)
"""All that a restoration moves."""

Move = tuple[Path, Path]


class RestorationPlanError(LedgerError):
    """A restoration that was stopped cannot be finished: its plan is none that this program wrote."""

    code = "restoration_plan"


class _Plan(msgspec.Struct, frozen=True):
    kept: str
    """The folder of what was there."""
    fresh: tuple[str, ...]
    """The names of what comes."""


def put_in_place(folder: NodeFolder, unpacked: Path) -> None:
    """Put checked files in place of a node's, which are kept. Raises `OSError`, changing nothing."""
    kept = free_name(folder.before_restore)
    # What was signed is never forgotten.
    write_secret(unpacked / DATA / SIGNED, (folder.engine / DATA / SIGNED).read_bytes())
    if not _has_genesis(folder):
        genesis_file.save(folder.joined().genesis, unpacked / genesis_file.FILE)
    fresh = tuple(name for name in _NAMES if (unpacked / name).exists())
    write_whole(unpacked / _PLAN, msgspec.json.encode(_Plan(kept.name, fresh)), durable=True)
    sync_tree(unpacked)
    rename(unpacked, folder.restoring)
    done: list[Move] = []
    try:
        _finish(folder, done)
    except BaseException:
        for source, target in reversed(done):
            rename(target, source)
        shutil.rmtree(folder.restoring, ignore_errors=True)
        if kept.is_dir():
            kept.rmdir()
        raise


def _has_genesis(folder: NodeFolder) -> bool:
    try:
        return genesis_file.load(folder.genesis) == folder.joined().genesis
    except LedgerError:
        return False


def is_unfinished(folder: NodeFolder) -> bool:
    """Tell whether a power cut or a kill stopped a restoration in the middle."""
    return (folder.restoring / _PLAN).is_file()


def finish(folder: NodeFolder) -> bool:
    """Finish a restoration that was stopped; whether there was one. The folder must be held.

    Raises `RestorationPlanError`; nothing is moved then.
    """
    if is_unfinished(folder):
        _finish(folder, [])
        return True
    shutil.rmtree(folder.restoring, ignore_errors=True)
    return False


def _finish(folder: NodeFolder, done: list[Move]) -> None:
    plan = _read_plan(folder)
    kept = folder.path / plan.kept
    for needed in (kept, folder.ledger, folder.engine):
        make_folder(needed)
    for moves in (_aside(folder, plan, kept), _new(folder, plan)):  # nothing new comes beside a log of what was there
        for source, target in list(moves):
            rename(source, target)
            done.append((source, target))
    (folder.restoring / _PLAN).unlink()
    shutil.rmtree(folder.restoring, ignore_errors=True)


def _read_plan(folder: NodeFolder) -> _Plan:
    """The plan, if all that it names is of this folder. Raises `RestorationPlanError`."""
    path = folder.restoring / _PLAN
    try:
        plan = decoding.from_json(path.read_bytes(), _Plan)
    except msgspec.DecodeError:
        plan = None
    prefix = f"{folder.before_restore.name}-"
    if (
        plan is None
        or Path(plan.kept).name != plan.kept
        or not plan.kept.startswith(prefix)
        or set(plan.fresh).difference(_NAMES)
    ):
        hint = "nothing was moved: put that folder elsewhere, and restore the backup again"
        raise RestorationPlanError(f"{path} is not as a restoration writes it", hint)
    return plan


def _place(folder: NodeFolder, name: str) -> Path:
    return (folder.engine if name == DATA else folder.ledger) / name


def _aside(folder: NodeFolder, plan: _Plan, kept: Path) -> Iterator[Move]:
    """What was there; not what has come already."""
    for name in {*_LEDGER, *plan.fresh}:
        if name in plan.fresh and not (folder.restoring / name).exists():
            continue
        place = _place(folder, name)
        for suffix in ("", *sqlite.LOG_SUFFIXES):
            if (found := place.with_name(name + suffix)).exists():
                yield found, kept / found.name


def _new(folder: NodeFolder, plan: _Plan) -> Iterator[Move]:
    for name in plan.fresh:
        if (folder.restoring / name).exists():
            yield folder.restoring / name, _place(folder, name)
