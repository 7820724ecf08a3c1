"""How a study opens: joining, agreeing pair secrets, and the seed of the first election.

A study opens once every participant's steward has approved it and every agent has joined with a key made for this study
alone. Then pair secrets are agreed (each side wraps half of one to the other) and the election seeds that the agents
bound when they joined are opened: none could be chosen in sight of another.
"""

from __future__ import annotations

from hmchain.canonical import Record, digest
from hmchain.keys import WrappedKey, WrappingPublicKey
from hmchain.ledger import election
from hmchain.ledger.context import AGENT, SCIENTIST, Context, require, require_digest
from hmchain.ledger.contracts import approvals, round_flow, studies
from hmchain.ledger.state import State, Table

HALF_BYTES = 32
"""Of a half of a pair secret, of a share of the study key, and of an opening seed."""


class Join(Record, frozen=True):
    """A participant's key for this study, and the hash that binds its opening seed."""

    organisation: str
    kem: WrappingPublicKey
    seed_hash: bytes


class Agreement(Record, frozen=True):
    """A participant's halves of the pair secrets and its opening seed."""

    organisation: str
    wrapped: tuple[WrappedKey, ...]
    """One a participant in order, the sender's own left out."""
    opening_seed: bytes


class JoinStudy(Record, frozen=True, tag="join_study"):
    """Transaction (agent): take part, with a key made for this study and a bound seed."""

    study: str
    kem: WrappingPublicKey
    seed_hash: bytes


class AgreePairs(Record, frozen=True, tag="agree_pairs"):
    """Transaction (agent): hand every other participant one's half of the pair secret; open the bound seed."""

    study: str
    wrapped: tuple[WrappedKey, ...]
    opening_seed: bytes


class ResumeStudy(Record, frozen=True, tag="resume_study"):
    """Transaction (scientist of the proposing member): go on with a paused study."""

    study: str


Bodies = JoinStudy | AgreePairs | ResumeStudy

_JOINS = Table("joins", Join)
_AGREEMENTS = Table("agreements", Agreement)


def joins(state: State, name: str) -> list[Join]:
    """Who has joined, in order of organisation."""
    return _JOINS.all(state, name)


def agreements(state: State, name: str) -> list[Agreement]:
    """Who has agreed pairs, in order of organisation."""
    return _AGREEMENTS.all(state, name)


def seed_hash(seed: bytes) -> bytes:
    """What binds a seed before it is revealed."""
    return digest("hmchain bound seed", seed)


def _participant(context: Context, name: str, status: str) -> studies.Study:
    """The study, if the sender is the agent of one of its participants and it is in `status`."""
    context.require_role(AGENT)
    entry = studies.require_study(context.state, name)
    require(entry.status == status, "wrong_phase")
    require(context.sender.organisation in entry.spec.participants, "not_a_participant")
    return entry


def _authorised(context: Context, entry: studies.Study) -> bool:
    specification = entry.progress.specification
    return approvals.authorised(context.state, context.sender.organisation, specification, context.time_ms)


def _join(context: Context, body: JoinStudy) -> None:
    entry = _participant(context, body.study, studies.PROPOSED)
    organisation = context.sender.organisation
    require_digest(body.seed_hash)
    require(body.kem.has_form, "bad_key")  # what is no key at all would keep every other from agreeing
    require(_authorised(context, entry), "not_approved")
    require(_JOINS.get(context.state, body.study, organisation) is None, "already_joined")
    _JOINS.put(context.state, Join(organisation, body.kem, body.seed_hash), body.study, organisation)
    context.emit("study.joined", body.study, organisation)
    if len(joins(context.state, body.study)) == len(entry.spec.uses):
        studies.set_progress(context.state, body.study, status=studies.AGREEING)
        context.emit("study.agreeing", body.study)


def _agree(context: Context, body: AgreePairs) -> None:
    entry = _participant(context, body.study, studies.AGREEING)
    organisation = context.sender.organisation
    require(len(body.opening_seed) == HALF_BYTES, "bad_seed")
    join = _JOINS.get(context.state, body.study, organisation)
    require(join is not None and join.seed_hash == seed_hash(body.opening_seed), "wrong_seed")
    require(len(body.wrapped) == len(entry.spec.uses) - 1, "wrong_count")
    require(all(wrapped.holds(2 * HALF_BYTES) for wrapped in body.wrapped), "bad_key")
    require(_AGREEMENTS.get(context.state, body.study, organisation) is None, "already_agreed")
    agreement = Agreement(organisation, body.wrapped, body.opening_seed)
    _AGREEMENTS.put(context.state, agreement, body.study, organisation)
    context.emit("study.agreed", body.study, organisation)
    agreed = agreements(context.state, body.study)
    if len(agreed) == len(entry.spec.uses):
        studies.set_progress(context.state, body.study, status=studies.RUNNING)
        context.emit("study.opened", body.study)
        round_flow.open_first(context, body.study, election.opening_seed(body.study, [a.opening_seed for a in agreed]))


def _resume(context: Context, body: ResumeStudy) -> None:
    context.require_role(SCIENTIST)
    entry = studies.require_study(context.state, body.study)
    require(entry.progress.proposer == context.sender.organisation, "not_the_proposer")
    require(entry.status == studies.PAUSED, "not_paused")
    studies.set_progress(context.state, body.study, status=studies.RUNNING, setbacks=0)
    context.emit("study.resumed", body.study)
    round_flow.resume(context, body.study)


HANDLERS = {JoinStudy: _join, AgreePairs: _agree, ResumeStudy: _resume}
