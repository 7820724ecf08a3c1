"""The audit names the first thing that is wrong; proofs hold without trust in whoever hands them over."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec.structs import replace

from hmchain import merkle
from hmchain.canonical import encode
from hmchain.errors import AuditError
from hmchain.ledger import genesis as genesis_file
from hmchain.ledger.blocks import ABSENT, Block, Commit, vote_bytes, votes_root
from hmchain.ledger.engines.block_store import BlockStore, BlockStoreError, NoSuchTransactionError, StoredBlock
from hmchain.ledger.engines.embedded import Behaviour
from hmchain.ledger.readers import proofs
from hmchain.ledger.readers.replay import AnchorMismatchError, DamagedLedgerError, DefectError, TrustedHeader, verify
from hmchain.ledger.unreadable import UnreadableError
from support.ledger_network import Network, Sender, genesis, signing_key

BLOCKS = 6


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ledger with ordinary blocks, a refused transaction, and evidence."""
    network = Network.found(tmp_path_factory.mktemp("kept") / "ledger")
    network.fill(2)
    network.block(network.send.dataset("a", "d0"), network.send.dataset("b", "new"))
    network.ledger.set_behaviour("c", Behaviour.EQUIVOCATE)
    network.fill(3, first=10)
    assert network.ledger.height == BLOCKS
    network.ledger.close()
    return network.directory


@pytest.fixture
def ledger(kept: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(kept, tmp_path / "copy"))


ANCHOR = genesis().digest


# -- what holds --------------------------------------------------------------------------------------------------------


def test_a_sound_ledger_passes_and_says_what_was_checked(ledger: Path) -> None:
    seen: list[tuple[int, int]] = []
    report = verify(ledger, ANCHOR, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(height, BLOCKS) for height in range(1, BLOCKS + 1)]
    assert (report.height, report.transactions, report.refused) == (BLOCKS, 7, 1)
    assert report.evidence == 1 and report.vote_signatures >= 3 * BLOCKS
    assert report.anchored and ANCHOR.hex() in report.anchor
    assert not any("rewritten" in line for line in report.not_proven)
    head = _stored(ledger, BLOCKS).block.header
    assert (report.head, report.commitment) == (head.hash, head.state_commitment)


def test_without_an_anchor_it_says_that_a_rewritten_ledger_would_pass(ledger: Path) -> None:
    report = verify(ledger)
    assert not report.anchored and report.anchor == "none"
    assert "rewritten" in report.not_proven[0]


def test_a_trusted_header_is_an_anchor_too(ledger: Path) -> None:
    header = _stored(ledger, 3).block.header
    assert verify(ledger, trusted=TrustedHeader(3, header.hash)).anchored
    with pytest.raises(AnchorMismatchError, match="block 3 is not the trusted one"):
        verify(ledger, trusted=TrustedHeader(3, bytes(32)))
    with pytest.raises(AnchorMismatchError, match="ends at height 6, before the trusted block 7"):
        verify(ledger, trusted=TrustedHeader(7, header.hash))


def test_an_empty_ledger_passes(tmp_path: Path) -> None:
    network = Network.found(tmp_path / "ledger")
    network.ledger.close()
    report = verify(tmp_path / "ledger", ANCHOR)
    assert (report.height, report.head, report.transactions) == (0, ANCHOR, 0)


def test_a_rewritten_ledger_fails_against_its_anchor(tmp_path: Path) -> None:
    """Everything re-signed with all keys: only the anchor tells it from the real one."""
    rewritten = replace(genesis(), time_ms=genesis().time_ms - 1)
    genesis_file.save(rewritten, tmp_path / "genesis.json")
    BlockStore(tmp_path / "blocks.db").close()
    assert not verify(tmp_path).anchored
    with pytest.raises(AnchorMismatchError, match=rewritten.digest.hex()):
        verify(tmp_path, ANCHOR)


# -- what does not -----------------------------------------------------------------------------------------------------

Forgery = Callable[[StoredBlock], tuple[Block, Commit]]


def _header(**changes: object) -> Forgery:
    """Another header, signed again by everyone: what a coalition of all validators could do."""

    def forge(stored: StoredBlock) -> tuple[Block, Commit]:
        block = stored.block
        return _signed(replace(block, header=replace(block.header, **changes)), stored.commit)

    return forge


def _signed(block: Block, commit: Commit) -> tuple[Block, Commit]:
    header = block.header
    message = vote_bytes(header.chain_id, header.height, header.round, header.hash)
    signatures = tuple(
        signing_key(vote.validator, "validator").sign(message) if old else b""
        for vote, old in zip(commit.votes, commit.signatures, strict=True)
    )
    return block, replace(
        commit, height=header.height, block_hash=header.hash, round=header.round, signatures=signatures
    )


def _made_up_vote(stored: StoredBlock) -> tuple[Block, Commit]:
    votes = (replace(stored.block.last_votes[0], flag=3), *stored.block.last_votes[1:])
    header = replace(stored.block.header, votes_root=votes_root(stored.block.last_round, votes))
    return _signed(replace(stored.block, header=header, last_votes=votes), stored.commit)


def _swapped_transaction(stored: StoredBlock) -> tuple[Block, Commit]:
    other = Sender().dataset("d", "smuggled")
    header = replace(stored.block.header, transactions_root=merkle.root([other]))
    return _signed(replace(stored.block, header=header, transactions=(other,)), stored.commit)


def _bad_signature(stored: StoredBlock) -> tuple[Block, Commit]:
    signatures = (bytes(64), *stored.commit.signatures[1:])
    return stored.block, replace(stored.commit, signatures=signatures)


def _too_few(stored: StoredBlock) -> tuple[Block, Commit]:
    commit = stored.commit
    votes = tuple(replace(vote, flag=ABSENT) if i < 2 else vote for i, vote in enumerate(commit.votes))
    return stored.block, replace(commit, votes=votes, signatures=(b"", b"", *commit.signatures[2:]))


@pytest.mark.parametrize(
    ("forgery", "what"),
    [
        (_header(previous=bytes(32)), "does not link"),
        (_header(height=9), "height 2 is missing"),
        (_header(time_ms=0), "time is not after"),
        (_header(chain_id="other"), "chain id"),
        (_header(proposer="a", round=5), "turn"),
        (_header(transactions_root=bytes(32)), "transactions root"),
        (_header(evidence_root=bytes(32)), "evidence root"),
        (_header(receipts_root=bytes(32)), "other receipts"),
        (_header(state_commitment=bytes(32)), "another state"),
        (_header(votes_root=bytes(32)), "votes root"),
        (_made_up_vote, "did not cast"),
        (_swapped_transaction, "another state|other receipts"),
        (_bad_signature, "commit signature of a does not hold"),
        (_too_few, "two thirds of the voting power or less"),
    ],
)
def test_each_forgery_is_named_with_its_height(ledger: Path, forgery: Forgery, what: str) -> None:
    block, commit = forgery(_stored(ledger, 2))
    _store(ledger, 2, block=encode(block), decided=encode(commit))
    with pytest.raises(DefectError, match=f"^block 2: .*({what})") as caught:
        verify(ledger, ANCHOR)
    assert caught.value.height == 2 and caught.value.exit_code == 7


def test_a_silent_signature_is_not_passed_over(ledger: Path) -> None:
    """A signature beside a vote that was not given would let a proposer choose whom to show."""
    stored = _stored(ledger, 2)
    votes = (replace(stored.commit.votes[0], flag=ABSENT), *stored.commit.votes[1:])
    _store(ledger, 2, decided=encode(replace(stored.commit, votes=votes)))
    with pytest.raises(DefectError, match="a did not vote for it and yet"):
        verify(ledger, ANCHOR)


def test_altered_receipts_are_found(ledger: Path) -> None:
    result = _stored(ledger, 3).result
    kinder = replace(result, receipts=tuple(replace(receipt, code="ok") for receipt in result.receipts))
    _store(ledger, 3, result=encode(kinder))
    with pytest.raises(DefectError, match="block 3: the stored receipts"):
        verify(ledger, ANCHOR)


@pytest.mark.parametrize("column", ["block", "decided", "result"])
def test_any_flipped_bit_is_found(ledger: Path, column: str) -> None:
    stored = _stored(ledger, 4)
    data = bytearray(
        {"block": stored.block_bytes, "decided": stored.commit_bytes, "result": stored.result_bytes}[column]
    )
    for position in range(0, len(data), max(1, len(data) // 10)):
        data[position] ^= 0x10
        _store(ledger, 4, **{column: bytes(data)})
        with pytest.raises(DefectError, match=r"block [45]: "):
            verify(ledger, ANCHOR)
        data[position] ^= 0x10
    _store(ledger, 4, **{column: bytes(data)})
    verify(ledger, ANCHOR)


def test_a_missing_block_is_named(ledger: Path) -> None:
    _sql(ledger, "DELETE FROM blocks WHERE height = 3")
    with pytest.raises(DefectError, match="block 3: it is missing; block 4 follows"):
        verify(ledger, ANCHOR)


def test_a_damaged_database_is_named(ledger: Path) -> None:
    path = ledger / "blocks.db"
    data = bytearray(path.read_bytes())
    data[4096:] = bytes(len(data) - 4096)
    path.write_bytes(data)
    with pytest.raises(AuditError, match=r"blocks\.db"):
        verify(ledger, ANCHOR)


def test_no_ledger_no_genesis(tmp_path: Path, ledger: Path) -> None:
    with pytest.raises(UnreadableError, match="there is no ledger"):
        verify(tmp_path / "nowhere")
    (ledger / "genesis.json").write_bytes(b"{}")
    with pytest.raises(DamagedLedgerError, match="not a genesis file"):
        verify(ledger)


def test_a4_the_index_of_transactions_is_audited_and_believed_by_nobody(ledger: Path) -> None:
    asked, other = (_stored(ledger, 3).result.receipts[position].transaction for position in (0, 1))
    _sql(ledger, "UPDATE transactions SET position = 1 - position WHERE height = 3")
    with pytest.raises(DamagedLedgerError, match=r"the index in .* lacks transactions"):
        verify(ledger, ANCHOR)
    store = BlockStore(ledger / "blocks.db", read_only=True)
    for digest in (asked, other):
        with pytest.raises(BlockStoreError, match=f"shows another transaction than {digest.hex()}"):
            proofs.prove(store, digest)
    store.close()


def test_a4_a_view_in_place_of_the_index_is_refused(ledger: Path) -> None:
    _sql(ledger, "ALTER TABLE transactions RENAME TO kept")
    _sql(ledger, "CREATE VIEW transactions AS SELECT * FROM kept")
    with pytest.raises(DamagedLedgerError, match="other tables than a log of blocks"):
        verify(ledger, ANCHOR)


# -- proofs ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def proof(ledger: Path) -> proofs.InclusionProof:
    store = BlockStore(ledger / "blocks.db", read_only=True)
    block = _stored(ledger, 3)
    made = proofs.prove(store, block.result.receipts[1].transaction)
    store.close()
    return made


def test_a_proof_holds_with_the_genesis_or_a_trusted_header_alone(proof: proofs.InclusionProof) -> None:
    again = proofs.from_json(proofs.to_json(proof))
    assert again == proof
    proofs.verify_inclusion(again, genesis())
    proofs.verify_inclusion(again, proof.header.hash)


@pytest.mark.parametrize(
    ("tampered", "what"),
    [
        (lambda p: replace(p, wire=p.wire[:-1] + b"\0"), "transaction is not under"),
        (lambda p: replace(p, position=0), "transaction is not under"),
        (lambda p: replace(p, path=()), "transaction is not under"),
        (lambda p: replace(p, receipt=replace(p.receipt, code="dataset_exists")), "receipt is not under"),
        (lambda p: replace(p, header=replace(p.header, time_ms=0)), "another block"),
        (lambda p: replace(p, header=replace(p.header, chain_id="other")), "chain other"),
        (lambda p: replace(p, commit=replace(p.commit, signatures=(b"",) * 4)), "0 of 4 founders"),
        (lambda p: replace(p, commit=replace(p.commit, signatures=())), "lacks signatures"),
    ],
)
def test_a_tampered_proof_is_named(
    proof: proofs.InclusionProof, tampered: Callable[[proofs.InclusionProof], proofs.InclusionProof], what: str
) -> None:
    with pytest.raises(proofs.ProofError, match=what):
        proofs.verify_inclusion(tampered(proof), genesis())


def test_a_proof_from_another_network_proves_nothing(proof: proofs.InclusionProof) -> None:
    with pytest.raises(proofs.ProofError, match="not the trusted one"):
        proofs.verify_inclusion(proof, bytes(32))
    with pytest.raises(proofs.ProofError, match="belongs to chain"):
        proofs.verify_inclusion(proof, genesis("efgh"))
    with pytest.raises(proofs.ProofError, match="not an inclusion proof"):
        proofs.from_json(b"{")


def test_there_is_no_proof_of_what_is_not_there(ledger: Path) -> None:
    store = BlockStore(ledger / "blocks.db", read_only=True)
    with pytest.raises(NoSuchTransactionError, match="there is no transaction 0000"):
        proofs.prove(store, bytes(32))
    store.close()


# -- helpers -----------------------------------------------------------------------------------------------------------


def _stored(ledger: Path, height: int) -> StoredBlock:
    store = BlockStore(ledger / "blocks.db", read_only=True)
    stored = store.get(height)
    store.close()
    assert stored is not None
    return stored


def _store(ledger: Path, height: int, **columns: bytes) -> None:
    for column, value in columns.items():
        _sql(ledger, f"UPDATE blocks SET {column} = ? WHERE height = ?", value, height)


def _sql(ledger: Path, statement: str, *values: bytes | int) -> None:
    database = sqlite3.connect(ledger / "blocks.db")
    database.execute(statement, values)
    database.commit()
    database.close()
