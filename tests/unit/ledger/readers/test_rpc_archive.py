"""Headers kept beside a node's log: what holds them together, and what they prove without any node."""

from __future__ import annotations

import os
import sqlite3
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from hmchain.errors import AuditError, LedgerError
from hmchain.ledger import genesis as genesis_file
from hmchain.ledger.blocks import ABSENT, COMMIT, Receipt
from hmchain.ledger.engines.block_store import BlockStore, NoSuchTransactionError
from hmchain.ledger.engines.cometbft import archive, light
from hmchain.ledger.engines.cometbft.archive import Archive, ArchiveError, NoVotesError, TooManyHeadersError
from hmchain.ledger.engines.cometbft.light import LightProofError, OutcomeProof, SignedHeader
from hmchain.ledger.readers import audit
from hmchain.ledger.readers.replay import AnchorMismatchError, TrustedHeader
from support.abci_chain import Chain
from support.abci_headers import headers_of, signed
from support.ledger_network import START_MS, genesis


@dataclass
class Kept:
    """A node's directory with a log of blocks, two of them empty, and the headers for all."""

    directory: Path
    chain: Chain
    headers: list[SignedHeader]

    def save(self) -> None:
        Archive(self.headers).save(self.directory)

    def store(self) -> BlockStore:
        return BlockStore(self.directory / "blocks.db", read_only=True)


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[Kept]:
    chain = Chain.found(tmp_path)
    for number in range(6):
        wires = [chain.send.dataset("abcd"[number % 4], f"d{number}-{n}") for n in range(3)] if number % 3 else []
        votes = dict.fromkeys("abcd", COMMIT) | ({"d": ABSENT} if number == 3 else {})
        chain.decide(chain.request(*wires, votes=votes))
    genesis_file.save(chain.founding, tmp_path / "genesis.json")
    kept = Kept(tmp_path, chain, headers_of(chain))
    kept.save()
    yield kept
    chain.app.close()


def test_the_log_is_audited_without_a_node(kept: Kept) -> None:
    found = audit.verify(kept.directory, kept.chain.founding.digest)
    assert (found.anchored, found.height, found.transactions, found.vote_signatures) == (True, 7, 12, 27)
    assert found.commitment == kept.chain.app.state.commitment()
    assert found.head == light.header_hash(kept.headers[-1].header)
    assert not audit.verify(kept.directory).anchored
    assert audit.verify(kept.directory, trusted=TrustedHeader(7, found.head)).anchored


def test_anchors_of_other_ledgers_are_refused(kept: Kept) -> None:
    with pytest.raises(AnchorMismatchError, match="the anchor is"):
        audit.verify(kept.directory, bytes(32))
    for height in (2, 8):
        with pytest.raises(AnchorMismatchError, match="not the trusted one"):
            audit.verify(kept.directory, trusted=TrustedHeader(height, bytes(32)))


def test_a_log_without_votes_says_what_to_do(kept: Kept) -> None:
    (kept.directory / archive.FILE).unlink()
    with pytest.raises(NoVotesError, match="node audit"):
        audit.verify(kept.directory)


@pytest.mark.parametrize(
    ("sql", "finding"),
    [
        ("DELETE FROM blocks WHERE height = 3", "block 3: its transactions are not those of its header"),
        ("DELETE FROM blocks WHERE height = 6", "the log ends at block 5, and"),
        (
            "UPDATE blocks SET block = (SELECT block FROM blocks WHERE height = 3) WHERE height = 2",
            "block 2: its transactions are not those of its header",
        ),
        (
            "UPDATE transactions SET position = 1 - position WHERE height = 2 AND position < 2",
            "the index in",
        ),
    ],
)
def test_a_log_that_was_changed_is_found_out(sql: str, finding: str, kept: Kept) -> None:
    with closing(sqlite3.connect(kept.directory / "blocks.db")) as log:
        log.execute(sql)
        log.commit()
    with pytest.raises(AuditError) as caught:
        audit.verify(kept.directory)
    assert finding in str(caught.value)


def test_headers_that_were_changed_are_found_out(kept: Kept) -> None:
    sound = kept.headers
    fewer = replace(sound[2].commit, signatures=sound[2].commit.signatures[:3])
    forged = replace(sound[2].header, data_hash=sound[1].header.data_hash)
    cases = [
        ([*sound[:2], signed(forged), *sound[3:]], "block 3: the header after it names another block"),
        ([*sound[:2], replace(sound[2], commit=sound[3].commit), *sound[3:]], "votes are for another block"),
        ([*sound[:2], replace(sound[2], commit=fewer), *sound[3:]], "block 3: the header after it holds other votes"),
        ([*sound[:2], replace(sound[2], header=replace(sound[2].header, time="now")), *sound[3:]], "malformed"),
        ([*sound[:6], signed(sound[6].header, "ab")], "only 2 of 4 members signed"),
        ([*sound[:6], signed(replace(sound[6].header, app_hash="00" * 32))], "its members signed another state"),
    ]
    for headers, finding in cases:
        kept.headers = headers
        kept.save()
        with pytest.raises(AuditError, match=finding):
            audit.verify(kept.directory)


def test_the_tip_that_no_header_signs_is_shown_as_such(kept: Kept) -> None:
    kept.headers = kept.headers[:4]
    kept.save()
    with pytest.raises(NoVotesError, match="the last 2 blocks, after 3: no header that is kept signs them"):
        audit.verify(kept.directory)
    with audit.replayed(kept.directory, partial=True) as (found, _):
        assert found.height == 4 and "the last 2 blocks, after 3" in found.not_proven[0]


BEYOND = "INSERT INTO blocks SELECT {}, block, decided, result FROM blocks WHERE height = 6"


@pytest.mark.parametrize(
    ("sql", "finding"),
    [
        ("DELETE FROM blocks; DELETE FROM transactions", "the log ends at block 0, and"),
        (BEYOND.format(99), "block 99: it does not follow the one before it"),
        (BEYOND.format(-1), "holds blocks under heights that no block has"),
        (
            "UPDATE blocks SET decided = (SELECT decided FROM blocks WHERE height = 5) WHERE height = 6",
            "block 6: what decided it is of another block",
        ),
    ],
)
def test_no_row_of_a_log_goes_unaudited(sql: str, finding: str, kept: Kept) -> None:
    with closing(sqlite3.connect(kept.directory / "blocks.db")) as log:
        log.executescript(sql)
    with pytest.raises(AuditError, match=finding):
        audit.verify(kept.directory)


def test_a_log_that_was_emptied_is_held_against_the_headers_above_it(kept: Kept) -> None:
    """With no state beside it, as it comes in a ledger's file."""
    (kept.directory / "state.db").unlink()
    with closing(sqlite3.connect(kept.directory / "blocks.db")) as log:
        log.executescript("DELETE FROM blocks; DELETE FROM transactions")
    with pytest.raises(ArchiveError, match="block 2: its transactions are not those of its header"):
        audit.verify(kept.directory)
    (kept.directory / archive.FILE).unlink()
    with pytest.raises(NoVotesError, match="without the votes"):
        audit.verify(kept.directory)


def test_a_vote_that_is_not_genuine_is_found_out(kept: Kept) -> None:
    votes = kept.headers[1].commit.signatures
    false = (replace(votes[0], signature=votes[1].signature), *votes[1:])
    kept.headers[1] = replace(kept.headers[1], commit=replace(kept.headers[1].commit, signatures=false))
    with pytest.raises(ArchiveError, match="block 2: a vote for it is not genuine"):
        Archive(kept.headers).check_votes(kept.chain.founding)


@pytest.mark.parametrize("content", [b"", b"{}\n", b"\xff\n", b"[" * 10_000])
def test_a_damaged_file_is_named(content: bytes, kept: Kept) -> None:
    (kept.directory / archive.FILE).write_bytes(content)
    with pytest.raises((ArchiveError, NoVotesError), match="headers"):
        Archive.load(kept.directory)


def test_a_gap_in_the_headers_is_named(kept: Kept) -> None:
    del kept.headers[2]
    kept.save()
    with pytest.raises(NoVotesError, match="lacks headers"):
        Archive.load(kept.directory)


def test_no_file_of_headers_takes_more_memory_than_it_has(kept: Kept) -> None:
    """A height of many millions, a line without end, and lines of nothing: each is told by what it is."""
    file, lines = kept.directory / archive.FILE, (kept.directory / archive.FILE).read_bytes()
    far = lines.replace(b'"height":"7"', b'"height":"150000000"').replace(b'"height":7', b'"height":150000000')
    tracemalloc.start()
    for content, size, refused, words in (
        (far, 0, NoVotesError, "lacks headers"),
        (b"\n" * (4 << 20), 0, ArchiveError, "is damaged"),
        (lines, 1 << 30, ArchiveError, "a line has more than 1 MiB"),
        (lines, 5 << 30, TooManyHeadersError, "more than 4 GiB"),
    ):
        file.write_bytes(content)
        if size:
            os.truncate(file, size)
        del content
        tracemalloc.reset_peak()
        before = tracemalloc.get_traced_memory()[0]
        with pytest.raises(refused, match=words):
            Archive.load(kept.directory)
        assert tracemalloc.get_traced_memory()[1] - before < 8 << 20
    tracemalloc.stop()


# -- proofs ------------------------------------------------------------------------------------------------------------


def proof_of(kept: Kept, height: int = 3, position: int = 1) -> OutcomeProof:
    store = kept.store()
    stored = store.get(height)
    assert stored is not None
    proof = Archive(kept.headers).prove(store, stored.result.receipts[position].transaction)
    store.close()
    return proof


def test_a_transaction_and_its_outcome_are_proven(kept: Kept) -> None:
    proof = proof_of(kept)
    light.verify_outcome(proof, kept.chain.founding)
    light.verify_outcome(proof, light.header_hash(kept.headers[3].header))
    assert light.time_ms(proof.decided.signed_header.header) == START_MS + 3000


def test_a_proof_of_anything_else_does_not_hold(kept: Kept) -> None:
    proof, founding = proof_of(kept), kept.chain.founding
    other = proof_of(kept, position=2)
    refused = Receipt(proof.receipt.transaction, "expired", ())
    cases = [
        (replace(proof, receipt=refused), "the receipt is not under"),
        (replace(proof, receipt=other.receipt, path=other.path), "the receipt is not under"),
        (replace(proof, decided=replace(proof.decided, tx=other.decided.tx)), "the transaction is not under"),
        (replace(proof, following=kept.headers[4]), "follows another block"),
        (replace(proof, following=signed(kept.headers[3].header, "ab")), "only 2 of 4 founders"),
    ]
    for forged, finding in cases:
        with pytest.raises(LightProofError, match=finding):
            light.verify_outcome(forged, founding)
    with pytest.raises(LightProofError, match="not the trusted one"):
        light.verify_outcome(proof, light.header_hash(kept.headers[2].header))
    with pytest.raises(LightProofError, match="belongs to chain"):
        light.verify_outcome(proof, genesis("efgh"))


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Each text and number of a proof, as the container and the key that it stands under."""
    for key in list(value) if isinstance(value, dict) else range(len(value)):
        if isinstance(value[key], dict | list):
            yield from places(value[key])
        elif value[key] is not None:
            yield value, key


def test_whatever_stands_in_a_proof_nothing_but_an_audit_s_error_comes_of_it(kept: Kept) -> None:
    """A proof is a stranger's file: one whose time was no time ended as unexpected."""
    proof = msgspec.json.decode(msgspec.json.encode(proof_of(kept)))
    trusted = light.header_hash(kept.headers[3].header)
    seen = 0
    for container, key in places(proof):
        was = container[key]
        for other in ("zz", "x023-01-01T00:00:00Z", "2023-99-99T00:00:00Z", -1, (1 << 63) - 1):
            container[key] = other
            try:
                changed = msgspec.convert(proof, OutcomeProof)
            except msgspec.ValidationError:
                continue
            seen += 1
            for anchor in (kept.chain.founding, trusted):
                with suppress(LightProofError):
                    light.verify_outcome(changed, anchor)
                    light.lean(changed, kept.chain.founding)
        container[key] = was
    assert seen > 100
    proof["decided"]["signed_header"]["header"]["time"] = "x023-01-01T00:00:00Z"
    with pytest.raises(LightProofError, match="malformed"):
        light.verify_outcome(msgspec.convert(proof, OutcomeProof), trusted)


SPELT: dict[str, Callable[[Any], Any]] = {
    "case": lambda proof: _put(proof["following"]["header"], "app_hash", str.lower),
    "spaces": lambda proof: _put(proof["following"]["header"], "data_hash", lambda text: f"{text[:2]} {text[2:]}"),
    "time": lambda proof: _put(proof["decided"]["signed_header"]["header"], "time", _in_other_digits),
    "address": lambda proof: _put(proof["following"]["commit"]["signatures"][0], "validator_address", str.lower),
    "votes of the block": lambda proof: _put(proof["decided"]["signed_header"]["commit"], "round", lambda _: 19700101),
    "a stranger's vote": lambda proof: proof["following"]["commit"]["signatures"].append(
        {"block_id_flag": 2, "validator_address": "Jane Roe", "timestamp": "", "signature": None}
    ),
}


def _in_other_digits(time: str) -> str:
    """The same time: a digit of any script is one."""
    return f"{time[:-2]}{chr(0x660 + int(time[-2]))}Z"


def _put(where: Any, key: str, change: Callable[[Any], Any]) -> None:
    where[key] = change(where[key])


@pytest.mark.parametrize("part", SPELT)
def test_a_lean_proof_holds_and_nothing_rides_along_in_it(kept: Kept, part: str) -> None:
    """One who hands a proof on could have written a message among what nobody checks."""
    founding = kept.chain.founding
    proof = light.lean(proof_of(kept), founding)
    assert light.lean(proof, founding) == proof and len(proof.following.commit.signatures) == 4
    light.verify_outcome(proof, founding)
    light.verify_outcome(proof, light.header_hash(kept.headers[3].header))
    told = msgspec.json.decode(msgspec.json.encode(proof))
    SPELT[part](told)
    other = msgspec.convert(told, OutcomeProof)
    assert other != proof
    light.verify_outcome(other, founding)
    assert light.lean(other, founding) == proof


def test_what_is_in_no_block_is_not_proven(kept: Kept) -> None:
    store = kept.store()
    with pytest.raises(NoSuchTransactionError):
        Archive(kept.headers).prove(store, bytes(32))
    store.close()


# -- keeping -----------------------------------------------------------------------------------------------------------


def test_only_headers_that_are_not_kept_yet_are_asked_for(kept: Kept) -> None:
    Archive(kept.headers[:4]).save(kept.directory)
    asked = []

    def fetch(height: int) -> SignedHeader:
        asked.append(height)
        return kept.headers[height - 1]

    made = archive.keep(kept.directory, lambda: 7, fetch, lambda done, of: None)
    assert asked == [4, 5, 6, 7]  # of the last that was kept, the votes that the next block carries
    assert made.last == kept.headers[-1]
    assert audit.verify(kept.directory).height == 7


def test_the_header_after_the_last_block_is_waited_for(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "PATIENCE_SECONDS", 0.1)
    with pytest.raises(LedgerError, match="no header follows block 6"):
        archive.keep(kept.directory, lambda: 6, lambda height: kept.headers[height - 1], lambda done, of: None)
