"""Events of the ledger, a class a kind: what happened, by the names of what it is about.

Contracts emit them; in receipts and blocks they stand as `blocks.Event`, a kind and texts in the order of the fields
(digests and keys in hex, numbers in decimal). Whoever reads them decodes them, and never counts places.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from functools import cache
from typing import Any, ClassVar, get_type_hints

from hmchain.errors import LedgerError
from hmchain.ledger.blocks import Event

KINDS: dict[str, type[LedgerEvent]] = {}
"""Every kind there is, by its name on the ledger."""


class MalformedEventError(LedgerError):
    """An event has other fields than its kind."""

    code = "malformed_event"


@dataclass(frozen=True)
class LedgerEvent:
    """Something that happened in a block, for agents and pages to act on."""

    kind: ClassVar[str]

    def __init_subclass__(cls, *, kind: str = "") -> None:
        """A class without a kind is only what several have in common."""
        if kind:
            cls.kind, KINDS[kind] = kind, cls

    def encode(self) -> Event:
        """What stands in a receipt or block."""
        texts: list[str] = []
        for value in vars(self).values():  # in order of the fields
            texts += value if isinstance(value, tuple) else [value.hex() if isinstance(value, bytes) else str(value)]
        return Event(self.kind, tuple(texts))


def decode(event: Event) -> LedgerEvent | None:
    """The event by its names; None if this version does not know its kind. Raises `MalformedEventError`."""
    kind = KINDS.get(event.kind)
    if kind is None:
        return None
    try:
        made = kind(*_values(kind, event.keys))
    except (ValueError, TypeError):
        made = None
    if made is None or made.encode() != event:
        raise MalformedEventError(f"an event {event.kind} has other fields than its kind", "`hmchain audit verify`")
    return made


def decode_all(events: Iterable[Event]) -> list[LedgerEvent]:
    """Those of these events whose kind is known, by their names. Raises `MalformedEventError`."""
    return [known for event in events if (known := decode(event)) is not None]


def _values(kind: type[LedgerEvent], texts: Sequence[str]) -> list[Any]:
    types = _types(kind.kind)
    if types and types[-1] == tuple[str, ...]:
        own = len(types) - 1
        return [*map(_value, types[:own], texts[:own]), tuple(texts[own:])]
    return [_value(of, text) for of, text in zip(types, texts, strict=True)]


def _value(of: type, text: str) -> Any:
    return bytes.fromhex(text) if of is bytes else of(text)


@cache
def _types(name: str) -> list[type]:
    kind = KINDS[name]
    hints = get_type_hints(kind)
    return [hints[each.name] for each in fields(kind)]


# -- members -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class AboutMember(LedgerEvent):
    """Something that one organisation did, or that was done to it."""

    organisation: str


@dataclass(frozen=True)
class MemberAdmitted(AboutMember, kind="member.admitted"):
    """A ballot let a new member in."""


@dataclass(frozen=True)
class MemberRemoved(AboutMember, kind="member.removed"):
    """A ballot ended a membership."""


@dataclass(frozen=True)
class ParametersChanged(LedgerEvent, kind="parameters.changed"):
    """A ballot changed the network's rules."""


@dataclass(frozen=True)
class UpgradeAgreed(LedgerEvent, kind="upgrade.agreed"):
    """A ballot set the height of a new protocol."""

    protocol: int


@dataclass(frozen=True)
class UpgradeCalledOff(LedgerEvent, kind="upgrade.called_off"):
    """A ballot took a new protocol back."""

    protocol: int


@dataclass(frozen=True)
class ProtocolChanged(LedgerEvent, kind="protocol.changed"):
    """The next block follows another protocol."""

    protocol: int
    height: int
    """The first that follows it."""


@dataclass(frozen=True)
class BallotOpened(LedgerEvent, kind="ballot.opened"):
    """Something was put to the vote of the members."""

    ballot: bytes
    removal: tuple[str, ...] = ()
    """`remove` and whom, where fraud opened it; empty where a member did."""


@dataclass(frozen=True)
class BallotWithdrawn(LedgerEvent, kind="ballot.withdrawn"):
    """A member took its vote back."""

    ballot: bytes
    organisation: str


@dataclass(frozen=True)
class BallotPassed(LedgerEvent, kind="ballot.passed"):
    """Enough members voted for it."""

    ballot: bytes


@dataclass(frozen=True)
class KeyRotated(AboutMember, kind="key.rotated"):
    """A member has a new key."""

    role: str
    key: bytes
    """The public key; of a wrapping key its digest."""


@dataclass(frozen=True)
class MaintenanceAnnounced(AboutMember, kind="maintenance.announced"):
    """A validator will be away."""

    from_ms: int
    until_ms: int


@dataclass(frozen=True)
class ValidatorJoined(AboutMember, kind="validator.joined"):
    """A newcomer has a standing."""


@dataclass(frozen=True)
class ValidatorLeft(AboutMember, kind="validator.left"):
    """The validator of a removed member ended."""


@dataclass(frozen=True)
class ValidatorPaused(AboutMember, kind="validator.paused"):
    """Maintenance that was announced begins."""


@dataclass(frozen=True)
class ValidatorJailed(AboutMember, kind="validator.jailed"):
    """A validator was silent for too long."""


@dataclass(frozen=True)
class ValidatorUnjailed(AboutMember, kind="validator.unjailed"):
    """A validator is back."""


@dataclass(frozen=True)
class EpochClosed(LedgerEvent, kind="epoch.closed"):
    """An epoch of attendance was counted."""

    blocks: int
    """So many were counted since the founding."""


@dataclass(frozen=True)
class Barred(AboutMember, kind="standing.barred"):
    """A master's fraud was proven: it never leads again."""


@dataclass(frozen=True)
class Offence(AboutMember):
    """A proven offence of a validator."""

    before: int
    """Its consensus score."""
    after: int


@dataclass(frozen=True)
class DoubleSigned(Offence, kind="standing.double_sign"):
    """Two votes for different blocks of one height and round."""


@dataclass(frozen=True)
class InvalidProposalSigned(Offence, kind="standing.invalid_proposal"):
    """A block that does not hold was proposed."""


# -- data --------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class DatasetRegistered(AboutMember, kind="dataset.registered"):
    """A dataset has a name and a schema."""

    dataset: str


@dataclass(frozen=True)
class VersionPublished(AboutMember, kind="dataset.published"):
    """A dataset has a new version."""

    dataset: str
    version: int


@dataclass(frozen=True)
class VersionWithdrawn(AboutMember, kind="dataset.withdrawn"):
    """No new study may use a version any more."""

    dataset: str
    version: int


# -- studies -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class AboutStudy(LedgerEvent):
    """Something that happened in a study."""

    study: str


@dataclass(frozen=True)
class StudyAct(AboutStudy):
    """Something that one participant did in a study."""

    organisation: str


@dataclass(frozen=True)
class StudyProposed(StudyAct, kind="study.proposed"):
    """A scientist proposed it."""


@dataclass(frozen=True)
class StudyApproved(StudyAct, kind="study.approved"):
    """A steward allows it what it asks for."""


@dataclass(frozen=True)
class StudyRefused(StudyAct, kind="study.refused"):
    """A steward said no."""


@dataclass(frozen=True)
class StudyRevoked(StudyAct, kind="study.revoked"):
    """A steward took an approval back."""


@dataclass(frozen=True)
class StudyJoined(StudyAct, kind="study.joined"):
    """An agent takes part."""


@dataclass(frozen=True)
class StudyAgreeing(AboutStudy, kind="study.agreeing"):
    """All have joined: pairs are agreed next."""


@dataclass(frozen=True)
class PairsAgreed(StudyAct, kind="study.agreed"):
    """An agent handed over its halves."""


@dataclass(frozen=True)
class StudyConfirming(AboutStudy, kind="study.confirming"):
    """All have agreed: the study key is confirmed next."""


@dataclass(frozen=True)
class PairsConfirmed(StudyAct, kind="study.confirmed"):
    """An agent said which study key it derived, or that a half did not open."""


@dataclass(frozen=True)
class StudyOpened(AboutStudy, kind="study.opened"):
    """Rounds begin."""


@dataclass(frozen=True)
class StudyPaused(AboutStudy, kind="study.paused"):
    """It waits for people."""

    reason: str


@dataclass(frozen=True)
class StudyResumed(AboutStudy, kind="study.resumed"):
    """A scientist let it go on."""


@dataclass(frozen=True)
class ClosingVoted(StudyAct, kind="study.closing"):
    """A steward wants it closed."""


@dataclass(frozen=True)
class StudyClosed(AboutStudy, kind="study.closed"):
    """It is over, and nothing came of it."""

    reason: str


@dataclass(frozen=True)
class StudyFinished(AboutStudy, kind="study.finished"):
    """It is over, and its last accepted model is registered."""

    reason: str


@dataclass(frozen=True)
class ModelRegistered(AboutStudy, kind="model.registered"):
    """A study made a model."""

    root: bytes
    weights: bytes
    meaning: bytes


# -- rounds ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class AboutRound(AboutStudy):
    """Something that happened in a round."""

    round: int


@dataclass(frozen=True)
class Led(AboutRound):
    """Something that a round's master did, or that befell it."""

    master: str


@dataclass(frozen=True)
class RoundOpened(AboutRound, kind="round.opened"):
    """A master was drawn."""

    drawn: tuple[str, ...]
    """The first in the ranking; empty where nobody may lead."""


@dataclass(frozen=True)
class PhaseEntered(AboutRound, kind="round.phase"):
    """The round waits for something else now."""

    phase: str


@dataclass(frozen=True)
class DeadlinePassed(AboutRound, kind="round.deadline"):
    """A phase took too long."""

    phase: str


@dataclass(frozen=True)
class UpdateCommitted(AboutRound, kind="round.committed"):
    """A participant bound its update."""

    organisation: str


@dataclass(frozen=True)
class SetFrozen(AboutRound, kind="round.frozen"):
    """The updates that are summed are fixed."""

    frozen: tuple[str, ...]


@dataclass(frozen=True)
class RevealedLate(AboutRound, kind="round.revealed_late"):
    """A seed of a void attempt is public now."""

    attempt: int
    organisation: str


@dataclass(frozen=True)
class AggregatePosted(Led, kind="round.posted"):
    """The master said what the sum and the model are."""


@dataclass(frozen=True)
class AggregateVerified(Led, kind="round.verified"):
    """Enough others got the same."""


@dataclass(frozen=True)
class FraudProven(Led, kind="round.fraud"):
    """One chunk of what the master posted is wrong."""

    chunk: int
    which: str
    """Of its vectors: `masked_sum`, `sum`, `model` or `weights`."""


@dataclass(frozen=True)
class SumImpossible(AboutRound, kind="round.impossible_sum"):
    """One chunk of the sum holds garbage."""

    chunk: int


@dataclass(frozen=True)
class MasterReplaced(Led, kind="round.takeover"):
    """The next in rank sums the same set."""


@dataclass(frozen=True)
class SummedAgain(Led, kind="round.again"):
    """The same set is summed once more, from the top of the ranking."""


@dataclass(frozen=True)
class AttemptVoid(AboutRound, kind="round.void"):
    """An attempt yields nothing."""

    reason: str


@dataclass(frozen=True)
class RoundClosed(Led):
    """The hospitals have voted on the model."""


@dataclass(frozen=True)
class RoundAccepted(RoundClosed, kind="round.accepted"):
    """The next round starts from it."""


@dataclass(frozen=True)
class RoundRejected(RoundClosed, kind="round.rejected"):
    """The model before is kept."""
