"""The headers of all blocks with the votes that decided them, kept beside a node's log: what only a running node gives.

With them the log can be audited, and a transaction of it proven, when no node runs any more. Every header names the one
before it by its hash, so the votes for the last one vouch for all.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from hashlib import sha256
from itertools import pairwise
from pathlib import Path

import msgspec

from hmchain import decoding, files, merkle
from hmchain.errors import AuditError, LedgerError
from hmchain.ledger import proposer
from hmchain.ledger.blocks import ABSENT, COMMIT, Block, Vote
from hmchain.ledger.contracts.members import standings
from hmchain.ledger.engines.beginning import log_begins_after
from hmchain.ledger.engines.block_store import BLOCKS, BlockStore, StoredBlock, no_such_transaction
from hmchain.ledger.engines.cometbft.answers import MerkleProof
from hmchain.ledger.engines.cometbft.light import (
    LightProof,
    OutcomeProof,
    SignedHeader,
    commit_hash,
    header_hash,
    result_leaf,
    results_root,
    signers,
    time_ms,
)
from hmchain.ledger.genesis import Genesis
from hmchain.ledger.state import State
from hmchain.plain import Progress

FILE = "headers.jsonl"
PATIENCE_SECONDS = 10.0
"""For so long the header after the last block is waited for."""
_LOOK_SECONDS = 0.05
_FILE_BYTES_MAX = 4 << 30
"""Of all headers, which are held in memory: three and a half years of four hospitals with a block a minute."""
_LINE_BYTES_MAX = 1 << 20
"""Of one header with the votes of thousands."""
_ANOTHER = "get it from another member"
_NOTHING = merkle.root([]).hex().upper()


class ArchiveError(AuditError):
    """The kept headers do not hold together, or do not fit the log."""

    code = "archive"


class NoVotesError(LedgerError):
    """The headers that a node's members signed are not at hand, or not all of them."""

    code = "no_votes"


class TooManyHeadersError(LedgerError):
    """The file of the headers that are kept is larger than is read."""

    code = "too_many_headers"


class Archive:
    """The headers of a chain, each with its votes: from height 1 on, or from the first after a snapshot."""

    def __init__(self, headers: Sequence[SignedHeader]) -> None:
        self._headers = tuple(headers)

    @classmethod
    def load(cls, directory: Path) -> Archive | None:
        """The headers kept in a ledger's directory, or None.

        Raises `ArchiveError` if there is no sense in them, `NoVotesError` if some are missing, `TooManyHeadersError`.
        """
        path = directory / FILE
        if not path.is_file():
            return None
        headers: list[SignedHeader] = []
        first = log_begins_after(directory) + 1
        try:
            for line in _lines(path):
                headers.append(decoding.from_json(line, SignedHeader))
                if headers[-1].header.height != first + len(headers) - 1:
                    raise _lacking(path)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise ArchiveError(f"{path} is damaged", _ANOTHER) from error
        if not headers:
            raise _lacking(path)
        return cls(headers)

    def save(self, directory: Path) -> None:
        """Keep the headers in a ledger's directory."""
        lines = (msgspec.json.encode(signed) + b"\n" for signed in self._headers)
        files.write_whole(directory / FILE, lines, durable=True)

    @property
    def first(self) -> SignedHeader:
        """The first header."""
        return self._headers[0]

    @property
    def last(self) -> SignedHeader:
        """The last header."""
        return self._headers[-1]

    def get(self, height: int) -> SignedHeader | None:
        """The header of a height, or None."""
        position = height - self.first.header.height
        return self._headers[position] if 0 <= position < len(self._headers) else None

    wait = get
    """Nothing more comes to what is kept."""

    def check(self, store: BlockStore, ends: int | None = None) -> None:
        """Hold the headers against each other and against a log, as far as headers follow its blocks.

        `ends` is the height up to which a node has come whose log ends before the headers do.

        Each header has the time and the transactions of its block; the one after it the votes for it, the results and
        the state. Raises `ArchiveError` for the first that does not fit. Says nothing of who voted: `light.signers`
        does, for the last one, and `require_inputs` of what only a state tells: names.
        """
        try:
            self._check(store, self.last.header.height if ends is None else ends)
        except (ValueError, OverflowError):
            raise ArchiveError("a header is malformed", "get the headers from another member") from None

    def _check(self, store: BlockStore, ends: int) -> None:
        blocks = store.blocks(self.first.header.height, self.last.header.height - 1)
        stored, app_hash = next(blocks, None), self.first.header.app_hash
        for signed, following in pairwise(self._headers):
            height = signed.header.height
            here = stored if stored is not None and stored.height == height else None
            check_link(signed, following)
            if height > ends:
                continue
            if here is not None:
                app_hash = here.block.header.state_commitment.hex().upper()
                stored = next(blocks, None)
            check_contents(signed, following, here)
            _require_state(following, app_hash, height)

    def require_inputs(self, block: Block, state: State) -> None:
        """Hold what a block says of people against its signed header; `state` is the one before it.

        That is who proposed it, and who voted for the last one in which round. Raises `ArchiveError`.
        """
        height = block.header.height
        here, before = self.get(height), self.get(height - 1)
        if here is None:
            return
        voters = _names(state, height - 1) if height > 1 else {}
        proposer_address = here.header.proposer_address
        named = (voters | _names(state, height)).get(proposer_address, proposer_address.lower())
        _require(block.header.proposer == named, height, f"its header names {named} as its proposer")
        if before is None:
            return
        cast = {voters[vote.validator_address]: vote.block_id_flag for vote in before.commit.signatures
                if vote.validator_address in voters}  # fmt: skip
        expected = tuple(Vote(name, cast.get(name, ABSENT)) for name in sorted(voters.values()))
        voted = (block.last_round, block.last_votes) == (before.commit.round, expected)
        _require(voted, height, "the votes for the block before it are not those of its header")

    def check_votes(self, genesis: Genesis) -> int:
        """Count the votes of founders for these headers that were kept. Raises `ArchiveError` if one is not genuine."""
        founders = {member.organisation: member.validator for member in genesis.members}
        addresses = {proposer.address(key).hex().upper() for key in founders.values()}
        count = 0
        for signed in self._headers:
            votes = signed.commit.signatures
            given = sum(vote.block_id_flag == COMMIT and vote.validator_address in addresses for vote in votes)
            genuine = len(signers(signed, genesis.chain_id, founders))
            _require(genuine == given, signed.header.height, "a vote for it is not genuine")
            count += genuine
        return count

    def prove(self, store: BlockStore, transaction: bytes) -> OutcomeProof:
        """That a transaction of the log was decided, and what became of it. Raises `NoSuchTransactionError`."""
        return prove(store, transaction, self.get)


def _lines(path: Path) -> Iterator[bytes]:
    """The lines of a file of headers, one at a time. Raises `ArchiveError`, `TooManyHeadersError`."""
    with files.open_regular(path) as file:
        if os.fstat(file.fileno()).st_size > _FILE_BYTES_MAX:
            what = f"{path} has more than {_FILE_BYTES_MAX >> 30} GiB, and no more headers are read"
            raise TooManyHeadersError(what, "audit a ledger that begins later: that of a member who joined since")
        while line := file.readline(_LINE_BYTES_MAX + 1):
            if len(line) > _LINE_BYTES_MAX:
                raise ArchiveError(f"{path} is damaged: a line has more than {_LINE_BYTES_MAX >> 20} MiB", _ANOTHER)
            yield line


def _lacking(path: Path) -> NoVotesError:
    return NoVotesError(f"{path} lacks headers", _ANOTHER)


def prove(store: BlockStore, transaction: bytes, header: Callable[[int], SignedHeader | None]) -> OutcomeProof:
    """That a transaction of a log was decided, and what became of it; `header` gives the signed header of a height.

    Raises `NoSuchTransactionError`, also where no header follows the transaction's block yet.
    """
    stored, position = store.require(transaction)
    signed, following = header(stored.height), header(stored.height + 1)
    if signed is None or following is None:
        raise no_such_transaction(transaction)
    block, receipts = stored.block, stored.result.receipts
    path = merkle.path([sha256(wire).digest() for wire in block.transactions], position)
    included = MerkleProof(len(block.transactions), position, tuple(path))
    return OutcomeProof(
        decided=LightProof(signed, block.transactions[position], included),
        following=following,
        receipt=receipts[position],
        path=tuple(merkle.path([result_leaf(receipt) for receipt in receipts], position)),
    )


def keep(
    directory: Path,
    height: Callable[[], int],
    fetch: Callable[[int], SignedHeader],
    progress: Progress,
    *,
    waits: bool = True,
) -> Archive:
    """Keep all headers in a node's directory, those that are there already not asked for again, but the last one.

    As long as a header is the last, a node shows the votes that it has seen itself; afterwards those that the next
    block carries, which are the ones that are signed.

    `height` asks a node for its last height, `fetch` for a header with its votes. The header after the log's last block
    is waited for: it is the one that vouches for the state. Raises `LedgerError` if it does not come; of a
    stopped node (not `waits`) those that are there are kept.
    """
    store = BlockStore(directory / BLOCKS, read_only=True)
    try:
        needed = store.height + 1
    finally:
        store.close()
    deadline = time.monotonic() + PATIENCE_SECONDS
    while (last := height()) < needed and waits:
        if time.monotonic() > deadline:
            raise LedgerError(f"no header follows block {needed - 1}", "see whether enough nodes run, and try again")
        time.sleep(_LOOK_SECONDS)
    headers = _kept(directory)
    for number in range(log_begins_after(directory) + len(headers) + 1, last + 1):
        headers.append(fetch(number))
        progress(number, last)
    archive = Archive(headers)
    archive.save(directory)
    return archive


def _kept(directory: Path) -> list[SignedHeader]:
    """The headers that need not be asked for again; a file without sense is written anew."""
    try:
        known = Archive.load(directory)
        headers = [] if known is None else list(known._headers[:-1])
        for signed, following in pairwise(headers):
            check_link(signed, following)
    except (ArchiveError, NoVotesError, ValueError, OverflowError):
        return []
    return headers


def check_link(signed: SignedHeader, following: SignedHeader) -> None:
    """See that a header names the one before it, and the votes for that one. Raises `ArchiveError`."""
    height, header = signed.header.height, following.header
    linked = header.last_block_id.hash == header_hash(signed.header).hex().upper()
    _require(linked, height, "the header after it names another block")
    votes = commit_hash(signed.commit).hex().upper()
    _require(header.last_commit_hash.upper() == votes, height, "the header after it holds other votes for it")


def check_contents(signed: SignedHeader, following: SignedHeader, stored: StoredBlock | None) -> None:
    """Hold a block of a log against its header and the one after it; one that is not in the log is empty.

    Raises `ArchiveError`.
    """
    check_inputs(signed, stored)
    results = results_root(stored.result.receipts if stored is not None else ()).hex().upper()
    same = following.header.last_results_hash.upper() == results
    _require(same, signed.header.height, "its members signed other results of it")
    if stored is not None:
        _require_state(following, stored.block.header.state_commitment.hex().upper(), signed.header.height)


def check_inputs(signed: SignedHeader, stored: StoredBlock | None) -> None:
    """Hold what a block of a log brings, before it is executed, against its header. Raises `ArchiveError`."""
    height, header = signed.header.height, signed.header
    block = stored.block if stored is not None else None
    wires = block.transactions if block is not None else ()
    data = merkle.root([sha256(wire).digest() for wire in wires]).hex().upper()
    _require(header.data_hash.upper() == data, height, "its transactions are not those of its header")
    if block is not None:
        _require(block.header.time_ms == time_ms(header), height, "its time is not that of its header")
        reported = not block.evidence or header.evidence_hash.upper() != _NOTHING
        _require(reported, height, "its header holds no evidence")


def _require_state(following: SignedHeader, app_hash: str, height: int) -> None:
    _require(following.header.app_hash.upper() == app_hash, height, "its members signed another state after it")


def _names(state: State, height: int) -> dict[str, str]:
    return {entry.address.hex().upper(): entry.id for entry in standings.validators_at(state, height)}


def _require(condition: bool, height: int, what: str) -> None:
    if not condition:
        raise ArchiveError(f"block {height}: {what}", "compare it with another member's ledger")
