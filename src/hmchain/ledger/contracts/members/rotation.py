"""Rotation of keys: an organisation's steward replaces one of its public keys; the old one is refused from then on.

Only the steward's key signs a rotation, its own included: a stolen role key must not be able to replace itself. The new
key signs too, so that nobody claims a key that is not theirs. Reputation belongs to the organisation and stays with it;
what an old validator key signed while it had power can still end its owner as a validator.
"""

from __future__ import annotations

from hmchain.canonical import Record, digest
from hmchain.keys import ED25519, PublicKey, WrappingPublicKey
from hmchain.ledger import events
from hmchain.ledger.context import AGENT, SCIENTIST, STEWARD, VALIDATOR, Acting, Context, Credential, require
from hmchain.ledger.contracts.members import membership, people, standings, upgrades
from hmchain.ledger.transactions import Refusal


class RotateKey(Record, frozen=True, tag="rotate_key"):
    """Transaction (steward): from now on this key signs in the role; a validator's power follows two blocks later."""

    role: str
    """Steward, scientist, agent or validator."""
    key: bytes
    """The new public key, 32 bytes (Ed25519); one that nobody ever had."""
    proof: bytes
    """The new key's signature of `rotation_bytes`, 64 bytes."""


class RotateWrappingKey(Record, frozen=True, tag="rotate_wrapping_key"):
    """Transaction (steward): secrets for the organisation are wrapped to this key from now on.

    A key that only opens cannot sign for itself. Who publishes another's key harms itself alone: what is meant for it
    opens elsewhere.
    """

    key: WrappingPublicKey


Bodies = RotateKey | RotateWrappingKey


def rotation_bytes(chain_id: str, organisation: str, role: str, former: bytes, key: bytes) -> bytes:
    """What a new key signs to show that its owner takes it up, once, in place of the key `former`."""
    return digest("hmchain key rotation", chain_id.encode(), organisation.encode(), role.encode(), former, key)


def _require_holder(context: Context, role: str = "") -> None:
    """Whose word replaces a key: the steward's office's, or for the keys of machines an officer's.

    Persons' keys are `enrolment`'s. Where there are two officers the scientist's office is too: it would give the one
    that replaces its key a second self.
    """
    sender = context.sender
    if isinstance(sender, Acting):
        require(people.is_officer(sender) and role not in people.OFFICES, "wrong_role")
        return
    context.require_role(STEWARD)
    alone = len(people.officers(context.state, sender.organisation)) < 2
    require(role != SCIENTIST or alone, "takes_two_officers")


def _rotate(context: Context, body: RotateKey) -> None:
    _require_holder(context, body.role)
    require(body.role in membership.SIGNING_ROLES, "bad_role")
    owner = Credential(context.sender.organisation, body.role)
    former = membership.change_key(context.state, owner, body.key)
    proven = rotation_bytes(context.chain_id, owner.organisation, owner.role, former, body.key)
    require(PublicKey(ED25519, body.key).verify(body.proof, proven), "bad_proof_of_possession")
    if owner.role == VALIDATOR:
        standings.hand_over(context, owner.organisation, former)
    if owner.role == AGENT and upgrades.has_sharing(context.state):
        people.cut_off(context.state, people.PersonRef(owner.organisation, AGENT), context.time_ms)
    context.emit(events.KeyRotated(owner.organisation, owner.role, body.key))


def _rotate_wrapping(context: Context, body: RotateWrappingKey) -> None:
    _require_holder(context)
    organisation, key = context.sender.organisation, body.key
    require(key.has_form, "bad_key")
    entry = membership.membership(context.state, organisation)
    if entry is None:
        raise Refusal("not_a_member")
    require(entry.member.wrapping != key, "key_taken")
    membership.change_wrapping_key(context.state, organisation, key)
    context.emit(events.KeyRotated(organisation, "wrapping", digest("hmchain wrapping key", key.mlkem, key.x25519)))


HANDLERS = {RotateKey: _rotate, RotateWrappingKey: _rotate_wrapping}
