"""The folder of a made-up run with a long ledger: what its members would have signed, so that it can be looked at.

Blocks link, name their transactions and results, and carry the votes of more than two thirds of the members, the last
one the state; only executing them would show that nobody made them so.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from hmchain.application.site import hospital
from hmchain.application.site.run import RunFolder
from hmchain.canonical import Record, digest, encode
from hmchain.keys import ED25519
from hmchain.ledger import genesis as genesis_file
from hmchain.ledger.blocks import (
    ABSENT,
    COMMIT,
    OK,
    Block,
    BlockInput,
    BlockResult,
    Commit,
    Receipt,
    Vote,
    make_block,
    make_header,
    vote_bytes,
)
from hmchain.ledger.contracts.data.applying import SubmitRequest
from hmchain.ledger.contracts.data.deciding import ApproveRequest, SetProcessing
from hmchain.ledger.contracts.members.attendance import Epoch
from hmchain.ledger.engines.block_store import BLOCKS, BlockStore
from hmchain.ledger.events import LedgerEvent
from hmchain.ledger.genesis import Genesis
from hmchain.ledger.request_events import ProcessingChanged, RequestApproved, RequestSubmitted
from hmchain.ledger.state import State, Table
from hmchain.ledger.transactions import SignedTransaction, Transaction, transaction_digest
from permits.ledger import (
    DATASETS,
    HOSPITALS,
    NOW_MS,
    PER_REQUEST,
    START_MS,
    fill,
    founding,
    key,
    person,
    validator_key,
)

PROTOCOL = 4
PER_BLOCK = 40
"""Transactions: people come in spells."""
LOOKED_AT = HOSPITALS[3]
"""The hospital whose people look."""
_VOTERS = HOSPITALS[: 2 * len(HOSPITALS) // 3 + 1]
_EPOCH = Table("epoch", Epoch)


@dataclass(frozen=True)
class MadeUpRun:
    """Where it lies, and how much there is to look at."""

    folder: RunFolder
    height: int
    requests: int


def at(place: Path, transactions: int) -> MadeUpRun:
    """The run of so many transactions that lies there."""
    return MadeUpRun(RunFolder(place), transactions // PER_BLOCK, transactions // PER_REQUEST)


def kept(place: Path, transactions: int) -> MadeUpRun:
    """The run of so many transactions that lies there; made first where there is none, whole or not at all."""
    if not place.is_dir():
        place.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=place.parent) as beside:
            make(Path(beside) / place.name, transactions)
            (Path(beside) / place.name).rename(place)
    return at(place, transactions)


def make(place: Path, transactions: int) -> MadeUpRun:
    """A run's folder with a ledger of so many transactions."""
    found = at(place, transactions)
    folder = found.folder
    folder.hospitals.mkdir(parents=True)
    hospital.create(folder.hospital(LOOKED_AT), None)
    states = folder.own_ledger / "validators"
    states.mkdir(parents=True)
    genesis = founding(PROTOCOL)
    genesis_file.save(genesis, folder.own_ledger / genesis_file.FILE)
    with closing(State(states / f"{HOSPITALS[0]}.db", durable=False)) as state:
        fill(state, genesis, found.requests)
        _EPOCH.put(state, Epoch(found.height, 0, START_MS, NOW_MS, 0, ()))
        state.commit(found.height)
        commitment = state.commitment()
    with closing(BlockStore(folder.own_ledger / BLOCKS)) as store:
        for block, commit, result in _blocks(genesis, found, commitment):
            store.append(block, commit, result)
    return found


def _blocks(genesis: Genesis, found: MadeUpRun, commitment: bytes) -> Iterator[tuple[Block, Commit, BlockResult]]:
    chain, previous, votes = genesis.chain_id, genesis.digest, ()
    signers = {name: validator_key(name) for name in _VOTERS}
    for height in range(1, found.height + 1):
        time_ms = START_MS + (NOW_MS - START_MS) * height // found.height
        made = [_transaction(chain, found, height, number, time_ms) for number in range(PER_BLOCK)]
        wires = tuple(wire for wire, _ in made)
        result = BlockResult(
            tuple(Receipt(transaction_digest(wire), OK, (event.encode(),)) for wire, event in made), ()
        )
        inputs = BlockInput(height, time_ms, HOSPITALS[height % len(HOSPITALS)], 0, votes, (), wires)
        state = commitment if height == found.height else digest("benchmark state", height.to_bytes(8, "big"))
        header = make_header(chain, inputs, 0, previous, result, state)
        votes = tuple(Vote(name, COMMIT if name in signers else ABSENT) for name in HOSPITALS)
        message = vote_bytes(chain, height, 0, header.hash)
        signatures = tuple(signers[name].sign(message) if name in signers else b"" for name in HOSPITALS)
        yield make_block(header, inputs), Commit(height, 0, header.hash, votes, signatures), result
        previous = header.hash


def _transaction(chain: str, found: MadeUpRun, height: int, number: int, time_ms: int) -> tuple[bytes, LedgerEvent]:
    """One of a block, and what it brought about."""
    ref, dataset = person(height * PER_BLOCK + number), DATASETS[number % len(DATASETS)]
    request = f"request-{(height * PER_BLOCK + number) // PER_REQUEST % found.requests:06}"
    word = (request, ref.organisation, dataset, 1, ref.person)
    made: tuple[Record, LedgerEvent]
    match number % 4:
        case 0:
            made = (
                SubmitRequest(request, bytes(32)),
                RequestSubmitted(request, ref.organisation, ref.person, 1, bytes(32)),
            )
        case 1:
            made = ApproveRequest(request, 1, bytes(32), dataset, time_ms), RequestApproved(*word, time_ms)
        case _:
            made = SetProcessing(request, 1, bytes(32), dataset, "received"), ProcessingChanged(*word, "received")
    body, event = made
    nonce = (height * PER_BLOCK + number).to_bytes(16, "big")
    fields = Transaction(chain, ED25519, key(ref), nonce, time_ms + 600_000, encode(body))
    return encode(SignedTransaction(fields, bytes(64))), event
