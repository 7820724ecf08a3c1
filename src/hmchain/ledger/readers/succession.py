"""The chains that one was founded again from: audited with it, where their ledgers lie beside it.

The genesis of a chain that was founded again names the state that it begins with. Whether that is the last state of the
chain before, carried over by the rules and by all that were left, only the ledger of that chain tells.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from hmchain.errors import AuditError
from hmchain.ledger import genesis as genesis_file
from hmchain.ledger import refounding
from hmchain.ledger.engines.beginning import BEFORE
from hmchain.ledger.engines.cometbft.archive import Archive
from hmchain.ledger.engines.cometbft.audit import PartialLogError, audited_to_the_end
from hmchain.ledger.engines.cometbft.snapshots import begins_after
from hmchain.ledger.genesis import Genesis
from hmchain.ledger.readers import replay
from hmchain.ledger.readers.replay import AnchorMismatchError, TrustedHeader
from hmchain.ledger.readers.trusted import check_trusted
from hmchain.ledger.refounding import RefoundingError
from hmchain.ledger.state import State
from hmchain.plain import Progress


class SuccessionError(AuditError):
    """A chain does not go on from the one that it says it was founded again from."""

    code = "succession"


@dataclass(frozen=True)
class Succession:
    """What was found of the chains before one."""

    checked: tuple[str, ...] = ()
    not_proven: tuple[str, ...] = ()


def ledgers(directory: Path) -> list[Path]:
    """The directories of a ledger and of those of before that lie beside it, the oldest first."""
    found = [directory]
    while (found[0] / BEFORE / genesis_file.FILE).is_file():
        found.insert(0, found[0] / BEFORE)
    return found


def ledger_of(directory: Path, genesis: Genesis, height: int) -> Path:
    """The directory of the ledger that has a block, of those that lie there. Raises `PartialLogError`."""
    chain = genesis.chain_at(height)
    for each in ledgers(directory):
        if genesis_file.load(each / genesis_file.FILE).digest == chain.genesis:
            return each
    what = f"block {height} is of {chain.chain_id}, and that one's ledger is not beside this one"
    raise PartialLogError(what, f"lay it into {directory / BEFORE}")


def audit_before(
    directory: Path,
    genesis: Genesis,
    anchor: bytes | None = None,
    trusted: TrustedHeader | None = None,
    progress: Progress | None = None,
) -> Succession:
    """Audit all chains before the one of a ledger's directory, as far as they lie there.

    `anchor` may be the digest of any of their geneses, `trusted` a block of any: one that comes after the block which a
    chain was founded again from was left out, by mistake or to undo it. Raises `SuccessionError` where a chain does not
    go on from the one before it, `AnchorMismatchError` for an anchor that names none of them or one whose ledger is not
    there, `PartialLogError` for a trusted block of such a one, and the `AuditError` of a ledger that does not hold.
    """
    chains = [past.genesis for past in genesis.chains]
    if anchor is not None and anchor not in chains:
        replay.check_anchor(genesis, anchor)
    if genesis.before is None:
        return Succession()
    before, past = directory / BEFORE, genesis.before.past[-1]
    known = trusted if trusted is not None and trusted.height <= past.height + 1 else None
    if known is not None and known.height > past.height:
        what = f"{genesis.chain_id} was founded again after block {past.height}, without the trusted block"
        raise AnchorMismatchError(f"{what} {known.height} of {past.chain_id}", _LEFT_OUT)
    if not (before / genesis_file.FILE).is_file():
        if anchor not in (None, genesis.digest):
            what = f"the ledger was founded again from {past.chain_id}, and that one's is not beside it"
            raise AnchorMismatchError(what, f"lay it into {before}, or give the digest of this genesis")
        if known is not None:
            what = f"block {known.height} is of {past.chain_id}, and that one's ledger is not beside this one"
            raise PartialLogError(what, f"lay it into {before}")
        what = f"what happened on {past.chain_id}, up to block {past.height}: its ledger is not beside this one"
        return Succession(not_proven=(what,))
    if begins := begins_after(before):
        if known is not None:
            raise PartialLogError(f"the log in {before} begins after block {begins}, not with its genesis", _COMPARE)
        if anchor not in (None, genesis.digest):
            raise AnchorMismatchError(
                f"the log in {before} begins after block {begins}, not with its genesis", _COMPARE
            )
        return Succession(not_proven=(f"what happened on {past.chain_id}: its log here begins after block {begins}",))
    former = genesis_file.load(before / genesis_file.FILE)
    if former.digest != past.genesis:
        raise SuccessionError(f"{before} holds another ledger than that of {past.chain_id}", _COMPARE)
    earlier = audit_before(before, former, None if anchor == genesis.digest else anchor, known, progress)
    is_its_own = known is not None and former.chain_at(known.height).genesis == former.digest
    with _ended(before, former, known if is_its_own else None, progress) as state:
        try:
            refounding.require_successor(state, former, genesis)
        except RefoundingError as error:
            raise SuccessionError(f"{genesis.chain_id}: {error.what}", _COMPARE) from error
    found = _CHECKED.format(former=former.chain_id, height=past.height, members=len(genesis.members))
    later = _LATER.format(former=former.chain_id, height=past.height)
    return Succession((*earlier.checked, found), (*earlier.not_proven, later))


def require_before(directory: Path, cannot: str) -> None:
    """See that what happened before a chain was founded again can be read too. Raises `PartialLogError`."""
    oldest = genesis_file.load(ledgers(directory)[0] / genesis_file.FILE)
    if oldest.before is not None:
        past = oldest.before.past[-1]
        what = f"{oldest.chain_id} was founded again after block {past.height} of {past.chain_id}"
        hint = f"lay the ledger of {past.chain_id} into its folder {BEFORE}"
        raise PartialLogError(f"{what}, and its ledger {cannot}", hint)


@contextmanager
def _ended(
    directory: Path, genesis: Genesis, trusted: TrustedHeader | None, progress: Progress | None
) -> Iterator[State]:
    """The last state of a chain that goes on no more, audited; whichever engine decided its blocks."""
    archive = Archive.load(directory)
    if archive is not None:
        check_trusted(directory, archive, trusted)
        with audited_to_the_end(directory, archive, genesis.digest, progress) as (_, state):
            yield state
        return
    with tempfile.TemporaryDirectory(prefix="hmchain-audit-") as scratch:
        place = Path(scratch) / "state.db"
        replay.replay(directory, place, genesis.digest, trusted=trusted, progress=progress)
        with closing(State(place, durable=False)) as state:
            yield state


_COMPARE = "compare both with another member's"
_LEFT_OUT = "those that founded it again left out what was decided: ask each of them which block it had last"
_CHECKED = (
    "{former} was replayed from its genesis to block {height}; its state, carried over by the rules, is what the next"
    " chain begins with, and all {members} members that were left signed it"
)
_LATER = (
    "that {former} had no block after {height} when those that were left founded it again: compare with blocks that you"
    " noted, `--block HEIGHT:HASH`"
)
