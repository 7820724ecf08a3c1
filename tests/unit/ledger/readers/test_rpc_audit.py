"""The audit of a node's ledger, against headers that its members signed and headers that they did not."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from msgspec.structs import replace

from hmchain.canonical import decode, encode
from hmchain.errors import AuditError, LedgerError
from hmchain.ledger import genesis as genesis_file
from hmchain.ledger.blocks import Block, Commit, EngineReport, make_block, make_header
from hmchain.ledger.contracts.data.datasets import PublishVersion, RegisterDataset
from hmchain.ledger.contracts.learning.approvals import ApproveStudy, RevokeApproval
from hmchain.ledger.contracts.learning.studies import ProposeStudy
from hmchain.ledger.engines.block_store import BlockStore
from hmchain.ledger.engines.cometbft import light
from hmchain.ledger.engines.cometbft.archive import Archive, ArchiveError
from hmchain.ledger.engines.cometbft.audit import NodeAuditError, PartialLogError, verify
from hmchain.ledger.engines.cometbft.light import LightProofError, SignedHeader
from hmchain.ledger.engines.cometbft.snapshots import BEGINNING, Chunk
from hmchain.ledger.state import State
from hmchain.ledger.transition import Machine
from support import study_bed
from support.abci_chain import Chain, misbehaviour
from support.abci_headers import WHEN, headers_of, signed
from support.ledger_network import CHAIN


@pytest.fixture
def chain(tmp_path: Path) -> Iterator[Chain]:
    chain = Chain.found(tmp_path)
    chain.fill(3)
    chain.block()
    chain.fill(2, first=3)
    genesis_file.save(chain.founding, tmp_path / "genesis.json")
    yield chain
    chain.app.close()


def headers(chain: Chain, names: str = "abcd", first: int = 1, **changes: object) -> Archive:
    """The headers of a chain; the last one signed by some, or another one than it should be."""
    found = headers_of(chain)[first - 1 :]
    return Archive([*found[:-1], signed(replace(found[-1].header, **changes), names)])


def test_a_sound_ledger_holds(chain: Chain) -> None:
    found = verify(chain.directory, headers(chain, "acd"), chain.founding.digest)
    assert (found.anchored, found.blocks, found.transactions, found.signers) == (True, 5, 5, ("a", "c", "d"))
    assert found.commitment == chain.app.state.commitment()
    assert not verify(chain.directory, headers(chain)).anchored


def test_it_holds_up_to_an_earlier_header_too(chain: Chain) -> None:
    kept = headers(chain)
    chain.fill(2, first=9)
    found = verify(chain.directory, kept)
    assert found.blocks == 5 and "the last 2 blocks, after 6" in found.not_proven[0]


def test_another_genesis_than_the_agreed_one_is_found_first(chain: Chain) -> None:
    with pytest.raises(NodeAuditError, match="not the one that was agreed on"):
        verify(chain.directory, headers(chain), bytes(32))


@pytest.mark.parametrize(
    ("sql", "finding"),
    [
        ("UPDATE blocks SET result = x'929090' WHERE height = 2", "block 2: its members signed other results"),
        ("DELETE FROM blocks WHERE height = 6", "block 6: its transactions are not those of its header"),
        ("DELETE FROM blocks WHERE height = 1", "block 1: its transactions are not those of its header"),
        ("DELETE FROM blocks", "block 1: its transactions are not those of its header"),
    ],
)
def test_what_was_changed_afterwards_is_named(chain: Chain, sql: str, finding: str) -> None:
    kept = headers(chain)
    with closing(sqlite3.connect(chain.directory / "blocks.db")) as database:
        database.execute(sql)
        database.commit()
    with pytest.raises(AuditError, match=finding):
        verify(chain.directory, kept)


def test_two_thirds_of_the_members_must_have_signed(chain: Chain) -> None:
    with pytest.raises(NodeAuditError, match="only 2 of 4 members"):
        verify(chain.directory, headers(chain, "ab"))
    with pytest.raises(NodeAuditError, match="only 1 of 4 members"):
        verify(chain.directory, headers(chain, "aaaa"))
    with pytest.raises(NodeAuditError, match="only 2 of 4 members"):
        verify(chain.directory, headers(chain, "abxyz"))


def test_a_header_of_another_state_or_chain_vouches_for_nothing(chain: Chain) -> None:
    with pytest.raises(ArchiveError, match="members signed another state"):
        verify(chain.directory, headers(chain, app_hash="00" * 32))
    with pytest.raises(LightProofError, match="belongs to chain other"):
        verify(chain.directory, headers(chain, chain_id="other"))
    *before, last = headers_of(chain)
    with pytest.raises(LightProofError, match="another block"):
        verify(chain.directory, Archive([*before, replace(last, header=replace(last.header, time=WHEN))]))


# -- the way there -----------------------------------------------------------------------------------------------------


def rewrite(chain: Chain, change: Callable[[Block], Block]) -> None:
    """Change blocks of the log, and execute them again: it hangs together then, and no header of it is signed."""
    state = State()
    genesis_file.initialise(state, chain.founding)
    machine, previous = Machine(state, chain.founding.chain_id), chain.founding.digest
    machine.commit(0)
    with closing(sqlite3.connect(chain.directory / "blocks.db")) as log:
        for height, old in log.execute("SELECT height, block FROM blocks ORDER BY height").fetchall():
            block = change(decode(old, Block))
            result = machine.execute(block.input)
            header = make_header(CHAIN, block.input, 0, previous, result, state.commitment())
            machine.commit(height)
            previous = header.hash
            row = encode(make_block(header, block.input)), encode(Commit(height, 0, previous, (), ())), encode(result)
            log.execute("UPDATE blocks SET block = ?, decided = ?, result = ? WHERE height = ?", (*row, height))
        log.commit()
    state.close()


def moved(by_ms: dict[int, int]) -> Callable[[Block], Block]:
    def change(block: Block) -> Block:
        time_ms = block.header.time_ms + by_ms.get(block.header.height, 0)
        return replace(block, header=replace(block.header, time_ms=time_ms))

    return change


def test_a1_the_date_of_a_block_is_that_of_its_header(tmp_path: Path) -> None:
    """Attendance counts each proposer's time: of two blocks of one, one is moved back and the other on."""
    chain = Chain.found(tmp_path)
    chain.fill(8)
    genesis_file.save(chain.founding, tmp_path / "genesis.json")
    kept = headers(chain)
    rewrite(chain, moved({2: -400, 6: 400}))
    with closing(BlockStore(tmp_path / "blocks.db", read_only=True)) as log:
        log.check()  # the log hangs together, and leads to the signed state: its end alone tells nothing
        last = log.last(8)
    assert last is not None and last.block.header.state_commitment.hex().upper() == kept.last.header.app_hash
    with pytest.raises(ArchiveError, match="block 2: its time is not that of its header"):
        verify(tmp_path, kept, chain.founding.digest)
    chain.app.close()


def test_a1_a_revocation_cannot_vanish(tmp_path: Path) -> None:
    """Moved past its expiry it is refused, and a later approval overwrites the decision."""
    chain = Chain.found(tmp_path, protocol=2)
    for name in "abcd":
        published = PublishVersion("brain", 1, bytes(32), 512)
        chain.block(chain.send(name, RegisterDataset("brain", study_bed.SCHEMA)), chain.send(name, published))
    spec = study_bed.make_spec(tuple("abcd"), 3)
    chain.block(chain.send("a", ProposeStudy(spec), role="scientist"))
    yes = ApproveStudy(spec.name, spec.digest, chain.clock.ms + 10**10)
    chain.block(chain.send("b", yes))
    chain.block(chain.send("b", RevokeApproval(spec.name)))
    revoked = chain.height
    chain.clock.ms += 86_400_000
    chain.block(chain.send("b", yes))
    genesis_file.save(chain.founding, tmp_path / "genesis.json")
    kept = headers(chain)
    assert verify(tmp_path, kept, chain.founding.digest).refused == 0
    rewrite(chain, moved({revoked: 700_000}))
    with pytest.raises(ArchiveError, match=f"block {revoked}: its time is not that of its header"):
        verify(tmp_path, kept, chain.founding.digest)
    chain.app.close()


@pytest.mark.parametrize(
    ("change", "finding"),
    [
        (lambda block: replace(block, header=replace(block.header, proposer="b")), "names a as its proposer"),
        (lambda block: replace(block, last_votes=block.last_votes[:3]), "votes for the block before it"),
        (lambda block: replace(block, last_round=1), "votes for the block before it"),
    ],
)
def test_a1_what_a_block_says_of_people_is_what_its_header_says(
    change: Callable[[Block], Block], finding: str, chain: Chain
) -> None:
    kept = headers(chain)
    with closing(BlockStore(chain.directory / "blocks.db", read_only=True)) as log:
        stored = log.get(3)
    assert stored is not None
    kept.require_inputs(stored.block, chain.app.state)
    with pytest.raises(ArchiveError, match=finding):
        kept.require_inputs(change(stored.block), chain.app.state)


def test_a1_evidence_of_which_a_header_knows_nothing_is_refused(chain: Chain) -> None:
    kept = headers(chain)
    report = (EngineReport("d", 1, 5),)
    rewrite(chain, lambda block: replace(block, evidence=report) if block.header.height == 3 else block)
    with pytest.raises(ArchiveError, match="its header holds no evidence"):
        verify(chain.directory, kept)


def test_reported_evidence_and_absent_votes_hold(tmp_path: Path) -> None:
    chain = Chain.found(tmp_path)
    chain.fill(2)
    chain.decide(chain.request(chain.send.dataset("a", "x"), votes={"a": 2, "b": 1, "c": 2, "d": 3}, round_=2))
    chain.block(evidence=[misbehaviour("c", 2, chain.clock.ms)])
    chain.fill(1, first=9)
    genesis_file.save(chain.founding, tmp_path / "genesis.json")
    assert verify(tmp_path, headers(chain)).evidence == 1
    chain.app.close()


def test_a4_the_index_is_part_of_the_audit(chain: Chain) -> None:
    kept = headers(chain)
    with closing(sqlite3.connect(chain.directory / "blocks.db")) as log:
        log.execute("UPDATE transactions SET height = 2 WHERE height = 1")
        log.commit()
    with pytest.raises(LedgerError, match=r"the index in .* lacks transactions"):
        verify(chain.directory, kept)


# -- a log that begins after a snapshot --------------------------------------------------------------------------------


@pytest.fixture
def joined(tmp_path: Path) -> Iterator[tuple[Chain, list[SignedHeader]]]:
    """A node that joined from a snapshot at block 5, and the headers from there on."""
    giver = Chain.found(tmp_path / "giver")
    giver.fill(5)
    taker = Chain.from_snapshot(tmp_path / "taker", giver)
    taker.fill(3, first=5)
    genesis_file.save(taker.founding, taker.directory / "genesis.json")
    yield taker, headers_of(taker)[5:]
    taker.app.close()
    giver.app.close()


def test_what_came_after_a_snapshot_is_proven_from_its_signed_commitment_on(
    joined: tuple[Chain, list[SignedHeader]],
) -> None:
    taker, kept = joined
    found = verify(taker.directory, Archive(kept), taker.founding.digest)
    assert (found.begins, found.blocks, found.transactions) == (5, 3, 3)
    assert "block 5" in found.not_proven[0] and "node recover" in found.not_proven[0]
    Archive(kept).save(taker.directory)
    again = Archive.load(taker.directory)
    assert again is not None and again.first == kept[0]


def test_a_snapshot_that_nothing_anchors_proves_nothing(joined: tuple[Chain, list[SignedHeader]]) -> None:
    taker, kept = joined
    few = replace(kept[0], commit=replace(kept[0].commit, signatures=kept[0].commit.signatures[:2]))
    after = replace(kept[1].header, last_commit_hash=light.commit_hash(few.commit).hex().upper())
    with pytest.raises(PartialLogError, match="too few founders"):
        verify(taker.directory, Archive([few, signed(after)]))
    with pytest.raises(NodeAuditError, match="not the one after the snapshot"):
        verify(taker.directory, Archive(kept[1:]))


def test_another_snapshot_than_the_signed_one_is_found(joined: tuple[Chain, list[SignedHeader]]) -> None:
    taker, kept = joined
    (file,) = (taker.directory / BEGINNING / "5").iterdir()
    content = decode(file.read_bytes(), Chunk)
    file.write_bytes(encode(Chunk(content.pairs[:-1])))
    with pytest.raises(NodeAuditError, match="does not match its commitment"):
        verify(taker.directory, Archive(kept))
