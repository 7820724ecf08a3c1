"""Small files that people hand each other: a person's key, a challenge and its answer, a transaction to sign.

None holds a private key. The answer to a challenge holds what the challenge was about, which says nothing any more once
it is answered.
"""

from __future__ import annotations

from pathlib import Path

from hmchain.application.site import network
from hmchain.application.site.network import Introduction
from hmchain.canonical import Record
from hmchain.errors import InputError
from hmchain.keys import WrappedKey
from hmchain.ledger.contracts.members.admission import Possession


class OtherChainError(InputError):
    """A file was made for another network, or another hospital."""

    code = "made_for_another"


class PersonCard(Record, frozen=True):
    """A person's new key, and the proof that somebody holds it."""

    chain_id: str
    organisation: str
    person: str
    key: bytes
    proof: bytes


class Challenge(Record, frozen=True):
    """What a member asks whoever wants to join: open this with the wrapping key."""

    chain_id: str
    challenger: str
    candidate: str
    wrapped: WrappedKey


class Answered(Record, frozen=True):
    """A candidate's answer: its introduction, the secret, and the signatures of its keys."""

    chain_id: str
    introduction: Introduction
    secret: bytes
    proof: Possession


class RecoveryCard(Record, frozen=True):
    """A new steward's key of a hospital that lost its own, and the proof that somebody holds it."""

    chain_id: str
    organisation: str
    former: bytes
    key: bytes
    proof: bytes


class ToSign(Record, frozen=True):
    """A transaction, whole, and its signature once it has one."""

    message: bytes
    signature: bytes


_NAMES: dict[type[Record], str] = {
    PersonCard: "file of a person's key",
    Challenge: "challenge",
    Answered: "answer to a challenge",
    RecoveryCard: "file of a recovery",
    ToSign: "file of a transaction to sign",
}


def save(record: Record, path: Path) -> None:
    """Write a file to hand on: JSON that people can read."""
    network.save_record(record, path)


def load_card(path: Path) -> PersonCard:
    """Read a person's key. Raises `NetworkFileError`."""
    return network.load_record(path, PersonCard, _NAMES[PersonCard])


def read_card(data: bytes) -> PersonCard:
    """The same of a file that was sent. Raises `NetworkFileError`."""
    return network.read_record(data, PersonCard, _NAMES[PersonCard])


def load_challenge(path: Path) -> Challenge:
    """Read a challenge. Raises `NetworkFileError`."""
    return network.load_record(path, Challenge, _NAMES[Challenge])


def load_answer(path: Path) -> Answered:
    """Read the answer to a challenge. Raises `NetworkFileError`."""
    answered = network.load_record(path, Answered, _NAMES[Answered])
    network.require_sound(answered.introduction, path)
    return answered


def load_recovery(path: Path) -> RecoveryCard:
    """Read a recovery. Raises `NetworkFileError`."""
    return network.load_record(path, RecoveryCard, _NAMES[RecoveryCard])


def read_recovery(data: bytes) -> RecoveryCard:
    """The same of a file that was sent. Raises `NetworkFileError`."""
    return network.read_record(data, RecoveryCard, _NAMES[RecoveryCard])


def load_to_sign(path: Path) -> ToSign:
    """Read a transaction to sign. Raises `NetworkFileError`."""
    return network.load_record(path, ToSign, _NAMES[ToSign])


def require_chain(path: Path, named: str, chain_id: str) -> None:
    """Raise `OtherChainError` unless a file was made for this network."""
    if named != chain_id:
        raise OtherChainError(f"{path} was made for the network {named}, and this is {chain_id}", "have it made anew")
