"""Lineage: what made a model, and who touched a dataset, read from a ledger's blocks.

Everything is in signed transactions with an `ok` receipt, so each finding names the transaction that proves it. The
blocks are believed here: `audit.verify` is what checks them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path

from hmchain.canonical import decode_trusted
from hmchain.errors import LedgerError
from hmchain.ledger import contracts, events
from hmchain.ledger import genesis as genesis_file
from hmchain.ledger.blocks import OK
from hmchain.ledger.contracts.data.applying import SaveDraft
from hmchain.ledger.contracts.data.datasets import PublishVersion, RegisterDataset, WithdrawVersion
from hmchain.ledger.contracts.data.requests import Content
from hmchain.ledger.contracts.learning.approvals import (
    APPROVED,
    REFUSED,
    REVOKED,
    ApproveStudy,
    RefuseStudy,
    RevokeApproval,
)
from hmchain.ledger.contracts.learning.participation import CommitUpdate, Confirm, PostAggregate
from hmchain.ledger.contracts.learning.permitted import ProposeUnderPermit
from hmchain.ledger.contracts.learning.studies import ProposeStudy, StudySpec
from hmchain.ledger.contracts.members.admission import ProposeAdmission
from hmchain.ledger.contracts.members.enrolment import InvitePerson, ReplaceKey
from hmchain.ledger.contracts.members.membership import Admit, Member, ProposeAction
from hmchain.ledger.contracts.members.recovery import Recover
from hmchain.ledger.contracts.members.rotation import RotateKey
from hmchain.ledger.engines.block_store import BLOCKS, BlockStore, StoredBlock
from hmchain.ledger.events import AboutStudy, LedgerEvent
from hmchain.ledger.readers.succession import ledgers
from hmchain.ledger.readers.traced_words import RequestWords, TracedTransaction
from hmchain.ledger.transactions import SignedTransaction, transaction_digest


class NothingToTraceError(LedgerError):
    """The ledger knows no such study or dataset."""

    code = "nothing_to_trace"


@dataclass(frozen=True, slots=True)
class VersionTrace:
    """A published dataset version."""

    organisation: str
    dataset: str
    version: int
    root: bytes
    count: int
    """Rounded, as published."""
    entry: TracedTransaction
    withdrawn: TracedTransaction | None = None
    """Since then no new study may use it: records of it were erased."""


@dataclass(frozen=True, slots=True)
class StewardDecision:
    """A hospital's word on a study, or on the request by whose permit it is."""

    organisation: str
    status: str
    """`approved`, `refused` or `revoked`."""
    dataset: str
    version: int
    purpose: str
    code: bytes
    expires_ms: int
    reason: str
    entry: TracedTransaction
    request: str = ""
    """The request that was decided on; empty where it was the study itself."""
    content: bytes = b""
    """Digest of what was decided on: of the request's content, or of the specification."""
    persons: tuple[str, ...] = ()
    """Who decided, as `east/steward`; empty where the hospital's policy did."""


@dataclass(frozen=True, slots=True)
class UpdateTrace:
    """One hospital's masked update in one attempt of a round."""

    organisation: str
    attempt: int
    digest: bytes
    object: bytes
    summed: bool
    """Whether it was frozen and so is in the sum."""
    entry: TracedTransaction


@dataclass(frozen=True, slots=True)
class AggregateTrace:
    """The sum that a master posted."""

    master: str
    model_root: bytes
    fraud: bool
    """Proven wrong, by one chunk."""
    confirmed_by: tuple[str, ...]
    entry: TracedTransaction


@dataclass(frozen=True, slots=True)
class RoundTrace:
    """One round."""

    number: int
    outcome: str
    """`accepted`, `rejected`, or empty while it is open."""
    updates: tuple[UpdateTrace, ...]
    aggregates: tuple[AggregateTrace, ...]
    """In order; more than one where a master was replaced."""


@dataclass(frozen=True, slots=True)
class StudyTrace:
    """All that made one study's model."""

    spec: StudySpec
    proposal: TracedTransaction
    data: tuple[VersionTrace, ...]
    decisions: tuple[StewardDecision, ...]
    rounds: tuple[RoundTrace, ...]
    model_root: bytes
    """Empty until the study is finished, as are the next two."""
    weights_root: bytes
    """Root of the model's float32 weights, which a model file holds."""
    meaning: bytes
    """Digest of all that gives them a meaning."""

    def __str__(self) -> str:
        made = f"model {self.model_root.hex()}" if self.model_root else "no model yet"
        return f"{self.spec.name}, proposed by {self.proposal.organisation}: {len(self.rounds)} rounds, {made}"


@dataclass(frozen=True, slots=True)
class DatasetTrace:
    """The use of one dataset, and who allowed it."""

    organisation: str
    dataset: str
    registered: TracedTransaction
    versions: tuple[VersionTrace, ...]
    studies: tuple[StudyTrace, ...]
    """Studies that asked for it, each with this organisation's decisions and updates alone."""
    requests: tuple[StewardDecision, ...] = ()
    """What the organisation said to requests for it under whose permit no study was proposed."""

    def __str__(self) -> str:
        asked = ", ".join(study.spec.name for study in self.studies) or "no study"
        return f"{self.organisation}/{self.dataset}: {len(self.versions)} versions, asked for by {asked}"


def trace_study(directory: Path, study: str) -> StudyTrace:
    """The data, approvals, code, updates and masters that made a study's model.

    Raises `NothingToTraceError`, or what opening the ledger raises.
    """
    history = _History.read(directory)
    if study not in history.studies:
        known = ", ".join(history.studies) or "none"
        raise NothingToTraceError(f"there is no study {study}", f"studies on this ledger: {known}")
    return history.studies[study].trace(history)


def trace_dataset(directory: Path, organisation: str, dataset: str) -> DatasetTrace:
    """The use of a dataset, and the approvals that it rests on.

    Raises `NothingToTraceError`, or what opening the ledger raises.
    """
    history = _History.read(directory)
    registered = history.registered.get((organisation, dataset))
    if registered is None:
        known = ", ".join(f"{owner}/{name}" for owner, name in history.registered) or "none"
        raise NothingToTraceError(f"there is no dataset {organisation}/{dataset}", f"datasets here: {known}")
    used = [story for story in history.studies.values() if story.uses(organisation, dataset)]
    return DatasetTrace(
        organisation, dataset, registered,
        tuple(v for v in history.versions.values() if (v.organisation, v.dataset) == (organisation, dataset)),
        tuple(_only(story.trace(history), organisation) for story in used),
        tuple(_unused(history, organisation, dataset)),
    )  # fmt: skip


def _unused(history: _History, organisation: str, dataset: str) -> Iterator[StewardDecision]:
    """A hospital's words on requests for a dataset that came to no study."""
    came = {story.request for story in history.studies.values()}
    for request, word in history.words.all():
        if request in came or (word.organisation, word.dataset) != (organisation, dataset):
            continue
        asked = history.contents.get(word.content)
        yield StewardDecision(
            organisation, word.status, dataset, _version(asked, organisation, dataset),
            ", ".join(asked.purposes) if asked else "", asked.code if asked else b"", word.until_ms, word.reason,
            word.entry, request, word.content, word.persons,
        )  # fmt: skip


def _version(asked: Content | None, organisation: str, dataset: str) -> int:
    named = (
        use for use in (asked.datasets if asked else ()) if (use.organisation, use.dataset) == (organisation, dataset)
    )
    return next((use.version for use in named), 0)


def _only(trace: StudyTrace, organisation: str) -> StudyTrace:
    return replace(
        trace,
        data=tuple(version for version in trace.data if version.organisation == organisation),
        decisions=tuple(decision for decision in trace.decisions if decision.organisation == organisation),
        rounds=tuple(
            replace(round_, updates=tuple(update for update in round_.updates if update.organisation == organisation))
            for round_ in trace.rounds
        ),
    )


@dataclass(slots=True)
class _Study:
    """One study's story while it is read."""

    spec: StudySpec
    proposal: TracedTransaction
    decisions: list[StewardDecision] = field(default_factory=list)
    request: str = ""
    updates: dict[int, list[UpdateTrace]] = field(default_factory=dict)
    aggregates: dict[int, list[AggregateTrace]] = field(default_factory=dict)
    outcomes: dict[int, str] = field(default_factory=dict)
    model: tuple[bytes, bytes, bytes] = (b"", b"", b"")
    """Roots of model and weights, and what they mean."""

    def uses(self, organisation: str, dataset: str) -> bool:
        return any((use.organisation, use.dataset) == (organisation, dataset) for use in self.spec.uses)

    def trace(self, history: _History) -> StudyTrace:
        wanted = [(use.organisation, use.dataset, use.version) for use in self.spec.uses]
        numbers = sorted({*self.updates, *self.aggregates, *self.outcomes})
        rounds = (
            RoundTrace(
                number,
                self.outcomes.get(number, ""),
                tuple(self.updates.get(number, [])),
                tuple(self.aggregates.get(number, [])),
            )
            for number in numbers
        )
        data = tuple(history.versions[key] for key in wanted if key in history.versions)
        return StudyTrace(self.spec, self.proposal, data, self._words(history), tuple(rounds), *self.model)

    def _words(self, history: _History) -> tuple[StewardDecision, ...]:
        """What the participants said, in order."""
        said = history.words.of(self.request) if self.request else []
        spec = self.spec
        return (*self.decisions, *(
            StewardDecision(
                word.organisation, word.status, word.dataset, spec.use(word.organisation).version, spec.purpose,
                spec.code, word.until_ms, word.reason, word.entry, self.request, word.content, word.persons,
            )
            for word in said
            if word.organisation in spec.participants
        ))  # fmt: skip

    # -- events ------------------------------------------------------------------------------------------------------

    def freeze(self, number: int, frozen: tuple[str, ...]) -> None:
        """Mark the updates of the current attempt that are summed."""
        updates = self.updates.get(number, [])
        attempt = max((update.attempt for update in updates), default=0)
        self.updates[number] = [
            replace(update, summed=update.attempt == attempt and update.organisation in frozen) for update in updates
        ]

    def close(self, number: int, outcome: str) -> None:
        """Note how a round ended."""
        self.outcomes[number] = outcome

    def prove_fraud(self, number: int) -> None:
        """Mark the last posted aggregate as proven wrong."""
        posted = self.aggregates[number]
        posted[-1] = replace(posted[-1], fraud=True)


class _History:
    """One pass over the blocks."""

    def __init__(self, members: tuple[Member, ...]) -> None:
        self.registered: dict[tuple[str, str], TracedTransaction] = {}
        self.versions: dict[tuple[str, str, int], VersionTrace] = {}
        self.studies: dict[str, _Study] = {}
        self.words = RequestWords()
        self.contents: dict[bytes, Content] = {}
        """Of requests, by digest."""
        self._owners: dict[bytes, str] = {}
        for member in members:
            self._learn_keys(member)

    @classmethod
    def read(cls, directory: Path) -> _History:
        """Read all blocks of a ledger, after those of the ledgers before it that lie beside it."""
        found = ledgers(directory)
        history = cls(genesis_file.load(found[0] / genesis_file.FILE).members)
        for each in found:
            with closing(BlockStore(each / BLOCKS, read_only=True)) as store:
                for stored in store.blocks():
                    history._read_block(stored)
        return history

    def _learn_keys(self, member: Member) -> None:
        for key in (member.steward, member.scientist, member.agent, member.validator):
            self._owners.setdefault(key, member.organisation)

    def _read_block(self, stored: StoredBlock) -> None:
        block = stored.block
        for wire, receipt in zip(block.transactions, stored.result.receipts, strict=True):
            if receipt.code != OK:
                continue
            transaction = decode_trusted(wire, SignedTransaction).transaction
            owner = self._owners.get(transaction.sender, "")
            entry = TracedTransaction(stored.height, block.header.time_ms, transaction_digest(wire), owner)
            body = contracts.decode_body(transaction.body)
            reader = _READERS.get(type(body))
            if reader and not (isinstance(body, _IN_ROUNDS) and body.study not in self.studies):
                reader(self, entry, body)
            for event in events.decode_all(receipt.events):
                self._read_event(event)
                self.words.read(event, entry)

    def _read_event(self, event: LedgerEvent) -> None:
        story = self.studies.get(event.study) if isinstance(event, AboutStudy) else None
        if story is None:
            return
        match event:
            case events.SetFrozen():
                story.freeze(event.round, event.frozen)
            case events.RoundAccepted():
                story.close(event.round, "accepted")
            case events.RoundRejected():
                story.close(event.round, "rejected")
            case events.FraudProven():
                story.prove_fraud(event.round)
            case events.ModelRegistered():
                story.model = event.root, event.weights, event.meaning

    # -- transactions ------------------------------------------------------------------------------------------------

    def _admission(self, _entry: TracedTransaction, body: ProposeAction | ProposeAdmission) -> None:
        if isinstance(body, ProposeAdmission):
            self._learn_keys(body.member)
        elif isinstance(body.action, Admit):
            self._learn_keys(body.action.member)
        elif isinstance(body.action, Recover):
            self._owners.setdefault(body.action.key, body.action.organisation)

    def _rotate(self, entry: TracedTransaction, body: RotateKey | InvitePerson | ReplaceKey) -> None:
        self._owners.setdefault(body.key, entry.organisation)

    def _register(self, entry: TracedTransaction, body: RegisterDataset) -> None:
        self.registered[entry.organisation, body.name] = entry

    def _publish(self, entry: TracedTransaction, body: PublishVersion) -> None:
        owner = entry.organisation
        version = VersionTrace(owner, body.dataset, body.version, body.root, body.count, entry)
        self.versions[owner, body.dataset, body.version] = version

    def _withdraw(self, entry: TracedTransaction, body: WithdrawVersion) -> None:
        key = (entry.organisation, body.dataset, body.version)
        self.versions[key] = replace(self.versions[key], withdrawn=entry)

    def _propose(self, entry: TracedTransaction, body: ProposeStudy | ProposeUnderPermit) -> None:
        request = body.request if isinstance(body, ProposeUnderPermit) else ""
        self.studies[body.spec.name] = _Study(body.spec, entry, request=request)

    def _save(self, _entry: TracedTransaction, body: SaveDraft) -> None:
        self.contents[body.content.digest] = body.content

    def _approve(self, entry: TracedTransaction, body: ApproveStudy) -> None:
        self._decide(entry, body.study, APPROVED, expires_ms=body.expires_ms)

    def _refuse(self, entry: TracedTransaction, body: RefuseStudy) -> None:
        self._decide(entry, body.study, REFUSED, reason=body.reason)

    def _revoke(self, entry: TracedTransaction, body: RevokeApproval) -> None:
        self._decide(entry, body.study, REVOKED)

    def _decide(
        self, entry: TracedTransaction, study: str, status: str, *, expires_ms: int = 0, reason: str = ""
    ) -> None:
        spec = self.studies[study].spec
        use = spec.use(entry.organisation)
        self.studies[study].decisions.append(StewardDecision(
            entry.organisation, status, use.dataset, use.version, spec.purpose, spec.code, expires_ms, reason, entry,
            content=spec.digest, persons=(f"{entry.organisation}/steward",),
        ))  # fmt: skip

    def _commit(self, entry: TracedTransaction, body: CommitUpdate) -> None:
        update = UpdateTrace(entry.organisation, body.attempt, body.digest, body.object, False, entry)
        self.studies[body.study].updates.setdefault(body.round, []).append(update)

    def _post(self, entry: TracedTransaction, body: PostAggregate) -> None:
        aggregate = AggregateTrace(body.posted.master, body.posted.model_root, False, (), entry)
        self.studies[body.study].aggregates.setdefault(body.round, []).append(aggregate)

    def _confirm(self, entry: TracedTransaction, body: Confirm) -> None:
        posted = self.studies[body.study].aggregates[body.round]
        posted[-1] = replace(posted[-1], confirmed_by=(*posted[-1].confirmed_by, entry.organisation))


_IN_ROUNDS = (CommitUpdate, PostAggregate, Confirm)
"""Of counts too, which make no model and have no lineage."""
_READERS: dict[type, Callable[..., None]] = {
    ProposeAction: _History._admission,
    ProposeAdmission: _History._admission,
    RotateKey: _History._rotate,
    InvitePerson: _History._rotate,
    ReplaceKey: _History._rotate,
    RegisterDataset: _History._register,
    PublishVersion: _History._publish,
    WithdrawVersion: _History._withdraw,
    ProposeStudy: _History._propose,
    ProposeUnderPermit: _History._propose,
    SaveDraft: _History._save,
    ApproveStudy: _History._approve,
    RefuseStudy: _History._refuse,
    RevokeApproval: _History._revoke,
    CommitUpdate: _History._commit,
    PostAggregate: _History._post,
    Confirm: _History._confirm,
}
