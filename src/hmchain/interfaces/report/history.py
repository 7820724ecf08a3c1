"""What happened in a study, read back from the ledger alone by executing its blocks again.

Signatures are not checked here (the audit does that); nothing is remembered from the live run, so a run that was
interrupted and resumed tells the same story. Only what every engine's blocks hold is used: who proposed, how the block
before was decided, and what executing gives.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from hmchain.canonical import decode_trusted, encode
from hmchain.interfaces.report.parts import (
    Count,
    FailedMaster,
    Incident,
    LedgerStatistics,
    Proposer,
    ReputationPoint,
    Returned,
    Round,
)
from hmchain.interfaces.report.silence import Silences
from hmchain.ledger import contracts, events, genesis, proposer
from hmchain.ledger.blocks import OK, Block, BlockResult
from hmchain.ledger.contracts.data.policies import Answer
from hmchain.ledger.contracts.learning import conduct, rounds
from hmchain.ledger.contracts.learning.participation import CommitUpdate
from hmchain.ledger.contracts.learning.permitted import ProposeUnderPermit
from hmchain.ledger.contracts.learning.rounds import Verdict
from hmchain.ledger.contracts.learning.studies import ProposeStudy
from hmchain.ledger.contracts.members import membership, standings
from hmchain.ledger.engines import beginning
from hmchain.ledger.engines.block_store import BLOCKS, BlockStore
from hmchain.ledger.events import AboutStudy, FraudProven, InvalidProposalSigned, LedgerEvent
from hmchain.ledger.reputation import faults_tolerated
from hmchain.ledger.request_events import AboutDataset, Decided, RequestJudged, RequestReturned
from hmchain.ledger.state import State
from hmchain.ledger.transactions import SignedTransaction, believed, transaction_digest
from hmchain.ledger.transition import Machine

TOLD_AT_ONCE = (InvalidProposalSigned, FraudProven)
"""Events that incidents are made of; for those of a silent validator see `silence`."""


@dataclass
class History:
    """The facts of one study that a report shows."""

    members: tuple[str, ...]
    rounds: list[Round] = field(default_factory=list)
    reputation: list[ReputationPoint] = field(default_factory=list)
    incidents: list[Incident] = field(default_factory=list)
    unsettled: list[Incident] = field(default_factory=list)
    """Incidents whose cost in reputation was not known yet when the ledger ended."""
    kinds: Counter[str] = field(default_factory=Counter)
    refused: int = 0
    blocks: int = 0
    stored_bytes: int = 0
    committed: Counter[str] = field(default_factory=Counter)
    failed: Counter[str] = field(default_factory=Counter)
    transaction_bytes: Counter[str] = field(default_factory=Counter)
    """Of what each hospital signed about the study."""
    updates: Counter[str] = field(default_factory=Counter)
    """Masked updates that each hospital sent, those of the class-count round left out."""
    decisions: dict[tuple[str, str], tuple[int, bytes]] = field(default_factory=dict)
    """Height and transaction of each steward's last decision, by study or request, and hospital."""
    returned: list[Returned] = field(default_factory=list)
    """Requests, of whatever study, that were given back to be changed."""
    registered: bytes = b""
    """The transaction whose block registered the model."""

    @property
    def all_incidents(self) -> tuple[Incident, ...]:
        """Settled or not, in order of height."""
        return tuple(sorted((*self.incidents, *self.unsettled), key=lambda incident: incident.height or 0))

    @property
    def proposers(self) -> tuple[Proposer, ...]:
        """Blocks proposed and turns failed, by hospital."""
        return tuple(
            Proposer(hospital=name, committed=self.committed[name], failed=self.failed[name]) for name in self.members
        )

    def statistics(self, validators: int) -> LedgerStatistics:
        """Size and content of the ledger, which so many validators keep."""
        return LedgerStatistics(
            blocks=self.blocks,
            transactions=self.kinds.total(),
            bytes=self.stored_bytes,
            validators=validators,
            tolerated=faults_tolerated(validators),
            refused=self.refused,
            kinds=tuple(Count(name=name, count=count) for name, count in self.kinds.most_common()),
        )


def read(directory: Path, study: str, members: Iterable[str] = ()) -> History:
    """Execute the blocks of a ledger again and collect the history of one study.

    `members` are told of beside the founders.
    """
    founding = genesis.load(directory / genesis.FILE)
    store = BlockStore(directory / BLOCKS, read_only=True)
    state = State()
    try:
        beginning.begin(state, founding, directory)
        machine = Machine(state, founding.chain_id)
        founders = [member.organisation for member in founding.members]
        history = History(tuple(dict.fromkeys((*founders, *members))))
        reader = _Reader(history, study, state)
        reader.scores(0)
        for stored in store.blocks():
            block = stored.block
            reader.before(block)
            result = machine.execute(block.input, believed)
            machine.commit(stored.height)
            history.stored_bytes += len(stored.block_bytes) + len(stored.commit_bytes)
            reader.after(block, result)
        reader.close()
        return history
    finally:
        state.close()
        store.close()


def _study_of(body: object) -> str | None:
    """The study that a transaction is about, if it is about one; a request is for the study of its name."""
    if isinstance(body, ProposeStudy | ProposeUnderPermit):
        return body.spec.name
    return getattr(body, "study", None) or getattr(body, "request", None)


class _Reader:
    """Collects a history block by block."""

    def __init__(self, history: History, study: str, state: State) -> None:
        self._history = history
        self._study = study
        self._state = state
        self._failed_masters: list[FailedMaster] = []
        self._opened_ms = 0
        self._silences = Silences(state)
        self._under: dict[str, str] = {}
        """By request: the study under its permit."""

    def before(self, block: Block) -> None:
        """Who proposed, and whose turns to propose the block before had failed; from the state before the block."""
        self._history.committed[block.header.proposer] += 1
        self._history.blocks += 1
        validators = standings.validators_at(self._state, block.header.height - 1)
        self._history.failed.update(proposer.proposers_of_rounds(validators, block.last_round)[:-1])

    def after(self, block: Block, result: BlockResult) -> None:
        """What the block did, from the state after it."""
        for wire, receipt in zip(block.transactions, result.receipts, strict=True):
            fields = decode_trusted(wire, SignedTransaction).transaction
            body = contracts.decode_body(fields.body)
            sender = membership.credential(self._state, fields.sender)
            if sender is not None and _study_of(body) == self._study:
                self._history.transaction_bytes[sender.organisation] += len(wire)
                if isinstance(body, CommitUpdate) and receipt.code == OK and body.round > 0:
                    self._history.updates[sender.organisation] += 1
            self._history.kinds[type(body).__name__] += 1
            self._history.refused += receipt.code != OK
            for event in events.decode_all(receipt.events):
                self._event(block, event, wire)
        for event in events.decode_all(result.events):
            if isinstance(event, InvalidProposalSigned):
                self._invalid_proposal(block, event)
        self._history.incidents += self._silences.follow(block, result)

    def close(self) -> None:
        """The ledger ends here."""
        self._history.unsettled += self._silences.open

    def _event(self, block: Block, event: LedgerEvent, wire: bytes) -> None:
        digest = transaction_digest(wire)
        if isinstance(event, events.StudyApproved | events.StudyRefused | events.StudyRevoked):
            self._history.decisions[event.study, event.organisation] = (block.header.height, digest)
        if isinstance(event, Decided) or (isinstance(event, RequestJudged) and event.answer == Answer.NO):
            self._decided(block, event, digest)
        if isinstance(event, RequestReturned):
            by = f"{event.organisation}/{event.person}"
            self._history.returned.append(
                Returned(request=event.request, version=event.version, by=by, reason=event.reason,
                         height=block.header.height)
            )  # fmt: skip
        if isinstance(event, events.StudyPermitted):
            self._under[event.request] = event.study
            said = [(key, told) for key, told in self._history.decisions.items() if key[0] == event.request]
            self._history.decisions |= {(event.study, organisation): told for (_, organisation), told in said}
        if not isinstance(event, AboutStudy) or event.study != self._study:
            return
        match event:
            case events.RoundOpened():
                self._failed_masters, self._opened_ms = [], block.header.time_ms
            case FraudProven():
                self._fraud(block, event, wire)
            case events.MasterReplaced():
                self._takeover(event)
            case events.RoundClosed():
                self._round(block, event)
            case events.ModelRegistered():
                self._history.registered = digest

    def _decided(self, block: Block, event: AboutDataset, transaction: bytes) -> None:
        """A hospital's word on a request is one on the study under its permit."""
        for name in (event.request, self._under.get(event.request, event.request)):
            self._history.decisions[name, event.organisation] = (block.header.height, transaction)

    def _round(self, block: Block, event: events.RoundClosed) -> None:
        number = event.round
        entry = rounds.round_(self._state, self._study, number)
        if number == 0 or entry is None:
            return
        ballots = rounds.gate_ballots(self._state, entry)
        rejects = sum(ballot.verdict == Verdict.REJECTED for ballot in ballots)
        self._history.rounds.append(
            Round(
                number=number,
                master=event.master,
                outcome="accepted" if isinstance(event, events.RoundAccepted) else "rejected",
                failed=tuple(self._failed_masters),
                accepts=len(ballots) - rejects,
                rejects=rejects,
                seconds=(block.header.time_ms - self._opened_ms) / 1000,
            )
        )
        self.scores(number)

    def scores(self, number: int) -> None:
        """Everybody's scores as the state has them now."""
        entries = [standings.standing(self._state, name) for name in self._history.members]
        self._history.reputation.append(
            ReputationPoint(
                round=number,
                consensus=tuple(entry.consensus for entry in entries),
                learning=tuple(self._learning(name) for name in self._history.members),
                power=tuple(entry.power for entry in entries),
            )
        )

    def _learning(self, name: str) -> int:
        return conduct.learning_score(self._state, self._study, name, standings.time_ms(self._state))

    def _takeover(self, event: events.MasterReplaced) -> None:
        """A silent master leaves no proof; one that lied was noted with its proof."""
        entry = rounds.round_(self._state, self._study, event.round)
        known = {failure.hospital for failure in self._failed_masters}
        for name in entry.ranking[: entry.rank] if entry else ():
            if name not in known and standings.may_lead(self._state, name):  # who may not was never asked
                self._failed_masters.append(FailedMaster(hospital=name, fault="silent"))

    def _fraud(self, block: Block, event: FraudProven, wire: bytes) -> None:
        number, master, chunk = event.round, event.master, event.chunk
        self._failed_masters.append(FailedMaster(hospital=master, fault="fraud"))
        successor = rounds.round_(self._state, self._study, number)
        vector = {"sum": "the sum", "model": "the model", "masked_sum": "the masked sum"}[event.which]
        before = self._history.reputation[-1].learning[self._history.members.index(master)]
        after = self._learning(master)
        self._history.incidents.append(
            Incident(
                title="Dishonest master",
                hospital=master,
                sentence=f"{master} led round {number} and altered {vector}; chunk {chunk} of it proved the lie "
                f"({len(wire):,} bytes), and {successor.master if successor else 'the next in rank'} summed the same "
                "updates again in the same round.",
                round=number,
                height=block.header.height,
                chunk=chunk,
                transaction=transaction_digest(wire).hex(),
                evidence_bytes=len(wire),
                score="learning score",
                before=before,
                after=after,
                consequence="barred from mastership for good; its removal is before the members",
            )
        )

    def _invalid_proposal(self, block: Block, event: InvalidProposalSigned) -> None:
        organisation = event.organisation
        self._history.incidents.append(
            Incident(
                title="Dishonest block proposer",
                hospital=organisation,
                sentence=f"{organisation} signed a block whose state gave itself the best reputation; the other "
                f"validators executed it, got another state and voted it down, and {block.header.proposer} proposed "
                "the next.",
                height=block.header.height,
                evidence_bytes=len(encode(block.evidence)),
                score="consensus score",
                before=event.before,
                after=event.after,
                consequence="consensus score halved at once, and with it its chance to be master",
            )
        )
