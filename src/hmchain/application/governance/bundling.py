"""An audit bundle of a hospital is made at its node: the log is anchored first, and the ledger exported after it."""

from __future__ import annotations

import tempfile
from contextlib import closing
from dataclasses import dataclass
from hashlib import file_digest
from itertools import takewhile
from pathlib import Path

import msgspec

from hmchain.application.governance.delegate import LedgerUser, open_key, open_steward
from hmchain.application.governance.outbox import SILENT, Talk
from hmchain.application.node import bundle, ledger_export
from hmchain.application.node.anchoring import OTHER_LOG
from hmchain.application.node.bundle import FORMAT, Manifest
from hmchain.application.node.home import validator_key
from hmchain.application.security import log
from hmchain.application.security.checking import LogDefectError, checked
from hmchain.application.security.events import Event, Kind
from hmchain.application.site.node import NodeFolder
from hmchain.application.site.recording import log_of, record
from hmchain.clock import now_ms
from hmchain.errors import InputError
from hmchain.ledger.context import STEWARD
from hmchain.ledger.contracts.members import anchors
from hmchain.ledger.contracts.members.anchors import Anchor, AnchorLog, RestoreLog
from hmchain.ledger.engines.block_store import BlockStore
from hmchain.ledger.engines.ledger import RefusedTransactionError, Signer
from hmchain.ledger.readers.anchored import AnchoredLog, anchored
from hmchain.ledger.readers.rules import require_sharing
from hmchain.plain import Progress


class NothingToAnchorError(InputError):
    """The log is anchored to its end, or has no line."""

    code = "nothing_to_anchor"


@dataclass(frozen=True)
class Bundle:
    """A bundle that was written."""

    file: Path
    size: int
    """In bytes."""
    organisation: str
    events: int
    genesis: bytes
    height: int


def anchor(user: LedgerUser, folder: NodeFolder, *, after_loss: bool = False) -> Anchor:
    """Anchor the whole log as it is now; `after_loss` says that anchored events are lost, and that it went on.

    Raises `NothingToAnchorError`, `LogDefectError` of a log that is not the one that was anchored, and what
    `LedgerUser.send` raises.
    """
    require_sharing(user.state, "anchoring a log takes")
    with closing(BlockStore(folder.blocks, read_only=True)) as store:
        known = anchored(user.state, store, user.organisation)
    size, head, kept = _examined(folder, known)
    fits = kept == (known.last.size if known.last is not None else 0)
    if not fits and not after_loss:
        raise LogDefectError(OTHER_LOG, "`hmchain audit events` says where; compare it with a backup")
    if not size or (fits and (after_loss or size == kept)):
        raise NothingToAnchorError("the log is anchored to its end", "nothing to do")
    user.send(AnchorLog(size, head) if fits else RestoreLog(kept, size, head))
    found = anchors.anchor(user.state, user.organisation)
    assert found is not None
    return found


def _examined(folder: NodeFolder, known: AnchoredLog) -> tuple[int, bytes, int]:
    """Length and last link of a log, and how much of it is what was anchored, up to the first anchor that misfits.

    Somebody else may have anchored what misfits, with a stolen key, and the log's own agent what comes after it.
    """
    size, head, misfits = 0, b"", dict(known.heads)
    for each in checked(log.read(log_of(folder)), {}, known.organisation):
        size, head = each.number, each.link
        if misfits.get(size) == head:
            del misfits[size]
    first = min(misfits, default=None)
    return size, head, max((each for each in known.heads if first is None or each < first), default=0)


def newest_anchor(user: LedgerUser, folder: NodeFolder) -> Anchor:
    """The anchor of the log as it is now, by this call or by the hospital's agent, which may be faster.

    Raises `LogDefectError`, and what `LedgerUser.send` raises.
    """
    try:
        return anchor(user, folder)
    except NothingToAnchorError:
        pass
    except RefusedTransactionError as error:
        if error.refusal != "log_not_longer":
            raise
    found = anchors.anchor(user.state, user.organisation)
    assert found is not None
    return found


def make(folder: NodeFolder, file: Path, passphrase: str | None, progress: Progress, talk: Talk = SILENT) -> Bundle:
    """Write a bundle of a node's hospital into a new file.

    At a running node the log is anchored first, and the one in the bundle ends there; else it is as the node has it.
    Raises `BundleFileError` if there is such a file, and what `newest_anchor`, `open_steward` and `export` raise.
    """
    if file.exists():
        raise bundle.exists(file)
    record(folder, Event(Kind.LOG_EXPORTED, "audit bundle"))
    settings = folder.settings()
    if folder.runner() is None:
        return _write(folder, file, open_key(folder, settings.acts_as or STEWARD, passphrase), None, progress)
    with open_steward(folder, passphrase, talk) as user:
        return _write(folder, file, user.signer, newest_anchor(user, folder), progress)


def make_here(folder: NodeFolder, file: Path, passphrase: str | None, progress: Progress) -> Bundle:
    """The same in the node's own name, where whoever asks has no key here: it is signed with its validator's key.

    It ends as the log does, whatever of it is anchored. Raises as `make`.
    """
    if file.exists():
        raise bundle.exists(file)
    record(folder, Event(Kind.LOG_EXPORTED, "audit bundle"))
    return _write(folder, file, validator_key(folder, passphrase), None, progress)


def _write(folder: NodeFolder, file: Path, signer: Signer, last: Anchor | None, progress: Progress) -> Bundle:
    organisation, log_file = folder.settings().organisation, log_of(folder)
    size, head = (last.size, last.head) if last is not None else log.head(log_file)
    with tempfile.TemporaryDirectory(dir=file.resolve().parent, prefix="hmchain-bundle-") as scratch:
        ledger, events = Path(scratch) / bundle.LEDGER, Path(scratch) / bundle.EVENTS
        exported = ledger_export.export(folder, ledger, progress)
        with events.open("wb") as sink:
            sink.writelines(map(bundle.row, takewhile(lambda line: line.number <= size, log.read(log_file))))
        manifest = Manifest(
            FORMAT, exported.chain_id, exported.genesis.hex(), organisation, now_ms(), size, head.hex(),
            _sha256(ledger), _sha256(events), signer.public.raw.hex(),
        )  # fmt: skip
        signature = signer.sign(bundle.signed_bytes(msgspec.json.encode(manifest)))
        bundle.write(file, ledger, events, manifest, signature)
    return Bundle(file, file.stat().st_size, organisation, size, exported.genesis, exported.height)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()
