"""A block that an auditor knows from elsewhere, held against the headers that are kept beside a node's log."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from hmchain.ledger.engines.block_store import BLOCKS, BlockStore
from hmchain.ledger.engines.cometbft.archive import Archive, NoVotesError
from hmchain.ledger.engines.cometbft.audit import PartialLogError
from hmchain.ledger.engines.cometbft.light import header_hash
from hmchain.ledger.readers.replay import AnchorMismatchError, TrustedHeader

FINISH = "at a node, `hmchain node audit` fetches them; of a run, give its command again: it goes on to the end"
_ASK = "give a later one, or ask a member whose log is whole"


def check_trusted(directory: Path, archive: Archive, trusted: TrustedHeader | None) -> None:
    """Raise `AnchorMismatchError` unless a trusted block is one of the log's, or what says that nobody can tell."""
    if trusted is None:
        return
    signed = archive.get(trusted.height)
    if trusted.height < archive.first.header.height:
        raise PartialLogError(f"the log in {directory} begins after the trusted block {trusted.height}", _ASK)
    if signed is None and _goes_on(directory, archive):
        raise NoVotesError(f"no header that is kept in {directory} is of the trusted block {trusted.height}", FINISH)
    if signed is None or header_hash(signed.header) != trusted.hash:
        raise AnchorMismatchError(
            f"block {trusted.height} is not the trusted one", "compare it with another member's copy"
        )


def _goes_on(directory: Path, archive: Archive) -> bool:
    with closing(BlockStore(directory / BLOCKS, read_only=True)) as store:
        return store.height >= archive.last.header.height
