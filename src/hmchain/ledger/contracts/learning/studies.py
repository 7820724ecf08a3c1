"""Studies: what is trained, on whose data, for which purpose and by which code.

A study goes proposed -> agreeing -> confirming -> running -> finished; it may pause, be resumed, be refused, or be
closed: over, and nothing came of it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from msgspec.structs import replace

from hmchain.canonical import NotCanonicalError, Record, decode, digest, encode
from hmchain.errors import HMChainError
from hmchain.ledger import arithmetic, events, reputation, sums, vectors
from hmchain.ledger.arithmetic import Layer, ModelRule
from hmchain.ledger.context import SCIENTIST, Context, require, require_digest, require_name
from hmchain.ledger.contracts.data import datasets
from hmchain.ledger.contracts.data.datasets import Schema
from hmchain.ledger.contracts.learning import summing
from hmchain.ledger.contracts.members import membership, parameters
from hmchain.ledger.state import State, Table
from hmchain.ledger.transactions import Refusal


class Status(StrEnum):
    """Where a study stands; on the ledger it is the word."""

    PROPOSED = "proposed"
    AGREEING = "agreeing"
    CONFIRMING = "confirming"
    RUNNING = "running"
    PAUSED = "paused"
    FINISHED = "finished"
    REFUSED = "refused"
    CLOSED = "closed"


OPENING = (Status.PROPOSED, Status.AGREEING, Status.CONFIRMING)
OVER = (Status.FINISHED, Status.REFUSED, Status.CLOSED)
COMPLETED = "completed"
"""The reason of a study that ran all its rounds."""

_PURPOSE = re.compile(r"DUO:[0-9]{7}")

PARTICIPANTS_MIN = 3
ROUNDS_MAX = 10_000
PROPOSALS_MAX = 8
"""Of one member, that wait for approval at a time: each is read by every participant it names."""
CHUNKS_MAX = 1 << 20
"""Of a model: a proof of fraud among 32 hospitals, with paths this long, still fits one transaction."""
SERVER_RATE_MIN = (1 << arithmetic.FACTOR_BITS) // 16
"""Under a server that hardly moves the model all rounds' sums would be of one model, and their difference an update."""
COUNT_UNITS = 1 << 10
"""A count of one is 1/1024 in the "model" of the class-count round, so that its sums cannot overflow."""


class DatasetUse(Record, frozen=True):
    """Which dataset version a participant brings."""

    organisation: str
    dataset: str
    version: int


class Deadlines(Record, frozen=True):
    """How long each phase of a round may take, in block time."""

    commit_ms: int
    attest_ms: int
    reveal_ms: int
    aggregate_ms: int
    verify_ms: int
    gate_ms: int


class StudySpec(Record, frozen=True):
    """Everything that is pinned when a study is proposed; agents refuse anything else."""

    name: str
    purpose: str
    """A GA4GH Data Use Ontology code, such as DUO:0000006 (health, medical and biomedical research)."""
    schema: Schema
    uses: tuple[DatasetUse, ...]
    """One a participant, in order of organisation; the cohort is fixed for the whole study."""
    architecture: bytes
    """Encoding of the model's architecture."""
    code: bytes
    """Digest of the training code."""
    training: bytes
    """Encoding of the training plan, its integer table of learning rates included."""
    rule: ModelRule
    """How updates become the next model."""
    clip_norm_millionths: int
    """Largest L2 norm of an update."""
    rounds: int
    initial_root: bytes
    """Root of the first model, which everyone derives from the architecture, the genesis' salt and the study's name."""
    initial_weights: bytes
    """Root of its float32 weights."""
    deadlines: Deadlines
    gate_tolerance_permyriad: int
    """A hospital votes against a model whose AUC on its validation data is lower than the best accepted by more."""
    colluders: int
    """So many participants that pool all they know, or lie together, the study withstands."""

    @property
    def digest(self) -> bytes:
        """Digest of everything that is pinned, which stewards approve; with the name in it no two studies share one."""
        return digest("hmchain study specification", encode(self))

    @property
    def participants(self) -> tuple[str, ...]:
        """Organisations in order; a participant's place here is its order in masks."""
        return tuple(use.organisation for use in self.uses)

    def use(self, organisation: str) -> DatasetUse:
        """What a participant brings."""
        return self.uses[self.participants.index(organisation)]

    @property
    def is_count(self) -> bool:
        """Whether it counts people, and trains nothing: it has round 0 alone (`counting`)."""
        return self.rounds == 0

    @property
    def threshold(self) -> int:
        """Fewest survivors of a round: n - f, and as many as let any two frozen sets share an honest hospital."""
        participants = len(self.uses)
        return max(participants - reputation.faults_tolerated(participants), (participants + self.colluders) // 2 + 1)

    @property
    def witnesses(self) -> int:
        """How many others must hold an update, or get the same sum: so many that one of them is honest."""
        return self.colluders + 1


class Progress(Record, frozen=True):
    """Where a study stands."""

    status: Status
    proposer: str
    specification: bytes
    """Digest of the whole specification: what stewards approve."""
    weights: tuple[int, ...]
    """One a participant, 1 to 256: bucketed case counts, cut so that nobody shows through a sum."""
    round: int
    """The current round; round 0 sums class counts."""
    setbacks: int
    """Void attempts and rejected rounds in a row: two pause the study."""
    reason: str
    """Why the study is over, as a code; empty while it is not."""
    since_height: int
    """When the step of its opening began in which it is, or the last one ended."""
    deadline_ms: int
    """Until when that step must come about, else the study is closed; 0 once it is open."""


class ProposeStudy(Record, frozen=True, tag="propose_study"):
    """Transaction (scientist of a member): propose a study."""

    spec: StudySpec


@dataclass(frozen=True, slots=True)
class Study:
    """A study's specification and progress."""

    spec: StudySpec
    progress: Progress

    @property
    def status(self) -> Status:
        """Shorthand for `progress.status`."""
        return self.progress.status

    def weight(self, organisation: str) -> int:
        """A participant's weight, 1 to 256."""
        return self.progress.weights[self.order(organisation)]

    def order(self, organisation: str) -> int:
        """A participant's place in the order of masks."""
        return self.spec.participants.index(organisation)

    def rule(self, round_: int) -> ModelRule:
        """The rule of a round: class counts in round 0, the model after."""
        return counts_rule(self.spec) if round_ == 0 else self.spec.rule

    def round_weight(self, organisation: str, round_: int) -> int:
        """A participant's weight in a round: in the class-count round all weigh the same."""
        return arithmetic.WEIGHT_ONE if round_ == 0 else self.weight(organisation)


class Entry(Record, frozen=True):
    """A study's place in an index."""

    study: str


_SPECS = Table("studies", StudySpec)
_PROGRESS = Table("progress", Progress)
TABLES = (_SPECS, _PROGRESS)
"""All that is known of studies."""
_OPEN = Table("open_studies", Entry)
"""By participant: what is not over, so that nobody has to read all studies that ever were."""
_PROPOSALS = Table("open_proposals", Entry)
"""By proposer: what is proposed and no more than that."""


def study(state: State, name: str) -> Study | None:
    """A study, or None."""
    progress = _PROGRESS.get(state, name)
    spec = _SPECS.get(state, name)
    return None if progress is None or spec is None else Study(spec, progress)


def require_study(state: State, name: str) -> Study:
    """A study; refuse `no_such_study`."""
    entry = study(state, name)
    if entry is None:
        raise Refusal("no_such_study")
    return entry


def studies(state: State) -> list[Study]:
    """All studies in order of name."""
    specs = _SPECS.all(state)
    found = (study(state, spec.name) for spec in specs)
    return [entry for entry in found if entry is not None]


def names(state: State) -> list[str]:
    """The names of all studies, in order."""
    return _SPECS.names(state)


def open_studies(state: State, organisation: str) -> list[str]:
    """The studies that an organisation was named in and that are not over, in order of name."""
    return [entry.study for entry in _OPEN.all(state, organisation)]


def all_open(state: State) -> list[str]:
    """All studies that are not over, in order of name."""
    return sorted({entry.study for entry in _OPEN.all(state)})


def set_progress(
    state: State,
    name: str,
    *,
    status: Status | None = None,
    round_: int | None = None,
    setbacks: int | None = None,
    reason: str | None = None,
    since: tuple[int, int] | None = None,
) -> None:
    """Change what is given of a study's progress; `since` is the height of a step of opening and its deadline."""
    height, deadline_ms = since or (None, None)
    given = {"status": status, "round": round_, "setbacks": setbacks, "reason": reason}
    given |= {"since_height": height, "deadline_ms": deadline_ms}
    changes = {field: value for field, value in given.items() if value is not None}
    before = require_study(state, name)
    _PROGRESS.put(state, replace(before.progress, **changes), name)
    if status is not None and status is not Status.PROPOSED:
        _PROPOSALS.delete(state, before.progress.proposer, name)
    if status in OVER:
        for organisation in before.spec.participants:
            _OPEN.delete(state, organisation, name)


def plan_of(spec: StudySpec) -> bytes:
    """The encoding of what is to be computed, whatever the study is called and whoever takes part: a permit's plan.

    It is the specification with its name, its participants, and what follows from these left empty.
    """
    rule = replace(spec.rule, participants=0)
    return encode(replace(spec, name="", uses=(), rule=rule, initial_root=b"", initial_weights=b""))


def of_plan(plan: bytes, name: str, uses: tuple[DatasetUse, ...]) -> StudySpec | None:
    """The specification that a plan gives with a name and participants, its first model left open; None of no plan."""
    try:
        spec = decode(plan, StudySpec)
    except NotCanonicalError:
        return None
    return replace(spec, name=name, uses=uses, rule=replace(spec.rule, participants=len(uses)))


def counts_rule(spec: StudySpec) -> ModelRule:
    """The rule of round 0, whose "model" is the mean of the class counts, one of them 1/1024."""
    step = (1 << arithmetic.STEP_FRACTION_BITS) // COUNT_UNITS
    layers = (Layer(len(spec.schema.classes), step),)
    return ModelRule(layers, 0, 1 << arithmetic.FACTOR_BITS, len(spec.uses), 1)


def counts_base_root(spec: StudySpec) -> bytes:
    """Root of the all-zero "model" from which round 0 starts."""
    zeros = np.zeros(counts_rule(spec).padded_size, np.int64)
    return vectors.model_root(zeros, zeros)


def fair_weights(counts: tuple[int, ...], colluders: int) -> tuple[int, ...]:
    """Weights 1 to 256 in proportion to bucketed counts, capped so that nobody shows through a sum.

    Those that collude take their own part out of it, and may have claimed any counts. So whoever k <= c of n they are:
    of what the others weigh nobody's share exceeds 2/(n - k), or two thirds. The largest cap that achieves it is taken.
    """
    largest = max(counts)
    raw = [max(1, arithmetic.WEIGHT_ONE * count // largest) for count in counts]
    cap = arithmetic.WEIGHT_ONE
    while any(_shows(sorted((min(weight, cap) for weight in raw), reverse=True), k) for k in range(colluders + 1)):
        cap -= 1
    return tuple(min(weight, cap) for weight in raw)


def _shows(weights: list[int], left_out: int) -> bool:
    """Whether the first of these, the heaviest first, weighs too much once the next few are left out."""
    most, others = weights[0], weights[1 + left_out :]
    return max(3, 1 + len(others)) * most > 2 * (most + sum(others))


def _propose(context: Context, body: ProposeStudy) -> None:
    propose(context, body.spec)


def propose(context: Context, spec: StudySpec, rounds_min: int = 1) -> None:
    """Take a study that the sender, a scientist, proposes; refuse what none may pin."""
    context.require_role(SCIENTIST)
    require_name(spec.name)
    require(_SPECS.get(context.state, spec.name) is None, "study_exists")
    require_sound(spec, parameters.current(context.state).deadline_ms_min, rounds_min)
    _check_colluders(context.state, spec)
    waiting = len(_PROPOSALS.all(context.state, context.sender.organisation))
    require(waiting < PROPOSALS_MAX, "too_many_proposals")
    counts = []
    for use in spec.uses:
        require(membership.is_active(context.state, use.organisation), "not_a_member")
        held = datasets.dataset(context.state, use.organisation, use.dataset)
        version = datasets.standing_version(context.state, use.organisation, use.dataset, use.version)
        if held is None:
            raise Refusal("no_such_version")
        require(spec.is_count or held.schema == spec.schema, "schema_mismatch")
        counts.append(version.count)
    if not spec.is_count:
        summing.claim(context.state, sums.training_key(spec.initial_weights), spec.name)
    _SPECS.put(context.state, spec, spec.name)
    until_ms = context.time_ms + parameters.current(context.state).proposal_ms
    progress = Progress(
        Status.PROPOSED, context.sender.organisation, spec.digest, fair_weights(tuple(counts), spec.colluders),
        round=0, setbacks=0, reason="", since_height=context.height, deadline_ms=until_ms,
    )  # fmt: skip
    _PROGRESS.put(context.state, progress, spec.name)
    _PROPOSALS.put(context.state, Entry(spec.name), context.sender.organisation, spec.name)
    for organisation in spec.participants:
        _OPEN.put(context.state, Entry(spec.name), organisation, spec.name)
    context.emit(events.StudyProposed(spec.name, context.sender.organisation))


def participants_min(colluders: int) -> int:
    """The fewest hospitals of a sum that withstands so many colluders."""
    return max(PARTICIPANTS_MIN, colluders + 2)


def _check_colluders(state: State, spec: StudySpec) -> None:
    members = len(membership.active_members(state))
    require(0 <= spec.colluders <= reputation.faults_tolerated(members), "bad_colluders")
    require(len(spec.uses) >= spec.colluders + 2, "too_few_beside_colluders")


def require_sound(spec: StudySpec, least_ms: int, rounds_min: int = 1) -> None:
    """Refuse what no study may pin, whatever the ledger knows of its hospitals; no phase is shorter than `least_ms`."""
    participants = spec.participants
    require(list(participants) == sorted(set(participants)), "participants_not_in_order")
    require(len(participants) >= PARTICIPANTS_MIN, "too_few_participants")
    require(len(participants) <= arithmetic.PARTICIPANTS_MAX, "too_many_participants")
    require(_PURPOSE.fullmatch(spec.purpose) is not None, "bad_purpose")
    require_digest(spec.code, spec.initial_root, spec.initial_weights)
    require(rounds_min <= spec.rounds <= ROUNDS_MAX, "bad_rounds")
    require(spec.rule.rounds >= spec.rounds and spec.rule.participants == len(participants), "bad_rule")
    require(spec.rule.learning_rate >= SERVER_RATE_MIN, "server_rate_too_low")
    require(spec.rule.chunks <= CHUNKS_MAX, "model_too_large")
    require(len(spec.architecture) <= 4096 and len(spec.training) <= 32 << 10, "spec_too_large")
    require(0 <= spec.gate_tolerance_permyriad <= 10_000 and spec.clip_norm_millionths > 0, "bad_gate")
    deadlines = spec.deadlines
    spans: tuple[int, ...] = (deadlines.commit_ms, deadlines.attest_ms, deadlines.reveal_ms)
    spans += (deadlines.aggregate_ms, deadlines.verify_ms, deadlines.gate_ms)
    require(all(least_ms <= span <= 7 * 86_400_000 for span in spans), "bad_deadlines")
    try:
        arithmetic.validate(spec.rule)
        arithmetic.validate(counts_rule(spec))
    except HMChainError:
        raise Refusal("bad_rule") from None


HANDLERS = {ProposeStudy: _propose}
