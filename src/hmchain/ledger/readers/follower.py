"""A reader that stays: it verifies a state once, keeps a copy of its own, and goes on by executing decided blocks.

CometBFT decides a block before anybody executes it, and the state that it gives stands in the header after it. Waiting
for that one would cost each step of a study a block. So a block is executed here as soon as the votes for its own
header are known, on a copy: the state before it is in that same header.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Protocol

from hmchain.canonical import encode
from hmchain.errors import AuditError, LedgerError
from hmchain.ledger import genesis as genesis_file
from hmchain.ledger.contracts.members import standings
from hmchain.ledger.engines import beginning
from hmchain.ledger.engines.beginning import log_begins_after
from hmchain.ledger.engines.block_store import BLOCKS, BlockStore, StoredBlock
from hmchain.ledger.engines.cometbft import light
from hmchain.ledger.engines.cometbft.archive import Archive, check_inputs, check_link
from hmchain.ledger.engines.cometbft.light import SignedHeader
from hmchain.ledger.genesis import Genesis
from hmchain.ledger.readers.logs import DamagedBlockError
from hmchain.ledger.readers.signers import Endorsement, Headers, Witnesses
from hmchain.ledger.readers.states import STATE, damaged, open_state
from hmchain.ledger.state import State, StateError
from hmchain.ledger.transition import Machine

_MEND = (
    "stop the node and start it again: it executes its blocks anew; if it stays so, `hmchain node audit` names the"
    " first that is wrong"
)
COMPARED_RECORDS = 2000
"""Records of the node's file that are held against the copy at each height: some milliseconds."""


class UnsignedError(LedgerError):
    """No header says yet that the members signed this."""

    code = "unsigned"


class BehindError(LedgerError):
    """The node's ledger ends before what was verified of it: it was put back, and fetches what it lacks."""

    code = "node_behind"


class RunningHeaders(Headers, Protocol):
    """The source of a running node's signed headers."""

    def get_each(self, heights: Sequence[int]) -> Sequence[SignedHeader] | None:
        """The headers of these heights; None if one of them is not there."""


class Follower:
    """A node's ledger, as somebody reads it who acts on it for days: no change of a file reaches what was verified.

    The node's own state is never read from; it is compared with the copy, part by part, so that the hospital learns
    that its validator votes by a changed state.
    """

    def __init__(
        self, directory: Path, genesis: Genesis, copy: State, headers: RunningHeaders, signed: Endorsement
    ) -> None:
        """Of a node's directory; `copy` is its state, verified, and belongs to the follower from now on."""
        self.state = copy
        self._directory, self._chain_id, self._headers = directory, genesis.chain_id, headers
        self._genesis, self._machine = genesis, Machine(copy, genesis.chain_id)
        self._signed: Endorsement | SignedHeader = signed
        self._node_height = copy.height
        self._compared, self._compared_at = b"", copy.height

    @property
    def signed(self) -> Endorsement:
        """The signers of the last block, which gave the state; of the state itself, as long as no block followed."""
        if isinstance(self._signed, SignedHeader):
            height = self._signed.header.height
            self._signed = Witnesses(self._genesis, self.state).of_header(self._signed, height) or Endorsement(0)
        return self._signed

    def state_of(self, _organisation: str) -> State:
        """The copy: whose node it is of acts on it."""
        return self.state

    def is_behind(self) -> bool:
        """True if the node has another block. Raises `DamagedStateError` and `BehindError`, as `next` does."""
        if self._node_height <= self.state.height:
            self._look()
        return self._node_height > self.state.height

    def next_height(self) -> int:
        """The height that `next` comes to; empty blocks before it are passed over. For who is behind."""
        stored = self._logged()
        return stored.height if stored is not None else self._node_height

    def next(self) -> StoredBlock | None:
        """The next block that is not empty, executed; None if the node has no more for now.

        Raises `DamagedBlockError` for a block that the members did not decide, or that does not give what its log says;
        the copy stays as it was before it. `DamagedStateError` if the node's own state is not what its blocks gave,
        `UnsignedError` where its headers cannot be had, and `BehindError` where a node that was restored, recovered or
        repaired is not as far as the copy yet.
        """
        if not self.is_behind():
            return None
        stored = self._logged()
        if stored is not None:
            self._execute(stored)
        else:
            here = self._require_decided(self._node_height, None)
            self._machine.commit(self._node_height)
            self._signed = here
        return stored

    def close(self) -> None:
        """Close the copy."""
        self.state.close()

    def _logged(self) -> StoredBlock | None:
        """The first block after the copy's. The log is opened each time: a node that starts may put it aside."""
        with closing(BlockStore(self._directory / BLOCKS, read_only=True)) as log:
            # A block is logged before its state is committed, so up to the state's height the log is whole.
            stored = next(log.blocks(self.state.height + 1, self._node_height), None)
            if stored is not None:
                stored.check(log.path)
            return stored

    def _look(self) -> None:
        """See how far the node is, and whether its state is the copy's."""
        with closing(State.open_read_only(self._directory / STATE)) as theirs:
            if theirs.height < self.state.height:
                what = f"the node's ledger was put back: it is at block {theirs.height}, and was at {self.state.height}"
                raise BehindError(what, "wait: the node fetches from the other members what it lacks")
            if theirs.height == self.state.height > self._compared_at:
                self._compare(theirs)
            self._node_height = theirs.height

    def _compare(self, theirs: State) -> None:
        try:
            found = theirs.page(self._compared, COMPARED_RECORDS)
        except StateError as error:
            raise damaged(self._directory / STATE, "it cannot be read through") from error
        if found != self.state.page(self._compared, COMPARED_RECORDS) or theirs.commitment() != self.state.commitment():
            raise damaged(self._directory / STATE, f"it is not what the blocks up to {self.state.height} gave")
        self._compared = found[-1][0] if len(found) == COMPARED_RECORDS else b""
        self._compared_at = theirs.height

    def _execute(self, stored: StoredBlock) -> None:
        here = self._require_decided(stored.height, stored)
        result = self._machine.execute(stored.block.input)
        same = self.state.commitment() == stored.block.header.state_commitment
        if not same or encode(result) != stored.result_bytes:
            self._machine.rollback()
            raise DamagedBlockError(f"executing block {stored.height} does not give what the log says", _MEND)
        self._machine.commit(stored.height)
        self._signed = here

    def _require_decided(self, height: int, stored: StoredBlock | None) -> SignedHeader:
        """Compare a block, None for an empty one, and the state before it with the header that was decided."""
        before, here = self._headers_of(height, with_last=stored is not None)
        try:
            self._require_signed(here)
            check_inputs(here, stored)
            if before is not None:
                check_link(before, here)
            if stored is not None:
                Archive([each for each in (before, here) if each]).require_inputs(stored.block, self.state)
        except AuditError as error:
            raise DamagedBlockError(error.what, _MEND) from error
        if here.header.app_hash.upper() != self.state.commitment().hex().upper():
            raise DamagedBlockError(f"the state before block {height} is not the one that its members signed", _MEND)
        return here

    def _require_signed(self, here: SignedHeader) -> None:
        height = here.header.height
        powers = {entry.id: entry.power for entry in standings.validators_at(self.state, height)}
        voters = light.signers(here, self._chain_id, standings.voting_keys(self.state, height))
        if 3 * sum(powers[name] for name in voters) <= 2 * sum(powers.values()):
            raise DamagedBlockError(f"no more than two thirds of the power signed block {height}", _MEND)

    def _headers_of(self, height: int, *, with_last: bool) -> tuple[SignedHeader | None, SignedHeader]:
        """The header of a height, after that of the one before it, if the node can have it."""
        last = [height - 1] if with_last and height - 1 > log_begins_after(self._directory) else []
        found = self._headers.get_each([*last, height])
        if found is None:
            raise UnsignedError(f"there is no signed header of block {height}", "wait for the node, or see its log")
        if [each.header.height for each in found] != [*last, height]:
            raise DamagedBlockError(f"the node shows another header than that of block {height}", _MEND)
        return (found[0] if last else None), found[-1]


def follow(directory: Path, headers: RunningHeaders, copy: State | None = None) -> Follower:
    """Verify the state in a node's directory whole, and follow its ledger from there, on a copy (`State.copied`).

    Raises what `open_state` raises, and `UnsignedError` if no header signs that state yet.
    """
    genesis = genesis_file.load(directory / genesis_file.FILE)
    with open_state(directory, headers) as found:
        if not found.is_signed and not found.state.is_new:
            what = f"no header signs the state of block {found.state.height} yet"
            raise UnsignedError(what, "wait for the next block; `hmchain node status` shows how the node is")
        copy, signed = found.state.copied(copy), found.signed
    if copy.is_new:  # the node makes its first block yet
        beginning.begin(copy, genesis, directory)
    return Follower(directory, genesis, copy, headers, signed)
