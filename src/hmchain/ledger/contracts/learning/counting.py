"""Counts: how many people of several hospitals a query is true of, as a study that has nothing but its round 0.

What training sums before it begins, class counts, is here the number of people: the same masks, attestation, freeze and
recomputation, so there is no second protocol. The study follows from the request's plan and its permit; nobody chooses
anything of it but the name and the deadlines. A hospital with too few people for its own policy sits out: it says so,
and nothing masked leaves it.
"""

from __future__ import annotations

from msgspec.structs import replace

from hmchain.canonical import Record
from hmchain.ledger import arithmetic, events, purposes
from hmchain.ledger.arithmetic import Layer, ModelRule
from hmchain.ledger.context import AGENT, Context, require
from hmchain.ledger.contracts.data import budgets, datasets, permits, policies, queries, requests
from hmchain.ledger.contracts.data.datasets import RecordSchema, Schema
from hmchain.ledger.contracts.data.requests import Kind
from hmchain.ledger.contracts.learning import participation, permitted, round_flow, rounds, studies
from hmchain.ledger.contracts.learning.rounds import Phase
from hmchain.ledger.contracts.learning.studies import COUNT_UNITS, DatasetUse, Deadlines, StudySpec
from hmchain.ledger.state import State
from hmchain.ledger.transactions import Refusal

SCHEMA = Schema("people", 1, 1, 1, (queries.PEOPLE,))
"""Stands for what is summed: one number."""
COUNTABLE = frozenset({"fhir", "table"})
"""Kinds of source in whose records people are counted."""
PEOPLE_MIN = 10
"""With fewer people a hospital sits out, whatever its policy says."""


class ProposeCount(Record, frozen=True, tag="propose_count"):
    """Transaction (scientist of the applicant, or of a member of the request): make the count that was allowed."""

    study: str
    request: str
    deadlines: Deadlines


class SitOut(Record, frozen=True, tag="sit_out"):
    """Transaction (agent): its hospital has too few people for this count to say how many."""

    study: str


Bodies = ProposeCount | SitOut


def people_min(state: State, organisation: str, dataset: str) -> int:
    """The fewest people of whom a hospital says how many, by its policy in force."""
    return max(PEOPLE_MIN, policies.current(state, organisation, dataset).minimum_cohort)


def spec_of(
    name: str, purpose: str, plan: bytes, uses: tuple[DatasetUse, ...], colluders: int, deadlines: Deadlines
) -> StudySpec:
    """The study that a count is: all that follows from what was asked for and allowed."""
    step = (1 << arithmetic.STEP_FRACTION_BITS) // COUNT_UNITS
    spec = StudySpec(
        name=name, purpose=purpose, schema=SCHEMA, uses=uses, architecture=b"", code=bytes(32), training=plan,
        rule=ModelRule((Layer(1, step),), 0, 1 << arithmetic.FACTOR_BITS, len(uses), 1), clip_norm_millionths=1,
        rounds=0, initial_root=b"", initial_weights=b"", deadlines=deadlines, gate_tolerance_permyriad=0,
        colluders=colluders,
    )  # fmt: skip
    zero = studies.counts_base_root(spec)
    return replace(spec, initial_root=zero, initial_weights=zero)


def _propose(context: Context, body: ProposeCount) -> None:
    request = permitted.require_own_request(context, body.request)
    content = requests.content(context.state, request.name, request.version)
    permit = permits.permit(context.state, request.name, context.time_ms)
    if content is None or permit is None or content.kind is not Kind.COUNT:
        raise Refusal("not_permitted")
    plan = queries.plan_of(content.plan)
    uses = tuple(DatasetUse(each.organisation, each.dataset, each.version) for each in permit.allowed)
    purpose = next(filter(purposes.is_use, content.purposes))
    spec = spec_of(body.study, purpose, content.plan, uses, content.colluders, body.deadlines)
    studies.propose(context, spec, rounds_min=0)
    for use in uses:
        held = datasets.dataset(context.state, use.organisation, use.dataset)
        require(held is not None and is_countable(held.schema), "not_countable")
        version = datasets.standing_version(context.state, use.organisation, use.dataset, use.version)
        statement = queries.statement(plan, use.organisation, version.root)
        budgets.charge(context, use.organisation, use.dataset, statement, request.name, plan.epsilon_millionths)
    permitted.enter(context, spec, request.name)


def is_countable(schema: Schema | RecordSchema) -> bool:
    """Whether people can be counted in a dataset of this form."""
    return isinstance(schema, RecordSchema) and bool(COUNTABLE & set(schema.kinds))


def _sit_out(context: Context, body: SitOut) -> None:
    context.require_role(AGENT)
    study, entry = participation.require_round(context, body.study, 0, None, Phase.COMMIT)
    organisation = context.sender.organisation
    require(study.spec.is_count, "not_a_count")
    require(organisation in entry.expected, "not_approved")
    permitted.require_permit(context, study)
    require(rounds.contribution(context.state, entry, organisation) is None, "already_committed")
    context.emit(events.CountSatOut(body.study, organisation))
    left = tuple(name for name in entry.expected if name != organisation)
    round_flow.sat_out(context, study, replace(entry, expected=left))


HANDLERS = {ProposeCount: _propose, SitOut: _sit_out}
