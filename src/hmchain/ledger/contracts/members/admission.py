"""Admission by proof: whoever is proposed as a member has shown that it holds every key, and so does a recovered key.

The four keys that sign do so over the member's record. The wrapping key can only open: it opens what the proposing
member wrapped to it, and what came out is bound, by its digest, into the signatures. The ledger cannot wrap and repeat;
that the challenge was one, and was answered, is the proposer's word, which stands there by name.
"""

from __future__ import annotations

from hmchain.canonical import Record, digest, encode
from hmchain.keys import ED25519, PublicKey
from hmchain.ledger import people_events as events
from hmchain.ledger import phrases
from hmchain.ledger.blocks import Height
from hmchain.ledger.context import STEWARD, Context, require, require_digest
from hmchain.ledger.contracts.members import membership, recovery
from hmchain.ledger.contracts.members.membership import (
    SIGNING_ROLES,
    TITLE_CHARACTERS_MAX,
    Admit,
    Member,
    ProposeAction,
    VoteAction,
)
from hmchain.ledger.contracts.members.recovery import Recover
from hmchain.ledger.state import State, Table
from hmchain.ledger.transactions import Refusal

TITLE_WORDS_MAX = 12
"""Of an organisation's title, which its members read before they vote."""


class Possession(Record, frozen=True):
    """A new member's proof that it holds its keys: signatures of `admission_bytes`, 64 bytes each."""

    steward: bytes
    scientist: bytes
    agent: bytes
    validator: bytes
    answer: bytes
    """Digest (32 bytes) of the secret that the proposing member wrapped to the wrapping key."""


class ProposeAdmission(Record, frozen=True, tag="propose_admission"):
    """Transaction (steward): put an admission to the vote, with the proof that the keys are the candidate's.

    Where the same admission is before the members already, the proof is added and the proposer votes yes.
    """

    member: Member
    proof: Possession


class Proven(Record, frozen=True):
    """A candidate whose keys were proven, and the member that challenged the wrapping key."""

    organisation: str
    challenger: str
    answer: bytes
    height: Height


_PROVEN = Table("proven_candidates", Proven)
"""By the digest of the member's record."""

Bodies = ProposeAdmission


def admission_bytes(chain_id: str, member: Member, answer: bytes) -> bytes:
    """What each of a candidate's keys signs: the chain, all that it will be known by, and the challenge's answer."""
    return digest("hmchain admission", chain_id.encode(), encode(member), answer)


def answer_digest(secret: bytes) -> bytes:
    """How the secret of a challenge stands on the ledger."""
    return digest("hmchain admission answer", secret)


def proven(state: State, member: Member) -> Proven | None:
    """Who vouches for a candidate's wrapping key; None if its keys were not proven."""
    return _PROVEN.get(state, _digest(member))


def _digest(member: Member) -> bytes:
    return digest("hmchain member", encode(member))


def _propose_admission(context: Context, body: ProposeAdmission) -> None:
    context.require_role(STEWARD)
    member, proof = body.member, body.proof
    require(phrases.is_phrase(member.title, TITLE_CHARACTERS_MAX, TITLE_WORDS_MAX), "bad_title")
    require_digest(proof.answer)
    signed = admission_bytes(context.chain_id, member, proof.answer)
    for role in SIGNING_ROLES:
        key = PublicKey(ED25519, getattr(member, role))
        require(key.verify(getattr(proof, role), signed), "bad_proof_of_possession")
    state, challenger = context.state, context.sender.organisation
    if proven(state, member) is None:  # whoever copies a proof later takes nobody's name off it
        _PROVEN.put(state, Proven(member.organisation, challenger, proof.answer, context.height), _digest(member))
    context.emit(events.KeysProven(member.organisation, challenger, proof.answer))
    known = membership.open_ballot(state, Admit(member), context.time_ms)
    ballot = membership.ballot(state, known) if known is not None else None
    if known is None or ballot is None:
        membership.propose(context, ProposeAction(Admit(member)))
    elif challenger not in ballot.yes:
        membership.vote(context, VoteAction(known))


def _propose(context: Context, body: ProposeAction) -> None:
    context.require_role(STEWARD)
    action = body.action
    if isinstance(action, Admit):
        membership.require_possible(context.state, action, context.height, context.time_ms)
        raise Refusal("unproven_keys")
    if isinstance(action, Recover):
        proven_bytes = recovery.recovery_bytes(context.chain_id, action.organisation, action.former, action.key)
        require(PublicKey(ED25519, action.key).verify(action.proof, proven_bytes), "bad_proof_of_possession")
    membership.propose(context, body)


def _vote(context: Context, body: VoteAction) -> None:
    ballot = membership.ballot(context.state, body.ballot)
    if ballot is not None and isinstance(ballot.action, Admit):  # one that was opened before proofs were asked for
        require(proven(context.state, ballot.action.member) is not None, "unproven_keys")
    membership.vote(context, body)


HANDLERS = {ProposeAdmission: _propose_admission, ProposeAction: _propose, VoteAction: _vote}
