"""Signers of blocks, and of the states that they led to."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

from hmchain.keys import ED25519, PublicKey
from hmchain.ledger.blocks import COMMIT, Commit, Header, vote_bytes
from hmchain.ledger.contracts.members import membership, standings
from hmchain.ledger.engines.cometbft import light
from hmchain.ledger.engines.cometbft.light import SignedHeader
from hmchain.ledger.genesis import Genesis
from hmchain.ledger.state import State

_REMEMBERED = 256
"""Commits whose signatures were checked: the blocks that people look at are the last ones, again and again."""


class Headers(Protocol):
    """The source of CometBFT's signed headers: the file beside a log, or a node that runs."""

    def get(self, height: int) -> SignedHeader | None:
        """The header of a height, or None where there is none yet, or none at hand."""

    def wait(self, height: int) -> SignedHeader | None:
        """The same; one that is just being made is waited for a moment."""


class NoHeaders:
    """The source where there are none."""

    def get(self, _height: int) -> SignedHeader | None:
        """None."""
        return None

    wait = get


@dataclass(frozen=True)
class Endorsement:
    """The last state of a ledger that is signed, and by whom."""

    height: int
    """Of the last state that somebody signed; what comes after it is nobody's word but this disk's."""
    names: tuple[str, ...] = ()
    of: int = 0
    founders: bool = True
    """Whether these are founders, whom the genesis names, or members whom only the state names."""

    def words(self, height: int) -> str:
        """Words on a state of `height`."""
        if not self.names:
            return "signed by nobody that could be asked: start the node, or audit it"
        who = "founders" if self.founders else "members, as this state names them"
        by = f"signed by {len(self.names)} of {self.of} {who}"
        return by if self.height >= height else f"not signed yet; up to block {self.height} {by}"


class Witnesses:
    """Those whose signatures count: the founders, by heads; where too few of them are left, the members."""

    def __init__(self, genesis: Genesis, state: State) -> None:
        self._chain_id = genesis.chain_id
        founders = {member.organisation: member.validator for member in genesis.members}
        members = {member.organisation: member.validator for member in membership.active_members(state)}
        keys = standings.voting_keys(state, state.height)  # one that was just replaced may have signed still
        self._circles = (founders, {name: keys.get(name, key) for name, key in members.items()})
        self._commits = lru_cache(_REMEMBERED)(self._of_message)  # by all that was signed, and all signatures

    def of_header(self, signed: SignedHeader, height: int) -> Endorsement | None:
        """The signers of a header that vouches for a state; None if too few. Raises `LightProofError`."""
        return self._counted(height, lambda circle: light.signers(signed, self._chain_id, circle))

    def of_commit(self, header: Header, commit: Commit) -> Endorsement | None:
        """The signers of a block of the embedded engine; None if too few."""
        message = vote_bytes(header.chain_id, header.height, header.round, header.hash)
        if header.chain_id != self._chain_id or len(commit.votes) != len(commit.signatures):
            return None
        return self._commits(message, header.height, commit)

    def _of_message(self, message: bytes, height: int, commit: Commit) -> Endorsement | None:
        def signers(circle: Mapping[str, bytes]) -> set[str]:
            return {
                vote.validator
                for vote, signature in zip(commit.votes, commit.signatures, strict=True)
                if vote.flag == COMMIT
                and vote.validator in circle
                and PublicKey(ED25519, circle[vote.validator]).verify(signature, message)
            }

        return self._counted(height, signers)

    def _counted(self, height: int, signers: Callable[[Mapping[str, bytes]], set[str]]) -> Endorsement | None:
        for number, circle in enumerate(self._circles):
            found = signers(circle)
            if 3 * len(found) > 2 * len(circle):
                return Endorsement(height, tuple(sorted(found)), len(circle), founders=number == 0)
        return None
