"""What makes a block the next one of a chain: the rules that need no execution.

Voters apply them before they execute a block, and audits apply the same ones again. Limits on a block's form are here
too, because a block that breaks them is an offence by itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass

from hmchain import merkle
from hmchain.canonical import NotCanonicalError, decode, encode
from hmchain.errors import LedgerError
from hmchain.keys import PublicKey
from hmchain.ledger import proposer
from hmchain.ledger.blocks import (
    ABSENT,
    COMMIT,
    Block,
    Commit,
    EngineReport,
    Evidence,
    Header,
    InvalidProposal,
    evidence_root,
    vote_bytes,
    votes_root,
)
from hmchain.ledger.proposer import Validators

BLOCK_TRANSACTIONS_MAX = 2000
BLOCK_BYTES_MAX = 4 << 20
BLOCK_ROOM_BYTES = 64 << 10
"""For a block's header, votes and framing, beside what it carries."""
EVIDENCE_MAX = 16
"""Pieces of evidence in a block, those in the blocks that it accuses counted."""
EVIDENCE_NESTING_MAX = 3
"""An accused block may itself accuse: so deep, and no deeper. A rule of form, so that it never depends on where the
evidence is looked at from, and a proposer cannot escape punishment by nesting deeper."""
TIME_MS_MAX = 253_402_300_800_000
"""The year 10 000: what is later is no time, whatever a clock says, and soon no number that a block can hold."""
TIME_AHEAD_MS_MAX = 600_000
"""A block whose time lies further ahead of a voter's clock gets no vote of its."""
ROUNDS_MAX = 64
SNAPSHOT_BLOCKS = 1000
"""Between two snapshots of a node's state, unless its settings say otherwise."""


class InvalidBlockError(LedgerError):
    """A block is not a valid next block, or was not decided by its validators."""

    code = "invalid_block"


@dataclass(frozen=True, slots=True)
class Tip:
    """Where a chain stands: what its next block must build on."""

    chain_id: str
    height: int
    time_ms: int
    hash: bytes
    """Hash of the last header; the genesis digest at height 0."""
    commit: Commit | None
    """The signatures that decided the last block; none at height 0."""

    def after(self, header: Header, commit: Commit) -> Tip:
        """The tip when `header` has been decided by `commit`."""
        return Tip(self.chain_id, header.height, header.time_ms, header.hash, commit)


def check_block(tip: Tip, block: Block, validators: Validators) -> None:
    """Check links, time, proposer, roots, form and last votes; `validators` decide this height.

    Raises `InvalidBlockError` that names the first rule that is broken.
    """
    header = block.header
    _require(header.chain_id == tip.chain_id, "the chain id is another one's")
    _require(header.height == tip.height + 1, f"height {tip.height + 1} is missing")
    _require(header.previous == tip.hash, "it does not link to the block before it")
    _require(header.time_ms > tip.time_ms, "its time is not after the last block's")
    _require(header.round <= ROUNDS_MAX, "its round is too high")
    _require(
        header.proposer == proposer.proposers_of_rounds(validators, header.round)[-1],
        "its proposer was not the one whose turn it was",
    )
    _require(votes_root(block.last_round, block.last_votes) == header.votes_root, "the votes root does not hold")
    _require(evidence_root(block.evidence) == header.evidence_root, "the evidence root does not hold")
    _require(merkle.root(block.transactions) == header.transactions_root, "the transactions root does not hold")
    _require(bool(block.transactions or block.evidence), "it is empty")
    _require(
        well_formed(block),
        "it is larger, its time or last round is higher, or its evidence nests deeper, than is allowed, or it accuses "
        "without proof",
    )
    _check_last_votes(tip.commit, block)


def check_commit(commit: Commit, header: Header, validators: Validators, keys: Mapping[str, PublicKey]) -> None:
    """Check that more than two thirds of the validators' power signed this header.

    Raises `InvalidBlockError` that names the first rule that is broken.
    """
    named = (header.height, header.round, header.hash)
    _require((commit.height, commit.round, commit.block_hash) == named, "its commit is for another block")
    voters = tuple(vote.validator for vote in commit.votes)
    _require(voters == tuple(validator.id for validator in validators), "its commit is not by this height's validators")
    _require(len(commit.signatures) == len(voters), "its commit lacks signatures")
    message = vote_bytes(header.chain_id, header.height, header.round, header.hash)
    for vote, signature in zip(commit.votes, commit.signatures, strict=True):
        if vote.flag == COMMIT:
            valid = keys[vote.validator].verify(signature, message)
            _require(valid, f"the commit signature of {vote.validator} does not hold")
        else:
            _require(not signature, f"{vote.validator} did not vote for it and yet there is a signature")
    _require(has_quorum(commit, validators), "two thirds of the voting power or less signed it")


def has_quorum(commit: Commit, validators: Validators) -> bool:
    """Whether the votes in favour have more than two thirds of the power."""
    powers = {validator.id: validator.power for validator in validators}
    given = sum(powers[vote.validator] for vote in commit.votes if vote.flag == COMMIT)
    return 3 * given > 2 * sum(powers.values())


def is_timely(header: Header, now_ms: int) -> bool:
    """Whether a block's time is near enough for a vote; audits cannot ask, they come later."""
    return header.time_ms <= min(now_ms, TIME_MS_MAX) + TIME_AHEAD_MS_MAX


def well_formed(block: Block) -> bool:
    """Whether a block keeps the limits on its size, its numbers and its evidence, and accuses nobody without proof.

    Bytes and pieces may be more by a little for every level that accusations nest: whoever accuses a block that is as
    large as one may be, and carries nothing else, stays within the limits.
    """
    found = extent(block.evidence)
    return (
        len(block.transactions) <= BLOCK_TRANSACTIONS_MAX
        and block.last_round <= ROUNDS_MAX
        and block.header.time_ms <= TIME_MS_MAX + TIME_AHEAD_MS_MAX
        and sum(len(wire) for wire in block.transactions) <= BLOCK_BYTES_MAX
        and _may_nest(found)
        and len(set(block.evidence)) == len(block.evidence)
        and len(encode(block)) <= BLOCK_BYTES_MAX + BLOCK_ROOM_BYTES * (1 + found.nesting)
        and not any(isinstance(item, EngineReport) for item in block.evidence)
    )


@dataclass(frozen=True, slots=True)
class Extent:
    """How much evidence there is, in accused blocks too."""

    nesting: int
    """0 for none, 1 if no accused block accuses in turn; one more than is allowed stands for any that is too deep."""
    pieces: int


def extent(evidence: tuple[Evidence, ...], depth: int = 1) -> Extent:
    """How deep evidence nests and how many pieces there are; what nests too deep is not looked into any further."""
    deepest, pieces = 0, 0
    for item in evidence:
        inner = Extent(0, 0)
        if isinstance(item, InvalidProposal) and depth <= EVIDENCE_NESTING_MAX:
            with suppress(NotCanonicalError):
                inner = extent(decode(item.block, Block).evidence, depth + 1)
        deepest, pieces = max(deepest, 1 + inner.nesting), pieces + 1 + inner.pieces
    return Extent(deepest, pieces)


def room_beside(evidence: tuple[Evidence, ...]) -> int:
    """Bytes of transactions that a block may carry beside evidence; negative where it may not carry that at all."""
    found = extent(evidence)
    if not _may_nest(found):
        return -1
    return min(BLOCK_BYTES_MAX, BLOCK_BYTES_MAX + BLOCK_ROOM_BYTES * found.nesting - len(encode(evidence)))


def _may_nest(found: Extent) -> bool:
    return found.nesting <= EVIDENCE_NESTING_MAX and found.pieces <= EVIDENCE_MAX + max(0, found.nesting - 1)


def _check_last_votes(commit: Commit | None, block: Block) -> None:
    """A proposer may leave votes of the last commit out, but not make any up."""
    if commit is None:
        _require(not block.last_votes and block.last_round == 0, "it has votes on a block before the first")
        return
    _require(block.last_round == commit.round, "it names another round of the last block")
    _require(len(block.last_votes) == len(commit.votes), "its last votes are not those of the last validators")
    for shown, cast in zip(block.last_votes, commit.votes, strict=True):
        _require(shown.validator == cast.validator, "its last votes are not those of the last validators")
        _require(shown.flag in (cast.flag, ABSENT), f"it shows a vote that {cast.validator} did not cast")


def _require(condition: bool, what: str) -> None:
    if not condition:
        raise InvalidBlockError(what, "nobody may sign it; `hmchain audit verify` names it in a ledger")
