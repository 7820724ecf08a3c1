"""A hospital that joins a running network shows that it holds its keys: a file there, and a file back."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from pathlib import Path

from hmchain import files
from hmchain.application.governance import members
from hmchain.application.governance.delegate import LedgerUser
from hmchain.application.governance.members import Motion
from hmchain.application.site import exchanged, network
from hmchain.application.site.exchanged import Answered, Challenge, OtherChainError
from hmchain.application.site.keyring import Keyring
from hmchain.application.site.network import Introduction
from hmchain.application.site.node import NodeFolder
from hmchain.canonical import NotCanonicalError, Record, decode, digest, encode
from hmchain.errors import InputError
from hmchain.keys import WrappingPublicKey
from hmchain.ledger.contracts.members import upgrades
from hmchain.ledger.contracts.members.admission import Possession, admission_bytes, answer_digest
from hmchain.ledger.contracts.members.membership import SIGNING_ROLES, Member

_SECRET_BYTES = 32


class WrongAnswerError(InputError):
    """An answer is to no challenge of this hospital, or not what was in it."""

    code = "wrong_answer"


class NoProofError(InputError):
    """The network admits a hospital only with the proof of its keys."""

    code = "no_proof"


@dataclass(frozen=True)
class Challenged:
    """A challenge that waits in a file for the candidate."""

    candidate: Introduction
    file: Path


@dataclass(frozen=True)
class AnswerMade:
    """A candidate's answer, in a file for the member that asked."""

    organisation: str
    challenger: str
    file: Path


def _info(chain_id: str, candidate: str) -> bytes:
    return digest("hmchain admission challenge", chain_id.encode(), candidate.encode())


class _Expected(Record, frozen=True, tag="challenged"):
    """What this hospital asked a candidate: the digest of the right answer, and the key that alone can give it."""

    answer: bytes
    wrapping: WrappingPublicKey


def _place(folder: NodeFolder, candidate: str) -> Path:
    return folder.challenges / candidate


def _expected(folder: NodeFolder, candidate: str) -> _Expected | None:
    try:
        return decode(_place(folder, candidate).read_bytes(), _Expected)
    except (OSError, NotCanonicalError):
        return None


def challenge(folder: NodeFolder, member_file: Path, target: Path) -> Challenged:
    """Ask a candidate to open something with its wrapping key. Raises `NetworkFileError` and `NotJoinedError`."""
    newcomer = network.load_introduction(member_file)
    organisation, chain_id = folder.settings().organisation, folder.joined().genesis.chain_id
    name, secret = newcomer.member.organisation, secrets.token_bytes(_SECRET_BYTES)
    wrapped = newcomer.member.wrapping.wrap(secret, _info(chain_id, name))
    asked = encode(_Expected(answer_digest(secret), newcomer.member.wrapping))
    files.write_whole(_place(folder, name), asked, durable=True, mode=files.PRIVATE)
    exchanged.save(Challenge(chain_id, organisation, name, wrapped), target)
    return Challenged(newcomer, target)


def answer(folder: NodeFolder, challenge_file: Path, target: Path, passphrase: str | None) -> AnswerMade:
    """Answer a member's challenge with all keys of this node.

    Raises `NetworkFileError`, `OtherChainError` for a challenge to another hospital or of another network than the one
    that was joined, `UnwrapError`, and what opening keys raises.
    """
    asked, own = exchanged.load_challenge(challenge_file), network.load_introduction(folder.introduction)
    name = own.member.organisation
    if asked.candidate != name:
        raise OtherChainError(f"{challenge_file} challenges {asked.candidate}, and this is {name}", "ask for yours")
    if folder.network.exists():
        exchanged.require_chain(challenge_file, asked.chain_id, folder.joined().genesis.chain_id)
    keys = Keyring.load(folder.keys, passphrase)
    secret = keys.wrapping.unwrap(asked.wrapped, _info(asked.chain_id, name))
    signed = admission_bytes(asked.chain_id, own.member, answer_digest(secret))
    steward, scientist, agent, validator = (getattr(keys, role).sign(signed) for role in SIGNING_ROLES)
    proof = Possession(steward, scientist, agent, validator, answer_digest(secret))
    exchanged.save(Answered(asked.chain_id, own, secret, proof), target)
    return AnswerMade(name, asked.challenger, target)


@dataclass(frozen=True)
class Candidate:
    """Who wants to join, and the proof of its keys where it gave one."""

    introduction: Introduction
    proof: Possession | None

    @property
    def member(self) -> Member:
        """What the ledger is to know of it."""
        return self.introduction.member


def candidate(folder: NodeFolder, path: Path) -> Candidate:
    """The candidate of an answer to this hospital's challenge, or of a member file alone.

    Raises `NetworkFileError`, `OtherChainError` and `WrongAnswerError`.
    """
    try:
        found = exchanged.load_answer(path)
    except network.NetworkFileError:
        return Candidate(network.load_introduction(path), None)
    exchanged.require_chain(path, found.chain_id, folder.joined().genesis.chain_id)
    name, given = found.introduction.member.organisation, answer_digest(found.secret)
    # By the key that was asked: a candidate could open with one that it holds, and then name somebody else's.
    if found.proof.answer != given or _expected(folder, name) != _Expected(given, found.introduction.member.wrapping):
        what = f"{path} is no answer to what this node asked {name}"
        raise WrongAnswerError(what, f"ask anew: `hmchain network challenge {name}.json`")
    return Candidate(found.introduction, found.proof)


def motion(steward: LedgerUser, found: Candidate) -> Motion:
    """The motion that a candidate joins. Raises `NoProofError` where rules ask for one, or `UselessProposalError`."""
    needed = upgrades.has_requests(steward.state)
    if needed and found.proof is None:
        name = found.member.organisation
        what = f"nobody has shown that {name} holds its keys, and this network admits nobody without"
        raise NoProofError(what, f"challenge it: `hmchain network challenge {name}.json`")
    return members.admission(steward, found.member, found.proof if needed else None)
