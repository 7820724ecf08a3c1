"""A node's ledger for outsiders: what an audit needs and nothing else, no key, no state, no record."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from hmchain.application.node import ledger_file
from hmchain.application.node.link import connected
from hmchain.application.site.node import NodeFolder
from hmchain.ledger import genesis as genesis_file
from hmchain.ledger.engines.beginning import FOUNDING
from hmchain.ledger.engines.block_store import BLOCKS, BlockStore
from hmchain.ledger.engines.cometbft import archive, stopped
from hmchain.ledger.engines.cometbft.archive import Archive, NoVotesError
from hmchain.ledger.engines.cometbft.light import header_hash
from hmchain.ledger.engines.cometbft.process import CometBFTMissingError
from hmchain.ledger.engines.cometbft.snapshots import BEGINNING, SnapshotStore, begins_after
from hmchain.ledger.engines.cometbft.stopped import ClosedStoreError
from hmchain.ledger.readers import succession
from hmchain.ledger.state import State
from hmchain.plain import Progress

_NO_END = (1 << 63) - 1
RUNNING = "the running node"
"""Where the headers are from, if they are from there."""
_START = "start the node, and run this again"


@dataclass(frozen=True)
class ExportedLedger:
    """A ledger's file that was written."""

    file: Path
    size: int
    """In bytes."""
    chain_id: str
    genesis: bytes
    height: int
    """Of its last block, which the header after it signs."""
    head: bytes
    """Hash of the header after it: to be compared with other members', or noted as an anchor."""
    left_out: int
    """Blocks at the end of the node's log that no header at hand signs; they are not in the file."""
    headers: str
    """Where the signed headers are from, in words."""
    begins_after: int = 0
    """The block after which the log begins, with the state that it led to; 0 for a whole log."""


def export(folder: NodeFolder, file: Path, progress: Progress) -> ExportedLedger:
    """Write a node's ledger into a new file. The node may run, or be stopped.

    A log that begins with a snapshot takes that along. Raises `LedgerFileError` if there is such a file,
    `NotJoinedError`, `NoVotesError` where no signed headers are to be had, `SnapshotError` for a damaged snapshot.
    """
    if file.exists():
        raise ledger_file.exists(file)
    genesis = folder.joined().genesis
    snapshot, begins = SnapshotStore(folder.ledger / BEGINNING), begins_after(folder.ledger)
    headers, origin = _headers(folder, progress)
    last = headers.last.header
    with tempfile.TemporaryDirectory(dir=file.resolve().parent, prefix="hmchain-export-") as scratch:
        place = Path(scratch)
        left_out = _copy_blocks(folder.blocks, place / BLOCKS, last.height - 1)
        genesis_file.save(genesis, place / genesis_file.FILE)
        headers.save(place)
        with closing(BlockStore(place / BLOCKS, read_only=True)) as store:
            headers.check(store)
        if begins:
            with closing(State(place / "beginning.db", durable=False)) as state:
                snapshot.restore(state, bytes.fromhex(headers.first.header.app_hash))
        words = _WORDS.format(
            chain=genesis.chain_id, height=last.height - 1, genesis=genesis.digest.hex(), file=file.name,
            part=_PART.format(begins=begins) if begins else "",
        )  # fmt: skip
        chunks = [*snapshot.files(), *SnapshotStore(folder.ledger / FOUNDING).files()]
        sources = {name: place / name for name in ledger_file.FILES} | _named(folder.ledger, chunks)
        for directory in succession.ledgers(folder.ledger)[:-1]:
            sources |= _of_before(folder.ledger, directory, place)
        ledger_file.write(file, sources, words, progress)
    return ExportedLedger(
        file,
        file.stat().st_size,
        genesis.chain_id,
        genesis.digest,
        last.height - 1,
        header_hash(last),
        left_out,
        origin,
        begins,
    )


def _of_before(ledger: Path, directory: Path, scratch: Path) -> dict[str, Path]:
    """The files of the ledger of a chain before, under the names that they have in this one's."""
    name = directory.relative_to(ledger).as_posix()
    blocks = scratch / f"{name.replace('/', '-')}.db"
    _copy_blocks(directory / BLOCKS, blocks, _NO_END)
    chunks = [path for each in (BEGINNING, FOUNDING) for path in SnapshotStore(directory / each).files()]
    kept = [directory / genesis_file.FILE, directory / archive.FILE]
    return {f"{name}/{BLOCKS}": blocks} | _named(ledger, [*kept, *chunks])


def _named(ledger: Path, paths: Iterable[Path]) -> dict[str, Path]:
    return {path.relative_to(ledger).as_posix(): path for path in paths}


def _headers(folder: NodeFolder, progress: Progress) -> tuple[Archive, str]:
    """All signed headers, and where they are from; they are kept beside the log too."""
    if folder.runner() is not None:
        with connected(folder) as client:
            found = archive.keep(
                folder.ledger, lambda: client.status().sync_info.latest_block_height, client.signed_header, progress
            )
        return found, RUNNING
    try:
        with folder.held(), stopped.answering(folder.engine) as client:
            last = client.signed_header().header.height
            return archive.keep(
                folder.ledger, lambda: last, client.signed_header, progress, waits=False
            ), "the stopped node's own store"
    except (CometBFTMissingError, ClosedStoreError) as error:
        kept = Archive.load(folder.ledger)
        if kept is None:
            what = f"no signed headers are kept in {folder.ledger}, and none can be read: {error.what}"
            raise NoVotesError(what, _START) from error
        return kept, "what an audit left beside the log"


def _copy_blocks(source: Path, target: Path, last: int) -> int:
    """Copy a log up to block `last`, while it is in use; returns how many blocks were left out."""
    with closing(BlockStore(source, read_only=True)) as store:
        return store.copy_to(target, last)


_PART = """\
IT IS NOT WHOLE: the log begins after block {begins}, with the state that it led to. What happened before is not in
here: ask a member whose node has the whole log.
"""
_WORDS = """\
The ledger of {chain}, up to block {height}: genesis, blocks, and the headers that its members signed.
{part}It holds no key and no record of a patient. To check it, anywhere, without a network:

    `hmchain audit verify {file} --genesis {genesis}`

Take the digest of the genesis from somebody else than whoever gave you this file. `hmchain audit trace {file}` says who
did what on whose word. Unpacked, this is a ledger's folder, which the same commands take; SHA256SUMS tells what was
damaged on the way (`sha256sum -c SHA256SUMS`).
"""
