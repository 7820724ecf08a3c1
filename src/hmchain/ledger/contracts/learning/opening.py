"""How a study opens: joining, agreeing pair secrets, confirming them, and the seed of the first election.

A study opens once every participant's steward has approved it and every agent has joined with a key made for this study
alone. Then pair secrets are agreed (each side wraps half of one to the other), and the election seeds that the agents
bound when they joined are opened: none could be chosen in sight of another. Last, all confirm that they derived the
same study key: who was given other halves than the rest would be shut out of every round, and nobody could see why.
A step that does not come about in time, or in agreement, closes the study, and nobody is charged.
"""

from __future__ import annotations

from hmchain.canonical import Record, digest
from hmchain.keys import WrappedKey, WrappingPublicKey
from hmchain.ledger import election, events
from hmchain.ledger.context import AGENT, SCIENTIST, Context, require, require_digest
from hmchain.ledger.contracts.learning import approvals, ending, permitted, round_flow, studies
from hmchain.ledger.contracts.learning.studies import Status, Study
from hmchain.ledger.contracts.members import membership, parameters
from hmchain.ledger.state import State, Table

HALF_BYTES = 32
"""Of a half of a pair secret, of a share of the study key, and of an opening seed."""

KEYS_DIFFER, HALF_BROKEN = "keys_differ", "half_broken"
LAPSED = {
    Status.PROPOSED: "proposal_lapsed",
    Status.AGREEING: "not_agreed_in_time",
    Status.CONFIRMING: "not_confirmed_in_time",
}
"""Why a study was closed that did not open, by the step that did not come about."""


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


class Confirmation(Record, frozen=True):
    """Which study key a participant derived."""

    organisation: str
    key_hash: bytes


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


class ConfirmPairs(Record, frozen=True, tag="confirm_pairs"):
    """Transaction (agent): every half opened, and this is the hash of the study key that they give."""

    study: str
    key_hash: bytes
    """32 bytes; empty where a half did not open, which closes the study."""


class ResumeStudy(Record, frozen=True, tag="resume_study"):
    """Transaction (scientist of the proposing member, or of any participant where that one is gone): go on."""

    study: str


Bodies = JoinStudy | AgreePairs | ConfirmPairs | ResumeStudy

_JOINS = Table("joins", Join)
_AGREEMENTS = Table("agreements", Agreement)
_CONFIRMATIONS = Table("confirmations", Confirmation)


def joins(state: State, name: str) -> list[Join]:
    """Who has joined, in order of organisation."""
    return _JOINS.all(state, name)


def agreements(state: State, name: str) -> list[Agreement]:
    """Who has agreed pairs, in order of organisation."""
    return _AGREEMENTS.all(state, name)


def confirmations(state: State, name: str) -> list[Confirmation]:
    """Who has confirmed the study key, in order of organisation."""
    return _CONFIRMATIONS.all(state, name)


def seed_hash(seed: bytes) -> bytes:
    """What binds a seed before it is revealed."""
    return digest("hmchain bound seed", seed)


def lapse(context: Context, study: Study) -> None:
    """Close a study whose step of opening is over its time, and enough blocks for everyone; refuse `not_due`.

    One that lost a permit for good, which it needs, waits for no deadline.
    """
    if permitted.is_lost(context.state, study, context.time_ms):
        ending.end(context, study, None, permitted.PERMIT_OVER)
        return
    progress = study.progress
    is_over = context.time_ms > progress.deadline_ms
    require(is_over and round_flow.has_heard_all(context, progress.since_height), "not_due")
    ending.end(context, study, None, LAPSED[study.status])


def _participant(context: Context, name: str, status: Status) -> Study:
    """The study, if the sender is the agent of one of its participants and it is in `status`."""
    context.require_role(AGENT)
    entry = studies.require_study(context.state, name)
    require(entry.status == status, "wrong_phase")
    require(context.sender.organisation in entry.spec.participants, "not_a_participant")
    return entry


def _authorised(context: Context, entry: Study) -> bool:
    specification = entry.progress.specification
    return approvals.authorised(context.state, context.sender.organisation, specification, context.time_ms)


def _step(context: Context, name: str, status: Status) -> None:
    """Begin a step of opening, with a deadline of its own."""
    span_ms = parameters.current(context.state).agreement_ms
    studies.set_progress(context.state, name, status=status, since=(context.height, context.time_ms + span_ms))


def _join(context: Context, body: JoinStudy) -> None:
    entry = _participant(context, body.study, Status.PROPOSED)
    organisation = context.sender.organisation
    require_digest(body.seed_hash)
    require(body.kem.has_form, "bad_key")  # what is no key at all would keep every other from agreeing
    require(_authorised(context, entry), "not_approved")
    require(_JOINS.get(context.state, body.study, organisation) is None, "already_joined")
    _JOINS.put(context.state, Join(organisation, body.kem, body.seed_hash), body.study, organisation)
    context.emit(events.StudyJoined(body.study, organisation))
    if len(joins(context.state, body.study)) == len(entry.spec.uses):
        _step(context, body.study, Status.AGREEING)
        context.emit(events.StudyAgreeing(body.study))


def _agree(context: Context, body: AgreePairs) -> None:
    entry = _participant(context, body.study, Status.AGREEING)
    organisation = context.sender.organisation
    permitted.require_permit(context, entry)
    require(len(body.opening_seed) == HALF_BYTES, "bad_seed")
    join = _JOINS.get(context.state, body.study, organisation)
    require(join is not None and join.seed_hash == seed_hash(body.opening_seed), "wrong_seed")
    require(len(body.wrapped) == len(entry.spec.uses) - 1, "wrong_count")
    require(all(wrapped.holds(2 * HALF_BYTES) for wrapped in body.wrapped), "bad_key")
    require(_AGREEMENTS.get(context.state, body.study, organisation) is None, "already_agreed")
    agreement = Agreement(organisation, body.wrapped, body.opening_seed)
    _AGREEMENTS.put(context.state, agreement, body.study, organisation)
    context.emit(events.PairsAgreed(body.study, organisation))
    if len(agreements(context.state, body.study)) == len(entry.spec.uses):
        _step(context, body.study, Status.CONFIRMING)
        context.emit(events.StudyConfirming(body.study))


def _confirm(context: Context, body: ConfirmPairs) -> None:
    entry = _participant(context, body.study, Status.CONFIRMING)
    organisation = context.sender.organisation
    permitted.require_permit(context, entry)
    require(len(body.key_hash) in (0, 32), "bad_digest")
    require(_CONFIRMATIONS.get(context.state, body.study, organisation) is None, "already_confirmed")
    _CONFIRMATIONS.put(context.state, Confirmation(organisation, body.key_hash), body.study, organisation)
    context.emit(events.PairsConfirmed(body.study, organisation))
    said = confirmations(context.state, body.study)
    if not body.key_hash:
        ending.end(context, entry, None, HALF_BROKEN)
    elif len({confirmation.key_hash for confirmation in said}) > 1:
        ending.end(context, entry, None, KEYS_DIFFER)
    elif len(said) == len(entry.spec.uses):
        _open(context, body.study)


def _open(context: Context, name: str) -> None:
    studies.set_progress(context.state, name, status=Status.RUNNING, since=(context.height, 0))
    context.emit(events.StudyOpened(name))
    seeds = [agreement.opening_seed for agreement in agreements(context.state, name)]
    round_flow.open_first(context, name, election.opening_seed(name, seeds))


def _resume(context: Context, body: ResumeStudy) -> None:
    context.require_role(SCIENTIST)
    entry = studies.require_study(context.state, body.study)
    proposer, sender = entry.progress.proposer, context.sender.organisation
    is_orphan = not membership.is_active(context.state, proposer)
    require(sender == proposer or (is_orphan and sender in entry.spec.participants), "not_the_proposer")
    require(entry.status == Status.PAUSED, "not_paused")
    studies.set_progress(context.state, body.study, status=Status.RUNNING, setbacks=0)
    context.emit(events.StudyResumed(body.study))
    round_flow.resume(context, body.study)


HANDLERS = {JoinStudy: _join, AgreePairs: _agree, ConfirmPairs: _confirm, ResumeStudy: _resume}
