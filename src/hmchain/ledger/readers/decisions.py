"""Decisions on blocks: from the votes in the log, or from the headers that are kept beside a node's log."""

from __future__ import annotations

from dataclasses import dataclass

from hmchain.ledger import proposer
from hmchain.ledger.blocks import COMMIT, Block, Commit
from hmchain.ledger.contracts.members import membership, standings
from hmchain.ledger.engines.cometbft.light import SignedHeader, header_hash
from hmchain.ledger.readers.signers import Headers
from hmchain.ledger.state import State


@dataclass(frozen=True)
class BlockDecision:
    """The decision on one block."""

    hash: bytes
    """What the validators signed: on CometBFT the hash of its own header."""
    previous: bytes
    """The same of the block before it."""
    proposer: str
    round: int
    """Voting rounds that failed before the one that decided."""
    signed: tuple[str, ...]
    not_signed: tuple[str, ...]


class Decisions:
    """The decisions of one ledger. A node's log alone, as long as no headers are at hand, names nobody."""

    def __init__(self, headers: Headers, state: State) -> None:
        """`state` knows the members' keys."""
        self._headers = headers
        self._members = {
            proposer.address(member.validator).hex().upper(): member.organisation
            for member in membership.active_members(state)
        }
        self._members |= {place.hex().upper(): name for place, name in standings.former_owners(state).items()}

    def of(self, block: Block, commit: Commit) -> BlockDecision:
        """The decision on a block of the log."""
        header = block.header
        signed = None if commit.votes else self._headers.get(header.height)
        if signed is not None:
            return self._kept(signed)
        return BlockDecision(
            header.hash,
            header.previous,
            header.proposer,
            header.round,
            tuple(vote.validator for vote in commit.votes if vote.flag == COMMIT),
            tuple(vote.validator for vote in commit.votes if vote.flag != COMMIT),
        )

    def _kept(self, signed: SignedHeader) -> BlockDecision:
        votes = signed.commit.signatures
        names = [
            self._members.get(vote.validator_address, vote.validator_address)
            for vote in votes
            if vote.block_id_flag == COMMIT
        ]
        # CometBFT does not name who was absent: it is whoever of the members is left, where their number fits.
        others = sorted(set(self._members.values()) - set(names))
        absent = len(votes) - len(names)
        missing = tuple(others) if len(others) == absent else ("unnamed",) * absent
        header = signed.header
        return BlockDecision(
            header_hash(header),
            bytes.fromhex(header.last_block_id.hash),
            self._members.get(header.proposer_address, header.proposer_address.lower()),
            signed.commit.round,
            tuple(sorted(names)),
            missing,
        )
