"""What a hospital's people sent to the ledger and no block has decided yet: kept in the node's folder.

A transaction that is in no block when its command ends is not refused. Until it expires it may still come into one, by
the time of blocks, which stands while the network does. So it is kept from before it is sent until what became of it is
known.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import msgspec
from msgspec.structs import replace

from hmchain import decoding, files
from hmchain.application.learning.pinned import pin_training, read_training
from hmchain.application.node import (
    incident_words,
    people_words,
    release_words,
    request_words,
    transfer_words,
)
from hmchain.application.node.link import require_own
from hmchain.application.site.node import NodeFolder
from hmchain.canonical import Record, decode
from hmchain.clock import DAY_MS, HOUR_MS, MINUTE_MS, now_ms, utc
from hmchain.errors import LedgerError
from hmchain.ledger import contracts
from hmchain.ledger import genesis as genesis_file
from hmchain.ledger.blocks import OK
from hmchain.ledger.contracts.data.datasets import PublishVersion, RegisterDataset, WithdrawVersion
from hmchain.ledger.contracts.data.deciding import ApproveRequest
from hmchain.ledger.contracts.data.policies import ConfirmPolicy, SetPolicy, WithdrawPolicy
from hmchain.ledger.contracts.learning.approvals import ApproveStudy, RefuseStudy, RevokeApproval
from hmchain.ledger.contracts.learning.closing import CloseStudy
from hmchain.ledger.contracts.learning.counting import ProposeCount
from hmchain.ledger.contracts.learning.opening import ResumeStudy
from hmchain.ledger.contracts.learning.permitted import ProposeUnderPermit
from hmchain.ledger.contracts.learning.studies import ProposeStudy
from hmchain.ledger.contracts.members.admission import ProposeAdmission
from hmchain.ledger.contracts.members.anchors import AnchorLog, RestoreLog
from hmchain.ledger.contracts.members.enrolment import InvitePerson, ReplaceKey
from hmchain.ledger.contracts.members.incidents import OpenIncident
from hmchain.ledger.contracts.members.maintenance import AnnounceMaintenance
from hmchain.ledger.contracts.members.membership import Admit, ProposeAction, Remove, VoteAction, WithdrawVote
from hmchain.ledger.contracts.members.recovery import Recover
from hmchain.ledger.contracts.members.rotation import RotateKey, RotateWrappingKey
from hmchain.ledger.contracts.members.standings import Unjail
from hmchain.ledger.contracts.members.upgrades import CallOff, Upgrade
from hmchain.ledger.engines.block_store import BlockStore
from hmchain.ledger.engines.cometbft.light import LightProofError, milliseconds
from hmchain.ledger.engines.cometbft.rpc import RpcClient
from hmchain.ledger.engines.ledger import EXPIRY_MS
from hmchain.ledger.transactions import Refusal, SignedTransaction, authenticate, transaction_digest

SHOWN_MS = DAY_MS
"""What became of a transaction is shown for so long after its expiry."""
_ANSWER_SECONDS = 2.0
_FAMILIES = (people_words, request_words, transfer_words, release_words, incident_words)
"""Each says what its transactions ask for, and what they are about."""


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    sent_ms: int
    wire: bytes


@dataclass(frozen=True)
class Kept:
    """A transaction in the node's folder, as it was signed."""

    wire: bytes
    body: Record
    sender: bytes
    """The public key that signed it."""
    sent_ms: int
    expires_ms: int

    @property
    def digest(self) -> bytes:
        """The transaction's name."""
        return transaction_digest(self.wire)

    @property
    def words(self) -> str:
        """What was asked for."""
        return words(self.body)

    @property
    def about(self) -> str:
        """What it is about: see `about`."""
        return about(self.body)

    @property
    def is_of_a_study(self) -> bool:
        """True of what a study's people decide."""
        return _is_of_a_study(self.about)

    @property
    def is_of_a_request(self) -> bool:
        """True of what people ask and decide in requests."""
        return _is_of_a_request(self.about)

    @property
    def is_voted_on(self) -> bool:
        """True of what the members vote on."""
        return _is_voted_on(self.about)


class Outcome(StrEnum):
    """What became of a transaction."""

    UNDECIDED = "undecided"
    DONE = "done"
    REFUSED = "refused"
    EXPIRED = "expired"
    """It came into no block, and can come into none any more."""


@dataclass(frozen=True)
class Sent:
    """A transaction that was undecided when its command ended, for people."""

    transaction: bytes
    what: str
    about: str
    """The study, ballot or member that it is about."""
    sent_ms: int
    expires_ms: int
    outcome: Outcome
    refusal: str = ""
    height: int = 0
    """Of its block."""

    def __str__(self) -> str:
        at = utc(self.sent_ms)[11:16]
        match self.outcome:
            case Outcome.UNDECIDED:
                return f"{self.what}: sent at {at}, not decided; {may_come(self.expires_ms)}"
            case Outcome.DONE:
                return f"{self.what}: sent at {at}, done in block {self.height}"
            case Outcome.REFUSED:
                return f"{self.what}: sent at {at}, refused in block {self.height}: {self.refusal}"
            case _:
                return f"{self.what}: sent at {at}, came into no block and can come no more"


def may_come(expires_ms: int) -> str:
    """How long an undecided transaction may still come into a block, in words."""
    at = f"{utc(expires_ms)[11:16]} UTC"
    if now_ms() < expires_ms:
        return f"it may still come into one until {at}"
    return f"it may still come into one when blocks come again: their time stands, and it expires at {at} of that"


# -- the folder --------------------------------------------------------------------------------------------------------


def keep(folder: NodeFolder, wire: bytes, body: Record, sent_ms: int) -> Kept:
    """Write a transaction of this body down before it is sent; on disk when this returns."""
    content = msgspec.json.encode(_File(sent_ms, wire))
    files.write_whole(_place(folder, wire), content, durable=True, mode=files.PRIVATE)
    fields = decode(wire, SignedTransaction).transaction
    return Kept(wire, body, fields.sender, sent_ms, fields.expires_ms)


def forget(folder: NodeFolder, wire: bytes) -> None:
    """Its outcome is known, or it was never taken."""
    _place(folder, wire).unlink(missing_ok=True)


def _place(folder: NodeFolder, wire: bytes) -> Path:
    return folder.sent / f"{transaction_digest(wire).hex()}.json"


def kept(folder: NodeFolder, chain_id: str, time_ms: int) -> list[Kept]:
    """All that is kept, in the order in which it was sent.

    What is no such file is passed over: a name, a signature or a chain that does not fit, or an expiry further from
    when it was sent, or from now, than the ledger allows.
    """
    found = (each for each in _read(folder.sent, chain_id) if each.expires_ms <= time_ms + HOUR_MS)
    return sorted(found, key=lambda each: each.sent_ms)


def _read(directory: Path, chain_id: str) -> Iterator[Kept]:
    for path in sorted(directory.glob("*.json")):
        with suppress(OSError, msgspec.DecodeError, UnicodeDecodeError, Refusal):
            file = decoding.from_json(path.read_bytes(), _File)
            found = _taken(file.wire, chain_id, file.sent_ms)
            named = path.stem == found.digest.hex()
            if named and 0 <= found.sent_ms <= found.expires_ms <= found.sent_ms + HOUR_MS:
                yield found


def _taken(wire: bytes, chain_id: str, sent_ms: int) -> Kept:
    """A transaction whose form, chain and signature hold. Raises `Refusal`."""
    fields = authenticate(wire, chain_id).transaction
    return Kept(wire, contracts.decode_body(fields.body), fields.sender, sent_ms, fields.expires_ms)


# -- what became of it -------------------------------------------------------------------------------------------------


def look(folder: NodeFolder) -> tuple[Sent, ...]:
    """What was undecided when its command ended, and what became of it as far as this node knows."""
    if not any(folder.sent.glob("*.json")):
        return ()
    try:
        chain_id = genesis_file.load(folder.genesis).chain_id
    except LedgerError:  # nothing was sent anywhere
        return ()
    time_ms = block_time_ms(folder)
    found = kept(folder, chain_id, max(time_ms, now_ms()))
    shown = (_sent(folder, each, time_ms) for each in found)
    return tuple(each for each in shown if time_ms < each.expires_ms + SHOWN_MS)


def about_studies(folder: NodeFolder) -> tuple[Sent, ...]:
    """Of what `look` finds, that which is about studies."""
    return tuple(each for each in look(folder) if _is_of_a_study(each.about))


def about_requests(folder: NodeFolder) -> tuple[Sent, ...]:
    """Of what `look` finds, that which is about requests."""
    return tuple(each for each in look(folder) if _is_of_a_request(each.about))


def about_the_network(folder: NodeFolder) -> tuple[Sent, ...]:
    """Of what `look` finds, that which the members vote on."""
    return tuple(each for each in look(folder) if _is_voted_on(each.about))


def _is_of_a_study(about: str) -> bool:
    return about.startswith("study ")


def _is_of_a_request(about: str) -> bool:
    return about.startswith("request ")


def _is_voted_on(about: str) -> bool:
    return about.startswith(("ballot ", "member ", "the network's "))


def _sent(folder: NodeFolder, each: Kept, time_ms: int) -> Sent:
    height, code = outcome(folder, each.digest) or (0, "")
    found = Outcome.EXPIRED if time_ms >= each.expires_ms else Outcome.UNDECIDED
    if code:
        found = Outcome.DONE if code == OK else Outcome.REFUSED
    refusal = code if found is Outcome.REFUSED else ""
    return Sent(each.digest, each.words, each.about, each.sent_ms, each.expires_ms, found, refusal, height)


def outcome(folder: NodeFolder, digest: bytes) -> tuple[int, str] | None:
    """Height and receipt of a transaction in this node's log of blocks; None if it is in none."""
    try:
        log = BlockStore(folder.blocks, read_only=True)
    except LedgerError:  # no block yet, or the node makes its log anew
        return None
    with closing(log):
        located = log.located(digest)
        if located is None:
            return None
        stored, position = located
        stored.check(log.path)
        return stored.height, stored.result.receipts[position].code


def block_time_ms(folder: NodeFolder) -> int:
    """The time of the last block that the node has: nothing that expires by then can come into a later one."""
    with (
        suppress(LedgerError, LightProofError),
        RpcClient([folder.settings().rpc_url], timeout_seconds=_ANSWER_SECONDS) as client,
    ):
        answer = client.status()
        require_own(folder, answer)
        return milliseconds(answer.sync_info.latest_block_time)
    with suppress(LedgerError), closing(BlockStore(folder.blocks, read_only=True)) as log:
        return max((stored.block.header.time_ms for stored in log.newest(1)), default=0)
    return 0


# -- in words ----------------------------------------------------------------------------------------------------------


def same(one: Record, other: Record) -> bool:
    """True of two bodies that ask for the same, as one command gives them minutes apart."""
    (first, first_ms), (second, second_ms) = _timeless(one), _timeless(other)
    return first == second and abs(first_ms - second_ms) < EXPIRY_MS


def _timeless(body: Record) -> tuple[Record, int]:
    """A body without what follows from when and how often it was asked for, and the moment that does."""
    match body:
        case ProposeStudy(spec=spec) | ProposeUnderPermit(spec=spec):
            return replace(body, spec=replace(spec, training=_unplaced(spec.training))), 0
        case ApproveStudy():
            return replace(body, expires_ms=0), body.expires_ms
        case ApproveRequest():
            return replace(body, until_ms=0), body.until_ms
        case AnnounceMaintenance():
            return replace(body, from_ms=0), body.from_ms
        case ProposeAction(action=Upgrade() as action):
            return replace(body, action=replace(action, after_ms=0)), action.after_ms
        case RotateKey() | InvitePerson() | ReplaceKey():
            return replace(body, proof=b""), 0
        case OpenIncident():
            return replace(body, detected_ms=0), body.detected_ms
    return body, 0


def _unplaced(training: bytes) -> bytes:
    """The same without the place of the description: sealed again it lies elsewhere, and its digest is the same."""
    pinned = read_training(training)
    if pinned.words is None:
        return training
    words = replace(pinned.words, object=b"", size=0)
    return pin_training(pinned.plan, trainer=pinned.trainer, words=words)


def about(body: Record) -> str:
    """The study, ballot or member that a transaction is about: two that are about the same may contradict each other.

    Empty for what contradicts nothing.
    """
    match body:
        case ApproveStudy() | RefuseStudy() | RevokeApproval() | CloseStudy() | ResumeStudy() | ProposeCount():
            return f"study {body.study}"
        case ProposeStudy() | ProposeUnderPermit():
            return f"study {body.spec.name}"
        case VoteAction() | WithdrawVote():
            return f"ballot {body.ballot.hex()[:12]}"
        case ProposeAction(action=Admit(member=member)) | ProposeAdmission(member=member):
            return f"member {member.organisation}"
        case ProposeAction(action=Remove(organisation=organisation) | Recover(organisation=organisation)):
            return f"member {organisation}"
        case ProposeAction(action=Upgrade() | CallOff()):
            return "the network's rules"
        case ProposeAction():
            return "the network's parameters"
        case AnnounceMaintenance() | Unjail():
            return "this node's votes"
        case SetPolicy() | ConfirmPolicy() | WithdrawPolicy():
            return f"the policy of {body.dataset}"
    return next(filter(None, (each.about(body) for each in _FAMILIES)), "")


def words(body: Record) -> str:
    """What a transaction asks for, as its sender would say it."""
    match body:
        case ApproveStudy():
            return f"approve study {body.study} until {utc(body.expires_ms)[:16]} UTC"
        case RefuseStudy():
            return f"refuse study {body.study} ({body.reason})"
        case RevokeApproval():
            return f"revoke the approval of study {body.study}"
        case CloseStudy():
            return f"close study {body.study}"
        case ResumeStudy():
            return f"resume study {body.study}"
        case ProposeStudy():
            return f"propose study {body.spec.name}"
        case ProposeUnderPermit():
            return f"propose study {body.spec.name} under the permit of request {body.request}"
        case ProposeCount():
            return f"count {body.study} under the permit of request {body.request}: each hospital's budget pays for it"
        case AnnounceMaintenance():
            return f"maintenance of {body.length_ms // MINUTE_MS} min"
        case Unjail():
            return "unjail this node"
        case AnchorLog():
            return f"anchor the log of security events at event {body.size} ({body.head.hex()[:12]})"
        case RestoreLog():
            return f"say that the log of security events lost all after event {body.kept}, and went on"
        case VoteAction():
            return f"vote for ballot {body.ballot.hex()[:12]}"
        case WithdrawVote():
            return f"take back the vote for ballot {body.ballot.hex()[:12]}"
        case ProposeAction():
            return f"propose to {_action(body)}"
        case RegisterDataset():
            return f"register dataset {body.name}"
        case PublishVersion():
            return f"publish {body.dataset} version {body.version}"
        case WithdrawVersion():
            return f"withdraw {body.dataset} version {body.version}"
        case SetPolicy(terms=terms):
            return f"set the policy of {body.dataset} to {terms.digest.hex()[:12]}"
        case ConfirmPolicy(terms=terms):
            return f"confirm the policy of {body.dataset}, {terms.hex()[:12]}"
        case WithdrawPolicy():
            return f"withdraw the policy of {body.dataset} that waits"
        case RotateKey():
            return f"rotate the {body.role}'s key"
        case RotateWrappingKey():
            return "rotate the wrapping key"
    return next(filter(None, (each.words(body) for each in _FAMILIES)), str(body.__struct_config__.tag))


def _action(body: ProposeAction) -> str:
    match body.action:
        case Admit(member=member):
            return f"admit {member.organisation}"
        case Remove(organisation=organisation):
            return f"remove {organisation}"
        case Upgrade(protocol=protocol):
            return f"follow protocol {protocol}"
        case CallOff(protocol=protocol):
            return f"call off protocol {protocol}"
        case Recover(organisation=organisation):
            return f"give {organisation} another steward's key, since its own is lost"
    return "set other parameters"
