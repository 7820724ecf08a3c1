"""A ledger of requests, permits and studies, made up without consensus and signatures: the same each time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from hmchain.canonical import digest, encode
from hmchain.keys import ED25519, SigningKey, WrappingKey
from hmchain.ledger import genesis as genesis_file
from hmchain.ledger.arithmetic import Layer, ModelRule
from hmchain.ledger.blocks import OK, Block, BlockResult, Commit, Header, Receipt
from hmchain.ledger.contracts.data import requests
from hmchain.ledger.contracts.data.datasets import Dataset, Schema, Version
from hmchain.ledger.contracts.data.deciding import SetProcessing
from hmchain.ledger.contracts.data.requests import (
    Content,
    DatasetVersion,
    Decided,
    Entry,
    Handling,
    Kind,
    LastAsked,
    Request,
    Resources,
    Status,
    Submission,
)
from hmchain.ledger.contracts.learning.models import Model
from hmchain.ledger.contracts.learning.permitted import Under
from hmchain.ledger.contracts.learning.studies import COMPLETED, DatasetUse, Deadlines, Progress, StudySpec
from hmchain.ledger.contracts.learning.studies import Status as StudyStatus
from hmchain.ledger.contracts.members import people
from hmchain.ledger.contracts.members.membership import Member
from hmchain.ledger.contracts.members.people import Person, PersonRef
from hmchain.ledger.engines.block_store import BlockStore
from hmchain.ledger.genesis import Genesis
from hmchain.ledger.state import State, Table
from hmchain.ledger.transactions import SignedTransaction, Transaction, transaction_digest

HOSPITALS = [f"hospital-{number:02}" for number in range(32)]
DATASETS = [f"dataset-{number}" for number in range(8)]
PEOPLE_OF_EACH = 50
SCHEMA = Schema("mri", 1, 64, 64, ("no", "yes"))
START_MS, YEAR_MS, YEARS = 1_700_000_000_000, 31_536_000_000, 10
NOW_MS = START_MS + YEARS * YEAR_MS
"""When the questions are asked: the requests came over ten years, each for one year."""
PER_REQUEST, _PER_BLOCK = 50, 1000
"""From draft to its end a request of four hospitals takes some 25 transactions, and a study of one sum as many."""
_RECORDS_A_COMMIT = 4000
_PRIME = 7919

_DATASETS, _VERSIONS = Table("datasets", Dataset), Table("versions", Version)
_UNDER, _OF_REQUEST = Table("studies_under_permits", Under), Table("studies_of_requests", Under)
_SPECS, _PROGRESS, _MODELS = Table("studies", StudySpec), Table("progress", Progress), Table("models", Model)


@dataclass(frozen=True)
class MadeUp:
    """Where a made-up ledger lies, and what there is to ask it about."""

    state: Path
    blocks: Path
    datasets: list[tuple[str, str]]
    persons: list[PersonRef]
    requests: int
    height: int


def person(number: int) -> PersonRef:
    """One of all scientists."""
    order, hospital = divmod(number % (PEOPLE_OF_EACH * len(HOSPITALS)), len(HOSPITALS))
    return PersonRef(HOSPITALS[hospital], f"s{order}")


def key(ref: PersonRef) -> bytes:
    """A public key that nobody has."""
    return digest("benchmark key", str(ref).encode())


def make(directory: Path, transactions: int) -> MadeUp:
    """A state and a log of so many transactions."""
    found = MadeUp(
        directory / "state.db", directory / "blocks.db", [(h, d) for h in HOSPITALS for d in DATASETS], persons(),
        transactions // PER_REQUEST, transactions // _PER_BLOCK,
    )  # fmt: skip
    with closing(State(found.state, durable=False)) as state:
        fill(state, founding(), found.requests)
        state.commit(found.requests + 1)
    with closing(BlockStore(found.blocks)) as store:
        for height in range(1, found.height + 1):
            store.append(*_block(height))
    return found


def persons() -> list[PersonRef]:
    """All scientists."""
    return [person(number) for number in range(PEOPLE_OF_EACH * len(HOSPITALS))]


def validator_key(hospital: str) -> SigningKey:
    """The key that a hospital's node votes with."""
    return SigningKey(digest("benchmark validator", hospital.encode()))


def founding(protocol: int = 3) -> Genesis:
    """The network of all hospitals."""
    wrapping = WrappingKey(bytes(64), bytes(32)).public
    members = (
        Member(
            name, name, *(digest("key", name.encode(), bytes([role])) for role in range(3)),
            validator_key(name).public.raw, wrapping,
        )
        for name in HOSPITALS
    )  # fmt: skip
    return genesis_file.found("benchmark", START_MS, members, bytes(32), protocol=protocol)


def fill(state: State, genesis: Genesis, count: int) -> None:
    """Put into a new state so many requests, with all that came of them; the last writes are not committed."""
    _found(state, genesis)
    for number in range(count):
        _ask(state, number, count)
        if number % (_RECORDS_A_COMMIT // PER_REQUEST) == 0:
            state.commit(number + 1)


def _found(state: State, genesis: Genesis) -> None:
    genesis_file.initialise(state, genesis)
    for ref in persons():
        people.keep(state, Person(ref.organisation, ref.person, ("scientist",), key(ref), people.Status.ACTIVE, 1))
    for hospital in HOSPITALS:
        for name in DATASETS:
            _DATASETS.put(state, Dataset(hospital, name, SCHEMA, 1), hospital, name)
            _VERSIONS.put(state, Version(hospital, name, 1, bytes(32), 4096, 1, 0), hospital, name, 1)


# -- requests ----------------------------------------------------------------------------------------------------------


def _ask(state: State, number: int, count: int) -> None:
    """One request with all that came of it: four in five are closed, the rest as soon as their date is over."""
    name, asked_ms = f"request-{number:06}", START_MS + YEARS * YEAR_MS * number // count
    applicant, members = person(number * _PRIME), tuple(sorted({person(number + 1), person(number * 31 + 2)}))
    content = _content(number, asked_ms)
    closed = number % 5 != 0 or content.until_ms < NOW_MS
    if not closed:
        requests.OPEN.put(state, Entry(name), applicant.organisation, applicant.person, name)
    requests.put(state, Request(
        name, applicant, members, (), requests.in_order((applicant, *members)),
        Status.CLOSED if closed else Status.SUBMITTED, 1, content.digest, asked_ms, asked_ms + 1 if closed else 0,
        number, "", "", 0,
    ))  # fmt: skip
    requests.CONTENTS.put(state, content, name, 1)
    made = Submission(name, 1, content.digest, applicant, members, asked_ms, number)
    requests.SUBMISSIONS.put(state, made, name, 1)
    for order, use in enumerate(content.datasets):
        requests.put_handling(state, _word(name, use, content, asked_ms, number + order))
        requests.ASKED_OF.put(state, Entry(name), use.organisation, use.dataset, name)
        asked = LastAsked(use.organisation, use.dataset, 1)
        requests.LAST_ASKED.put(state, asked, name, use.organisation, use.dataset)
    if number % 4 == 0:
        _learn(state, number, name, content)


def _content(number: int, asked_ms: int) -> Content:
    places = {
        HOSPITALS[(number + 5 * step) % len(HOSPITALS)]: (number // 32 + step) % len(DATASETS) for step in range(4)
    }
    uses = tuple(DatasetVersion(hospital, DATASETS[at], 1) for hospital, at in sorted(places.items()))
    return Content(
        kind=Kind.TRAIN, purposes=("DUO:0000006",), diseases=("MONDO:0005148",), datasets=uses, fields=("age", "sex"),
        labels=("tumour",), plan=bytes(400), code=digest("code", number.to_bytes(8, "big")), colluders=1,
        resources=Resources(100, 48, 4096), regions=("DE", "FI"), commercial=False, publishes=True,
        until_ms=asked_ms + YEAR_MS, documents=(),
    )  # fmt: skip


def _word(name: str, use: DatasetVersion, content: Content, asked_ms: int, number: int) -> Handling:
    status = (Decided.REJECTED, Decided.REVOKED, *[Decided.APPROVED] * 6)[number % 8]
    steward = (PersonRef(use.organisation, "steward"),)
    return Handling(
        name, use.organisation, use.dataset, status, 1, content.digest, "look", ("a-person-looks",), 0, steward,
        asked_ms + 1000, content.until_ms, (), "ready", "", b"", steward, asked_ms + 1000, number,
    )  # fmt: skip


def _learn(state: State, number: int, request: str, content: Content) -> None:
    name = f"study-{number:06}"
    uses = tuple(DatasetUse(use.organisation, use.dataset, use.version) for use in content.datasets)
    rule = ModelRule((Layer(1024, 1),), 1 << 15, 1 << 16, len(uses), 100)
    spec = StudySpec(
        name, "DUO:0000006", SCHEMA, uses, bytes(100), content.code, bytes(400), rule, 1_000_000, 100, bytes(32),
        bytes(32), Deadlines(1, 1, 1, 1, 1, 1), 500, 1,
    )  # fmt: skip
    specification = spec.digest
    _SPECS.put(state, spec, name)
    progress = Progress(
        StudyStatus.FINISHED, "hospital-00", specification, (1,) * len(uses), 100, 0, COMPLETED, number, 0
    )
    _PROGRESS.put(state, progress, name)
    _UNDER.put(state, Under(name, request), specification)
    _OF_REQUEST.put(state, Under(name, request), request, name)
    _MODELS.put(state, Model(name, 100, specification, bytes(32), bytes(32), bytes(32), number), name)


# -- blocks ------------------------------------------------------------------------------------------------------------


def _block(height: int) -> tuple[Block, Commit, BlockResult]:
    wires = tuple(_wires(height))
    header = Header(
        "benchmark", height, START_MS + height, 0, HOSPITALS[0], bytes(32), *[bytes(32)] * 4, state_commitment=bytes(32)
    )
    receipts = tuple(Receipt(transaction_digest(wire), OK, ()) for wire in wires)
    return Block(header, 0, (), (), wires), Commit(height, 0, header.hash, (), ()), BlockResult(receipts, ())


def _wires(height: int) -> Iterator[bytes]:
    """A block is of forty persons: people come in spells."""
    senders = [key(person(height * 40 + order)) for order in range(40)]
    bodies = [encode(SetProcessing(f"request-{height:06}", 1, bytes(32), name, "received")) for name in DATASETS]
    for number in range(_PER_BLOCK):
        nonce = (height * _PER_BLOCK + number).to_bytes(16, "big")
        fields = Transaction("benchmark", ED25519, senders[number % 40], nonce, START_MS, bodies[number % len(bodies)])
        yield encode(SignedTransaction(fields, bytes(64)))
