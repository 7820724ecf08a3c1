"""Blocks of a log, shown only as their signed headers have them."""

from __future__ import annotations

from pathlib import Path

from hmchain.errors import AuditError, LedgerError
from hmchain.ledger.engines.block_store import BlockStore, StoredBlock
from hmchain.ledger.engines.cometbft.archive import Archive, check_contents, check_link
from hmchain.ledger.genesis import Genesis
from hmchain.ledger.readers.signers import Endorsement, Headers, NoHeaders, Witnesses
from hmchain.ledger.readers.states import VALIDATORS

_AUDIT = (
    "`hmchain audit verify` names the first thing that is wrong; restore blocks.db, or compare with another member's"
)
_FETCH = "stop the node and start it again: it executes its blocks anew"


class DamagedBlockError(LedgerError):
    """A stored block is not the one that the members signed."""

    code = "damaged_block"


class SignedLog:
    """The log of blocks in a ledger's directory, and who signed it."""

    def __init__(
        self, directory: Path, store: BlockStore, genesis: Genesis, witnesses: Witnesses, headers: Headers | None
    ) -> None:
        self._store, self._genesis, self._witnesses = store, genesis, witnesses
        self._holds_votes = (directory / VALIDATORS).is_dir() or store.holds_votes
        self.headers = headers or Archive.load(directory) or NoHeaders()

    def signed(self, stored: StoredBlock) -> Endorsement | None:
        """The signers of a block and of what became of it; None where no header says so yet, or none is at hand.

        Raises `DamagedBlockError` if the block is another one than was signed.
        """
        try:
            header, _ = stored.check(self._store.path)
            if self._is_of_a_node(stored):
                return self._by_headers(stored)
            found = self._witnesses.of_commit(header, stored.commit) or self._by_later_blocks(stored)
        except AuditError as error:
            raise DamagedBlockError(error.what, _FETCH) from error
        if found is None:
            raise DamagedBlockError(f"too few members signed block {stored.height}", _AUDIT)
        return found

    def require_whole(self) -> Endorsement:
        """Compare the whole log, once: links, contents, and the signatures at its end; 0 as height for none.

        Raises `DamagedBlockError`, or `BlockStoreError` for what is damaged.
        """
        last = self._store.last(self._store.height)
        if last is None or self._is_of_a_node(last):
            return self._whole_by_headers()
        previous = self._genesis.digest
        for height, stored in enumerate(self._store.blocks(), start=self._genesis.height + 1):
            header, _ = stored.check(self._store.path)
            if (header.height, header.previous) != (height, previous):
                raise DamagedBlockError(f"block {height} is missing, or does not follow the one before it", _AUDIT)
            previous = header.hash
        found = self.signed(last)
        assert found is not None
        return found

    def _is_of_a_node(self, stored: StoredBlock) -> bool:
        return not stored.commit.votes and not self._holds_votes

    def _by_later_blocks(self, stored: StoredBlock) -> Endorsement | None:
        """Members come and go: the next block that those of today signed vouches for all that it follows."""
        header = stored.block.header
        for later in self._store.blocks(stored.height + 1):
            following, _ = later.check(self._store.path)
            if (following.height, following.previous) != (header.height + 1, header.hash):
                return None
            if found := self._witnesses.of_commit(following, later.commit):
                return found
            header = following
        return None

    def _by_headers(self, stored: StoredBlock) -> Endorsement | None:
        here, following = self.headers.get(stored.height), self.headers.get(stored.height + 1)
        if here is None or following is None:
            return None
        check_link(here, following)
        check_contents(here, following, stored)
        while following is not None:
            if found := self._witnesses.of_header(following, stored.height):
                return found
            here, following = following, self.headers.get(following.header.height + 1)
            if following is not None:
                check_link(here, following)
        return None

    def _whole_by_headers(self) -> Endorsement:
        if not isinstance(self.headers, Archive):
            return Endorsement(0)
        try:
            self.headers.check(self._store)
            last = self.headers.last
            return self._witnesses.of_header(last, last.header.height - 1) or Endorsement(0)
        except AuditError as error:
            raise DamagedBlockError(error.what, _FETCH) from error
