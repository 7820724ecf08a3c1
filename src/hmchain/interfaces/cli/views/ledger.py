"""What a ledger holds, read from its files without writing to them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import msgspec

from hmchain.application.node.reading import signed_headers
from hmchain.application.site.node import NodeFolder
from hmchain.canonical import NotCanonicalError, Record, decode
from hmchain.errors import AuditError, InputError
from hmchain.ledger import contracts
from hmchain.ledger import genesis as genesis_file
from hmchain.ledger.blocks import OK, Block, BlockResult, Commit, Event, Receipt
from hmchain.ledger.contracts.members import membership
from hmchain.ledger.engines.block_store import BLOCKS, BlockStore, BlockStoreError, StoredBlock
from hmchain.ledger.engines.cometbft import light
from hmchain.ledger.engines.cometbft.archive import Archive, prove
from hmchain.ledger.engines.cometbft.light import OutcomeProof, SignedHeader
from hmchain.ledger.genesis import Genesis
from hmchain.ledger.readers import proofs
from hmchain.ledger.readers.audit import FINISH, NoVotesError
from hmchain.ledger.readers.decisions import Decisions
from hmchain.ledger.readers.logs import DamagedBlockError, SignedLog
from hmchain.ledger.readers.proofs import InclusionProof, NoSuchTransactionError
from hmchain.ledger.readers.signers import Headers, Signed, Witnesses
from hmchain.ledger.readers.states import open_state, state_files
from hmchain.ledger.state import State
from hmchain.ledger.transactions import Refusal, SignedTransaction, Transaction, transaction_digest

MALFORMED = "malformed"
_PATIENCE_SECONDS, _LOOK_SECONDS = 5.0, 0.05

_AUDIT = "`hmchain audit verify` names the first thing that is wrong"
_HEX_DIGITS = "0123456789abcdef"


class BadPrefixError(InputError):
    """What was typed cannot begin the digest of a transaction."""

    code = "bad_prefix"


class AmbiguousPrefixError(InputError):
    """Several transactions begin with what was typed."""

    code = "ambiguous_prefix"


class ProofFileError(AuditError):
    """A file is no inclusion proof, or not one of the network that the anchor names."""

    code = "proof_file"


@dataclass(frozen=True)
class TransactionLine:
    """One transaction in the list of its block."""

    digest: bytes
    kind: str
    organisation: str
    """Empty for a key that the ledger does not know."""
    code: str
    """`ok`, or the name of the refusal."""


@dataclass(frozen=True)
class BlockView:
    """One block."""

    height: int
    time_ms: int
    hash: bytes
    previous: bytes
    proposer: str
    round: int
    """Voting rounds that failed before the one that decided."""
    signed: tuple[str, ...]
    not_signed: tuple[str, ...]
    evidence: tuple[str, ...]
    transactions: tuple[TransactionLine, ...]
    events: tuple[Event, ...]
    """Of its transactions, then of the block itself."""
    unsigned_events: tuple[Event, ...]
    """The block's own on CometBFT, whose headers do not hold them: this log's word, until an audit executes it."""
    state_commitment: bytes
    vouched: str
    """Whose signatures all of this rests on; empty where no header at hand says so (yet)."""

    @property
    def refused(self) -> int:
        """Transactions that were refused."""
        return sum(line.code != OK for line in self.transactions)


@dataclass(frozen=True)
class TransactionView:
    """One transaction, decoded."""

    digest: bytes
    height: int
    position: int
    time_ms: int
    kind: str
    organisation: str
    role: str
    receipt: Receipt
    expires_ms: int
    body: Record | None
    """None if it is malformed."""
    vouched: str
    """Whose signatures all of this rests on; empty where no header at hand says so (yet)."""


class InclusionFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="hmchain inclusion proof 1"):
    """What `ledger proof` writes: all that someone needs who knows nothing but the genesis digest."""

    genesis: Genesis
    proof: InclusionProof


class OutcomeFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="hmchain cometbft proof 1"):
    """The same of a ledger on CometBFT."""

    genesis: Genesis
    proof: OutcomeProof


ProofFile = InclusionFile | OutcomeFile


@dataclass(frozen=True)
class Proven:
    """What a proof proves, by the proof's own content."""

    transaction: TransactionLine
    """Without the sender's organisation, which is not part of it."""
    height: int
    time_ms: int


class LedgerReader:
    """A ledger's blocks as they were signed, and a validator's state as it was when the reader was opened."""

    def __init__(self, directory: Path, store: BlockStore, state: State, log: SignedLog) -> None:
        self._directory = directory
        self._store = store
        self._log = log
        self.state = state
        self._decisions = Decisions(log.headers, state)

    def blocks(self, first: int | None, limit: int) -> list[BlockView]:
        """At most `limit` blocks from height `first` on; the last ones if it is None."""
        start = max(1, self._store.height - limit + 1) if first is None else max(1, first)
        return [self._block(stored) for stored in islice(self._store.blocks(start), limit)]

    def transaction(self, prefix: str) -> TransactionView:
        """The transaction whose digest begins with `prefix`."""
        digest = self.find(prefix)
        located = self._store.located(digest)
        if located is None:
            raise DamagedBlockError(f"transaction {digest.hex()} is not in the block that the index names", _AUDIT)
        stored, position = located
        block, _, result = _contents(stored)
        fields, body = _decoded(block.transactions[position])
        sender = membership.credential(self.state, fields.sender) if fields else None
        return TransactionView(
            digest=digest,
            height=stored.height,
            position=position,
            time_ms=block.header.time_ms,
            kind=_kind(body),
            organisation=sender.organisation if sender else "",
            role=sender.role if sender else "",
            receipt=result.receipts[position],
            expires_ms=fields.expires_ms if fields else 0,
            body=body,
            vouched=_vouched(self._log, stored),
        )

    def proof(self, prefix: str) -> ProofFile:
        """The inclusion proof of the transaction whose digest begins with `prefix`, with the genesis."""
        genesis, transaction = genesis_file.load(self._directory / "genesis.json"), self.find(prefix)
        archive, node = Archive.load(self._directory), NodeFolder(self._directory.parent)
        located = self._store.located(transaction)
        reaches = archive is not None and located is not None and located[0].height < archive.last.header.height
        if archive is not None and (reaches or not node.toml.is_file()):
            return OutcomeFile(genesis, archive.prove(self._store, transaction))
        if node.toml.is_file():
            return OutcomeFile(genesis, _prove_by_node(node, self._store, transaction))
        proof = proofs.prove(self._store, transaction)
        if not proof.commit.votes:
            raise NoVotesError("this ledger's directory holds no votes that a proof could show", FINISH)
        return InclusionFile(genesis, proof)

    def find(self, prefix: str) -> bytes:
        """The one digest that begins with these hex digits.

        Raises `BadPrefixError`, `AmbiguousPrefixError` or `NoSuchTransactionError`.
        """
        text = prefix.lower()
        if not 1 <= len(text) <= 64 or any(letter not in _HEX_DIGITS for letter in text):
            raise BadPrefixError(f"{prefix!r} is not the start of a digest", "give up to 64 hex digits")
        whole = [text] if len(text) % 2 == 0 else [text + digit for digit in _HEX_DIGITS]
        found = [digest for start in whole for digest in self._store.find_prefix(bytes.fromhex(start))]
        if not found:
            raise NoSuchTransactionError(
                f"no transaction begins with {text}", "`hmchain ledger blocks --json` lists all digests"
            )
        if len(found) > 1:
            raise AmbiguousPrefixError(f"several transactions begin with {text}", "give more of its digits")
        return found[0]

    def require_whole(self) -> WholeLog:
        """See that the whole log is as it was signed. Raises `DamagedBlockError`."""
        height = self._store.height
        return WholeLog(self._log.require_whole(), height)

    def _block(self, stored: StoredBlock) -> BlockView:
        block, commit, result = _contents(stored)
        header, decision = block.header, self._decisions.of(block, commit)
        receipts = zip(block.transactions, result.receipts, strict=True)
        is_signed_whole = bool(commit.votes)  # the embedded engine's headers hold the block's own events too
        return BlockView(
            height=stored.height,
            time_ms=header.time_ms,
            hash=decision.hash,
            previous=decision.previous,
            proposer=decision.proposer,
            round=decision.round,
            signed=decision.signed,
            not_signed=decision.not_signed,
            evidence=tuple(str(item.__struct_config__.tag) for item in block.evidence),
            transactions=tuple(self._line(wire, receipt) for wire, receipt in receipts),
            events=result.all_events if is_signed_whole else result.transaction_events,
            unsigned_events=() if is_signed_whole else result.events,
            state_commitment=header.state_commitment,
            vouched=_vouched(self._log, stored),
        )

    def _line(self, wire: bytes, receipt: Receipt) -> TransactionLine:
        fields, body = _decoded(wire)
        sender = membership.credential(self.state, fields.sender) if fields else None
        organisation = sender.organisation if sender else ""
        return TransactionLine(transaction_digest(wire), _kind(body), organisation, receipt.code)


@contextmanager
def opened(directory: Path) -> Iterator[LedgerReader]:
    """Read the ledger in `directory`, which another process may be writing.

    Raises `LedgerError` for what cannot be opened, read or believed.
    """
    genesis = genesis_file.load(directory / "genesis.json")
    with (
        closing(BlockStore(directory / BLOCKS, read_only=True)) as store,
        signed_headers(directory) as headers,
        _state_or_founding(directory, genesis, headers) as state,
    ):
        log = SignedLog(directory, store, genesis, Witnesses(genesis, state), headers)
        yield LedgerReader(directory, store, state, log)


@contextmanager
def _state_or_founding(directory: Path, genesis: Genesis, headers: Headers | None) -> Iterator[State]:
    """A verified state; beside a bare copy of the blocks the founding one, which knows the founders' keys."""
    if state_files(directory):
        with open_state(directory, headers) as found:
            yield found.state
        return
    with closing(State()) as state:
        genesis_file.initialise(state, genesis)
        yield state


@dataclass(frozen=True)
class WholeLog:
    """A log that was compared with what members signed."""

    signed: Signed
    height: int
    """Of its last block; what comes after `signed` is this disk's word alone."""

    @property
    def words(self) -> str:
        """Up to where it is signed; empty where all of it is."""
        if self.signed.names and self.signed.height >= self.height:
            return ""
        return self.signed.words(self.height)


def require_whole(directory: Path) -> WholeLog:
    """See that the whole log in `directory` is as it was signed. Raises what `opened` raises, `DamagedBlockError`."""
    with opened(directory) as reader:
        return reader.require_whole()


def _prove_by_node(node: NodeFolder, store: BlockStore, transaction: bytes) -> OutcomeProof:
    """A proof with the headers that a running node gives. Raises `NoEndpointError` and `OtherNodeError`."""
    from hmchain.application.node.link import connected
    from hmchain.ledger.engines.cometbft.rpc import RpcError

    deadline = time.monotonic() + _PATIENCE_SECONDS

    def header(height: int) -> SignedHeader | None:
        while True:
            try:
                return client.signed_header(height)
            except RpcError:  # it has no such block yet: one follows each block with transactions at once
                if time.monotonic() > deadline:
                    return None
                time.sleep(_LOOK_SECONDS)

    with connected(node) as client:
        return prove(store, transaction, header)


def check_proof(path: Path, genesis: bytes | None, header: bytes | None) -> ProofFile:
    """Check an inclusion proof offline against a genesis digest, or the hash of a trusted header.

    Raises `ProofFileError` or `ProofError`.
    """
    try:
        file: ProofFile = msgspec.json.decode(path.read_bytes(), type=ProofFile)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ProofFileError(f"{path} is not an inclusion proof", "`hmchain ledger proof` writes one") from error
    if genesis is not None:
        if file.genesis.digest != genesis:
            raise ProofFileError(
                f"{path} is a proof on the network with genesis {file.genesis.digest.hex()}",
                f"that is not {genesis.hex()}: it proves nothing there",
            )
        _verify(file, file.genesis)
    if header is not None:
        _verify(file, header)
    return file


def _verify(file: ProofFile, anchor: Genesis | bytes) -> None:
    if isinstance(file, OutcomeFile):
        light.verify_outcome(file.proof, anchor)
    else:
        proofs.verify_inclusion(file.proof, anchor)


def proven(file: ProofFile) -> Proven:
    """What a proof proves."""
    if isinstance(file, OutcomeFile):
        header = file.proof.decided.signed_header.header
        wire, height, time_ms = file.proof.decided.tx, header.height, light.time_ms(header)
    else:
        wire, height, time_ms = file.proof.wire, file.proof.header.height, file.proof.header.time_ms
    _, body = _decoded(wire)
    return Proven(TransactionLine(transaction_digest(wire), _kind(body), "", file.proof.receipt.code), height, time_ms)


def _vouched(log: SignedLog, stored: StoredBlock) -> str:
    signed = log.signed(stored)
    return signed.words(stored.height) if signed else ""


def _contents(stored: StoredBlock) -> tuple[Block, Commit, BlockResult]:
    """A block with as many receipts as transactions. Raises `DamagedBlockError`."""
    try:
        block, commit, result = stored.block, stored.commit, stored.result
    except BlockStoreError as error:
        raise DamagedBlockError(error.what, _AUDIT) from error
    if len(block.transactions) != len(result.receipts):
        raise DamagedBlockError(f"block {stored.height} has not a receipt for each transaction", _AUDIT)
    return block, commit, result


def _decoded(wire: bytes) -> tuple[Transaction | None, Record | None]:
    """A transaction's fields and body, None for what is malformed."""
    try:
        fields = decode(wire, SignedTransaction).transaction
    except NotCanonicalError:
        return None, None
    try:
        return fields, contracts.decode_body(fields.body)
    except Refusal:
        return fields, None


def _kind(body: Record | None) -> str:
    return MALFORMED if body is None else str(body.__struct_config__.tag)
