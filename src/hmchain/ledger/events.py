"""Events of the ledger, a class a kind: what happened, by the names of what it is about.

Those of people and policies are in `people_events`, those of requests and of the decisions on them in `request_events`,
those of what hospitals share, of incidents and of logs in `sharing_events`.
Contracts emit them; in receipts and blocks they stand as `blocks.Event`, a kind and texts in the order of the fields
(digests and keys in hex, numbers in decimal). Whoever reads them decodes them, and never counts places.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any, get_type_hints

from hmchain.errors import LedgerError
from hmchain.ledger import people_events, request_events, sharing_events
from hmchain.ledger.blocks import Event
from hmchain.ledger.ledger_event import AboutMember
from hmchain.ledger.ledger_event import LedgerEvent as LedgerEvent  # as whoever reads events knows it


class MalformedEventError(LedgerError):
    """An event has other fields than its kind."""

    code = "malformed_event"


def decode(event: Event) -> LedgerEvent | None:
    """The event by its names; None if this version does not know its kind. Raises `MalformedEventError`."""
    kind = KINDS.get(event.kind)
    if kind is None:
        return None
    try:
        made = kind(*_values(event))
    except (ValueError, TypeError):
        made = None
    if made is None or made.encode() != event:
        raise MalformedEventError(f"an event {event.kind} has other fields than its kind", "`hmchain audit verify`")
    return made


def decode_all(events: Iterable[Event]) -> list[LedgerEvent]:
    """Those of these events whose kind is known, by their names. Raises `MalformedEventError`."""
    return [known for event in events if (known := decode(event)) is not None]


def _values(event: Event) -> list[Any]:
    types, texts = _types(event.kind), event.keys
    if types and types[-1] == tuple[str, ...]:
        own = len(types) - 1
        return [*map(_value, types[:own], texts[:own]), texts[own:]]
    return [_value(of, text) for of, text in zip(types, texts, strict=True)]


def _value(of: type, text: str) -> Any:
    return bytes.fromhex(text) if of is bytes else of(text)


@cache
def _types(name: str) -> Sequence[type]:
    hints = get_type_hints(KINDS[name])
    return [hints[field] for field in KINDS[name].__struct_fields__]


# -- members -----------------------------------------------------------------------------------------------------------


class MemberAdmitted(AboutMember, frozen=True, tag="member.admitted"):
    """A ballot let a new member in."""


class MemberRemoved(AboutMember, frozen=True, tag="member.removed"):
    """A ballot ended a membership."""


class ParametersChanged(LedgerEvent, frozen=True, tag="parameters.changed"):
    """A ballot changed the network's rules."""


class UpgradeAgreed(LedgerEvent, frozen=True, tag="upgrade.agreed"):
    """A ballot set the height of a new protocol."""

    protocol: int


class UpgradeCalledOff(LedgerEvent, frozen=True, tag="upgrade.called_off"):
    """A ballot took a new protocol back."""

    protocol: int


class ProtocolChanged(LedgerEvent, frozen=True, tag="protocol.changed"):
    """The next block follows another protocol."""

    protocol: int
    height: int
    """The first that follows it."""


class BallotOpened(LedgerEvent, frozen=True, tag="ballot.opened"):
    """Something was put to the vote of the members."""

    ballot: bytes
    removal: tuple[str, ...] = ()
    """`remove` and whom, where fraud opened it; empty where a member did."""


class BallotWithdrawn(LedgerEvent, frozen=True, tag="ballot.withdrawn"):
    """A member took its vote back."""

    ballot: bytes
    organisation: str


class BallotPassed(LedgerEvent, frozen=True, tag="ballot.passed"):
    """Enough members voted for it."""

    ballot: bytes


class KeyRotated(AboutMember, frozen=True, tag="key.rotated"):
    """A member has a new key."""

    role: str
    key: bytes
    """The public key; of a wrapping key its digest."""


class MaintenanceAnnounced(AboutMember, frozen=True, tag="maintenance.announced"):
    """A validator will be away."""

    from_ms: int
    until_ms: int


class ValidatorJoined(AboutMember, frozen=True, tag="validator.joined"):
    """A newcomer has a standing."""


class ValidatorLeft(AboutMember, frozen=True, tag="validator.left"):
    """The validator of a removed member ended."""


class ValidatorPaused(AboutMember, frozen=True, tag="validator.paused"):
    """Maintenance that was announced begins."""


class ValidatorJailed(AboutMember, frozen=True, tag="validator.jailed"):
    """A validator was silent for too long."""


class ValidatorUnjailed(AboutMember, frozen=True, tag="validator.unjailed"):
    """A validator is back."""


class EpochClosed(LedgerEvent, frozen=True, tag="epoch.closed"):
    """An epoch of attendance was counted."""

    blocks: int
    """So many were counted since the founding."""


class Barred(AboutMember, frozen=True, tag="standing.barred"):
    """A master's fraud was proven: it never leads again."""


class Offence(AboutMember, frozen=True):
    """A proven offence of a validator."""

    before: int
    """Its consensus score."""
    after: int


class DoubleSigned(Offence, frozen=True, tag="standing.double_sign"):
    """Two votes for different blocks of one height and round."""


class InvalidProposalSigned(Offence, frozen=True, tag="standing.invalid_proposal"):
    """A block that does not hold was proposed."""


# -- data --------------------------------------------------------------------------------------------------------------


class DatasetRegistered(AboutMember, frozen=True, tag="dataset.registered"):
    """A dataset has a name and a schema."""

    dataset: str


class VersionPublished(AboutMember, frozen=True, tag="dataset.published"):
    """A dataset has a new version."""

    dataset: str
    version: int


class VersionWithdrawn(AboutMember, frozen=True, tag="dataset.withdrawn"):
    """No new study may use a version any more."""

    dataset: str
    version: int


# -- studies -----------------------------------------------------------------------------------------------------------


class AboutStudy(LedgerEvent, frozen=True):
    """Something that happened in a study."""

    study: str


class CountCharged(AboutMember, frozen=True, tag="count.charged"):
    """A count was proposed, and a dataset's budget pays for it; asking the same again is free."""

    dataset: str
    request: str
    epsilon_millionths: int


class StudyAct(AboutStudy, frozen=True):
    """Something that one participant did in a study."""

    organisation: str


class StudyProposed(StudyAct, frozen=True, tag="study.proposed"):
    """A scientist proposed it."""


class StudyPermitted(AboutStudy, frozen=True, tag="study.permitted"):
    """It is under the permit of a request."""

    request: str


class StudyApproved(StudyAct, frozen=True, tag="study.approved"):
    """A steward allows it what it asks for."""


class StudyRefused(StudyAct, frozen=True, tag="study.refused"):
    """A steward said no."""


class StudyRevoked(StudyAct, frozen=True, tag="study.revoked"):
    """A steward took an approval back."""


class CountSatOut(StudyAct, frozen=True, tag="count.sat_out"):
    """A hospital has too few people for this count to say how many."""


class StudyLeft(StudyAct, frozen=True, tag="study.left"):
    """A hospital takes no further part: the study used up what was asked of its machine."""

    reason: str


class StudyJoined(StudyAct, frozen=True, tag="study.joined"):
    """An agent takes part."""


class StudyAgreeing(AboutStudy, frozen=True, tag="study.agreeing"):
    """All have joined: pairs are agreed next."""


class PairsAgreed(StudyAct, frozen=True, tag="study.agreed"):
    """An agent handed over its halves."""


class StudyConfirming(AboutStudy, frozen=True, tag="study.confirming"):
    """All have agreed: the study key is confirmed next."""


class PairsConfirmed(StudyAct, frozen=True, tag="study.confirmed"):
    """An agent said which study key it derived, or that a half did not open."""


class StudyOpened(AboutStudy, frozen=True, tag="study.opened"):
    """Rounds begin."""


class StudyPaused(AboutStudy, frozen=True, tag="study.paused"):
    """It waits for people."""

    reason: str


class StudyResumed(AboutStudy, frozen=True, tag="study.resumed"):
    """A scientist let it go on."""


class ClosingVoted(StudyAct, frozen=True, tag="study.closing"):
    """A steward wants it closed."""


class StudyClosed(AboutStudy, frozen=True, tag="study.closed"):
    """It is over, and nothing came of it."""

    reason: str


class StudyFinished(AboutStudy, frozen=True, tag="study.finished"):
    """It is over, and its last accepted model is registered."""

    reason: str


class ModelRegistered(AboutStudy, frozen=True, tag="model.registered"):
    """A study made a model."""

    root: bytes
    weights: bytes
    meaning: bytes


# -- rounds ------------------------------------------------------------------------------------------------------------


class AboutRound(AboutStudy, frozen=True):
    """Something that happened in a round."""

    round: int


class Led(AboutRound, frozen=True):
    """Something that a round's master did, or that befell it."""

    master: str


class RoundOpened(AboutRound, frozen=True, tag="round.opened"):
    """A master was drawn."""

    drawn: tuple[str, ...]
    """The first in the ranking; empty where nobody may lead."""


class PhaseEntered(AboutRound, frozen=True, tag="round.phase"):
    """The round waits for something else now."""

    phase: str


class DeadlinePassed(AboutRound, frozen=True, tag="round.deadline"):
    """A phase took too long."""

    phase: str


class UpdateCommitted(AboutRound, frozen=True, tag="round.committed"):
    """A participant bound its update."""

    organisation: str


class SetFrozen(AboutRound, frozen=True, tag="round.frozen"):
    """The updates that are summed are fixed."""

    frozen: tuple[str, ...]


class RevealedLate(AboutRound, frozen=True, tag="round.revealed_late"):
    """A seed of a void attempt is public now."""

    attempt: int
    organisation: str


class AggregatePosted(Led, frozen=True, tag="round.posted"):
    """The master said what the sum and the model are."""


class AggregateVerified(Led, frozen=True, tag="round.verified"):
    """Enough others got the same."""


class FraudProven(Led, frozen=True, tag="round.fraud"):
    """One chunk of what the master posted is wrong."""

    chunk: int
    which: str
    """Of its vectors: `masked_sum`, `sum`, `model` or `weights`."""


class SumImpossible(AboutRound, frozen=True, tag="round.impossible_sum"):
    """One chunk of the sum holds garbage."""

    chunk: int


class MasterReplaced(Led, frozen=True, tag="round.takeover"):
    """The next in rank sums the same set."""


class SummedAgain(Led, frozen=True, tag="round.again"):
    """The same set is summed once more, from the top of the ranking."""


class AttemptVoid(AboutRound, frozen=True, tag="round.void"):
    """An attempt yields nothing."""

    reason: str


class RoundClosed(Led, frozen=True):
    """The hospitals have voted on the model."""


class RoundAccepted(RoundClosed, frozen=True, tag="round.accepted"):
    """The next round starts from it."""


class RoundRejected(RoundClosed, frozen=True, tag="round.rejected"):
    """The model before is kept."""


KINDS: dict[str, type[LedgerEvent]] = {
    str(kind.__struct_config__.tag): kind
    for kind in (
        *globals().values(),
        *vars(people_events).values(),
        *vars(request_events).values(),
        *vars(sharing_events).values(),
    )
    if isinstance(kind, type) and issubclass(kind, LedgerEvent) and kind.__struct_config__.tag
}
"""Every kind there is, by its name on the ledger."""
