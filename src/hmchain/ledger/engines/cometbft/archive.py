"""The headers of all blocks with the votes that decided them, kept beside a node's log: what only a running node gives.

With them the log can be audited, and a transaction of it proven, when no node runs any more. Every header names the one
before it by its hash, so the votes for the last one vouch for all.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from hashlib import sha256
from pathlib import Path

import msgspec

from hmchain import merkle
from hmchain.errors import AuditError, LedgerError
from hmchain.ledger import proposer
from hmchain.ledger.blocks import COMMIT
from hmchain.ledger.engines.block_store import BLOCKS, BlockStore, StoredBlock
from hmchain.ledger.engines.cometbft.answers import MerkleProof
from hmchain.ledger.engines.cometbft.light import (
    LightProof,
    OutcomeProof,
    SignedHeader,
    header_hash,
    result_leaf,
    signers,
)
from hmchain.ledger.genesis import Genesis
from hmchain.ledger.proofs import NoSuchTransactionError

FILE = "headers.jsonl"
_PATIENCE_SECONDS = 10.0
_LOOK_SECONDS = 0.05


class ArchiveError(AuditError):
    """The kept headers do not hold together, or do not fit the log."""

    code = "archive"


class Archive:
    """The headers of a chain from height 1 on, each with its votes."""

    def __init__(self, headers: Sequence[SignedHeader]) -> None:
        self._headers = tuple(headers)

    @classmethod
    def load(cls, directory: Path) -> Archive | None:
        """The headers kept in a ledger's directory, or None. Raises `ArchiveError` if there is no sense in them."""
        path = directory / FILE
        if not path.is_file():
            return None
        try:
            headers = [msgspec.json.decode(line, type=SignedHeader) for line in path.read_bytes().splitlines()]
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise ArchiveError(f"{path} is damaged", "get it from another member") from error
        if not headers or [signed.header.height for signed in headers] != list(range(1, len(headers) + 1)):
            raise ArchiveError(f"{path} lacks headers", "get it from another member")
        return cls(headers)

    def save(self, directory: Path) -> None:
        """Keep the headers in a ledger's directory."""
        path = directory / FILE
        partial = path.with_suffix(".part")
        partial.write_bytes(b"".join(msgspec.json.encode(signed) + b"\n" for signed in self._headers))
        partial.replace(path)

    @property
    def last(self) -> SignedHeader:
        """The last header."""
        return self._headers[-1]

    def get(self, height: int) -> SignedHeader | None:
        """The header of a height, or None."""
        return self._headers[height - 1] if 0 < height <= len(self._headers) else None

    def check(self, store: BlockStore) -> None:
        """Hold the headers against each other and against a log. Raises `ArchiveError` for the first that does not fit.

        Says nothing of who voted: `light.signers` does, for the last one.
        """
        blocks = store.blocks()
        stored = next(blocks, None)
        for signed, following in zip(self._headers, (*self._headers[1:], None), strict=True):
            height = signed.header.height
            if following is not None:
                linked = following.header.last_block_id.hash == header_hash(signed.header).hex().upper()
                _require(linked, height, "the header after it names another block")
            here = stored if stored is not None and stored.height == height else None
            _require(
                signed.header.data_hash == _data_hash(here), height, "its transactions are not those of its header"
            )
            if here is not None:
                _require(following is not None, height, "no header after it is kept")
                stored = next(blocks, None)
        _require(stored is None, self.last.header.height, "the log goes on after the last header")

    def check_votes(self, genesis: Genesis) -> int:
        """How many votes of founders for these headers were kept. Raises `ArchiveError` if one is not genuine."""
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


def prove(store: BlockStore, transaction: bytes, header: Callable[[int], SignedHeader | None]) -> OutcomeProof:
    """That a transaction of a log was decided, and what became of it; `header` gives the signed header of a height.

    Raises `NoSuchTransactionError`, also where no header follows the transaction's block yet.
    """
    place = store.find(transaction)
    stored = store.get(place[0]) if place else None
    signed, following = (header(place[0]), header(place[0] + 1)) if place else (None, None)
    if place is None or stored is None or signed is None or following is None:
        raise NoSuchTransactionError(
            f"there is no transaction {transaction.hex()} in a block", "check the digest, or wait for its block"
        )
    position, block, receipts = place[1], stored.block, stored.result.receipts
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
    progress: Callable[[int, int], None],
) -> Archive:
    """Keep all headers in a node's directory, those that are there already not asked for again.

    `height` asks a node for its last height, `fetch` for a header with its votes. The header after the log's last block
    is waited for: it is the one that vouches for the state. Raises `LedgerError` if it does not come.
    """
    store = BlockStore(directory / BLOCKS, read_only=True)
    try:
        needed = store.height + 1
    finally:
        store.close()
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while (last := height()) < needed:
        if time.monotonic() > deadline:
            raise LedgerError(f"no header follows block {needed - 1}", "see whether enough nodes run, and try again")
        time.sleep(_LOOK_SECONDS)
    known = Archive.load(directory)
    headers = [] if known is None else list(known._headers)
    for number in range(len(headers) + 1, last + 1):
        headers.append(fetch(number))
        progress(number, last)
    archive = Archive(headers)
    archive.save(directory)
    return archive


def _data_hash(stored: StoredBlock | None) -> str:
    wires = stored.block.transactions if stored is not None else ()
    return merkle.root([sha256(wire).digest() for wire in wires]).hex().upper()


def _require(condition: bool, height: int, what: str) -> None:
    if not condition:
        raise ArchiveError(f"block {height}: {what}", "compare it with another member's ledger")
