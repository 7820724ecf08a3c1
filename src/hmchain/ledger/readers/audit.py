"""The offline audit of a ledger's directory, whichever engine decided its blocks.

The embedded engine's log holds the votes of every block. A node's on CometBFT does not: there the headers that are
kept beside it are held against it (see `ledger.engines.cometbft.archive`), and the last one vouches for everything.
Where headers lie there, they are read, whatever is left of the log.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from pathlib import Path

from hmchain.ledger import genesis as genesis_file
from hmchain.ledger.contracts.learning import models
from hmchain.ledger.engines.block_store import BLOCKS, BlockStore
from hmchain.ledger.engines.cometbft import archive as archive_file
from hmchain.ledger.engines.cometbft.archive import Archive, NoVotesError
from hmchain.ledger.engines.cometbft.audit import audited, require_whole
from hmchain.ledger.engines.cometbft.light import header_hash
from hmchain.ledger.readers import replay
from hmchain.ledger.readers.replay import AuditReport, DamagedLedgerError, TrustedHeader
from hmchain.ledger.readers.states import VALIDATORS, cut_off
from hmchain.ledger.readers.succession import Succession, audit_before
from hmchain.ledger.readers.trusted import FINISH, check_trusted
from hmchain.ledger.state import State
from hmchain.plain import Progress


def verify(
    directory: Path,
    anchor: bytes | None = None,
    *,
    trusted: TrustedHeader | None = None,
    progress: Progress | None = None,
) -> AuditReport:
    """Audit the ledger in `directory`; for the arguments see `ledger.audit.verify`.

    Raises `AuditError` for the first thing that does not hold, `NoVotesError` if there are blocks that nothing at hand
    signs.
    """
    with replayed(directory, anchor, trusted=trusted, progress=progress) as (report, _):
        return report


@contextmanager
def replayed(
    directory: Path,
    anchor: bytes | None = None,
    *,
    trusted: TrustedHeader | None = None,
    progress: Progress | None = None,
    partial: bool = False,
    alone: bool = False,
) -> Iterator[tuple[AuditReport, State]]:
    """The same, with the state that the blocks lead to, executed anew.

    With `partial` what can be audited is: after the snapshot that a log begins with, up to the last kept header. The
    chains that this one was founded again from are audited too, unless it is asked for `alone`; then `anchor` is its
    own.
    """
    with ExitStack() as stack:
        with replay.findings():
            genesis = genesis_file.load(directory / genesis_file.FILE)  # what needs another program is not touched
            before = Succession() if alone else audit_before(directory, genesis, anchor, trusted, progress)
            own, known = anchor, trusted
            if trusted is not None and genesis.chain_at(trusted.height).genesis != genesis.digest and not alone:
                own, known = genesis.digest, None  # that block is of a chain before, which led to this genesis
            elif anchor is not None and not alone:
                own = genesis.digest
            report, state = stack.enter_context(_replayed(directory, own, known, progress, partial=partial))
        yield (
            replace(
                report,
                anchor=replay.anchor_words(anchor, trusted),
                checked=(*before.checked, *report.checked),
                not_proven=(*report.not_proven, *before.not_proven),
                earlier=tuple(past.genesis for past in genesis.chains[1:]),
            ),
            state,
        )


@contextmanager
def _replayed(
    directory: Path,
    anchor: bytes | None,
    trusted: TrustedHeader | None,
    progress: Progress | None,
    *,
    partial: bool,
) -> Iterator[tuple[AuditReport, State]]:
    with closing(BlockStore(directory / BLOCKS, read_only=True)) as store:
        is_of_a_node = (directory / archive_file.FILE).exists() or not (
            store.holds_votes or (directory / VALIDATORS).is_dir()
        )
        if cut := cut_off(directory, store):
            raise DamagedLedgerError(cut, "compare it with another member's copy, and restore it from there")
    if is_of_a_node:
        if not partial:
            require_whole(directory)
        archive = Archive.load(directory)
        if archive is None:
            raise NoVotesError(f"{directory} holds a node's blocks without the votes for them", FINISH)
        with _log_replayed(directory, archive, anchor, trusted, progress, partial=partial) as found:
            yield found
        return
    with tempfile.TemporaryDirectory(prefix="hmchain-audit-") as scratch:
        place = Path(scratch) / "state.db"
        report = replay.replay(directory, place, anchor, trusted=trusted, progress=progress)
        with closing(State(place, durable=False)) as state:
            yield report, state


@contextmanager
def _log_replayed(
    directory: Path,
    archive: Archive,
    anchor: bytes | None,
    trusted: TrustedHeader | None,
    progress: Progress | None,
    *,
    partial: bool,
) -> Iterator[tuple[AuditReport, State]]:
    last = archive.last.header
    genesis = genesis_file.load(directory / genesis_file.FILE)
    replay.check_anchor(genesis, anchor)
    check_trusted(directory, archive, trusted)
    anchored = anchor is not None or trusted is not None
    votes = archive.check_votes(genesis)
    with audited(directory, archive, anchor, progress) as (found, state):
        if found.unsigned and not partial:
            raise NoVotesError(f"{directory}: {found.unsigned[0]}", FINISH)
        report = AuditReport(
            chain_id=found.chain_id,
            genesis=found.genesis,
            anchor=replay.anchor_words(anchor, trusted),
            anchored=anchored,
            height=last.height,
            head=header_hash(last),
            commitment=found.commitment,
            transactions=found.transactions,
            refused=found.refused,
            transaction_signatures=found.transactions,
            vote_signatures=votes,
            evidence=found.evidence,
            models=tuple(models.models(state)),
            checked=(*((_BEGINNING.format(found.begins),) if found.begins else ()), *_CHECKED),
            not_proven=(*(() if anchored else (replay.REWRITTEN,)), *replay.NOT_PROVEN),
            begins_after=found.begins,
            unsigned=found.unsigned,
        )
        yield replace(report, not_proven=(*report.missing, *report.not_proven)), state


_BEGINNING = "the state after block {} is the one that more than two thirds of the founders signed"
_CHECKED = (
    "every header of CometBFT names the one before it and the votes for it",
    "more than two thirds of the members signed the last header, and with it all before",
    "every founder's vote for a header is genuine",
    "every block has its header's time, proposer, transactions and last votes",
    "every transaction's signature",
    "executing every block again gives the receipts that are stored, and the results and the state that were signed",
    "the index finds every transaction where it is, and nothing else",
)
