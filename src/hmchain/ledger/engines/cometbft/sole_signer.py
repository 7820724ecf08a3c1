"""See that nobody but this node signs with its validator's key.

Every block shows whose votes decided the one before it, and CometBFT writes down what its validator signs before it
sends it. A vote of this node's key that its record does not know was given elsewhere: by a second node with the same
keys, or by this one before its record was lost or put back. Whoever goes on then signs two blocks of one height.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import msgspec

from hmchain import decoding
from hmchain.ledger import proposer
from hmchain.ledger.blocks import COMMIT, NIL
from hmchain.ledger.contracts.members import membership
from hmchain.ledger.engines.block_store import BlockStore
from hmchain.ledger.engines.cometbft import abci_pb2 as abci
from hmchain.ledger.engines.cometbft.damage import NodeDamagedError, SignedRecord, TwinError, signed_record
from hmchain.ledger.engines.cometbft.home import validator_key_of
from hmchain.ledger.state import State


class _Key(msgspec.Struct, frozen=True):
    address: str


class SoleSigner:
    """Watches the votes in blocks for those of the key in `home`. What it found once it says until the process ends."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._live_from: int | None = None
        self._found: TwinError | None = None
        self.begin()

    def begin(self) -> None:
        """CometBFT starts: its key may be another one, and it has to catch up before it votes.

        Raises `TwinError` if there was a foreign vote, `NodeDamagedError` if the home holds no key.
        """
        if self._found is not None:
            raise self._found
        self._live_from = None
        try:
            self._address = bytes.fromhex(decoding.from_json(validator_key_of(self._home), _Key).address)
        except (OSError, msgspec.DecodeError, UnicodeDecodeError, ValueError):
            raise NodeDamagedError(
                f"{self._home} holds no key of a validator", "run `hmchain network join FILE` once more"
            ) from None

    def proposed(self, height: int, votes: Iterable[abci.VoteInfo]) -> None:
        """A block of `height` is proposed, with the votes for the one before it. Raises as `decided`."""
        self._live_from = height if self._live_from is None else self._live_from
        self.decided(height, votes)

    def logged(self, state: State, log: BlockStore) -> None:
        """Look through the blocks that this node has already, above its record. Raises as `decided`."""
        members = membership.active_members(state)
        name = next((m.organisation for m in members if proposer.address(m.validator) == self._address), None)
        for stored in log.blocks(signed_record(self._home).height + 1) if name else ():
            for vote in stored.block.last_votes:
                if vote.validator == name:
                    self._judge(stored.height - 1, vote.flag)

    def decided(self, height: int, votes: Iterable[abci.VoteInfo]) -> None:
        """As `proposed`, for a decided block. Raises `TwinError`, or `SignedRecordError` if the record is damaged."""
        if self._found is not None:
            raise self._found
        for vote in votes:
            if vote.validator.address == self._address:
                self._judge(height - 1, vote.block_id_flag)

    def _judge(self, height: int, flag: int) -> None:
        if flag in (COMMIT, NIL) and not may_be_own(height, signed_record(self._home), self._live_from):
            self._found = TwinError(height)
            raise self._found


def may_be_own(height: int, record: SignedRecord, live_from: int | None) -> bool:
    """True if a vote at a height may be of the node whose `record` this is, or of its life before the record began.

    `live_from` is the first height at which this run saw a proposal. A record in which nothing is signed yet stands for
    an earlier life up to its height; that life had ended before this run saw its first proposal.
    """
    if record.step:
        return height <= record.height
    return height < record.height and (live_from is None or height <= live_from)
