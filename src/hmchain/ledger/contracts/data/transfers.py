"""Transfers: records that a hospital gives to another under a permit, and what became of them.

What travels is ciphertext; here are names, digests and dates alone. A grant needs a permit of kind TRANSFER at that
block, and lasts no longer than the permit does: whatever ends the permit ends the grant, at once and without another
word. What was given is owed back as an erasure, whose receipt a steward of the grantee signs.
"""

from __future__ import annotations

from enum import StrEnum

from msgspec.structs import replace

from hmchain.canonical import NotCanonicalError, Record, decode
from hmchain.ledger import sharing_events as events
from hmchain.ledger.context import AGENT, CLINICIAN, STEWARD, Context, require, require_digest, require_name
from hmchain.ledger.contracts.data import datasets, permits, requests
from hmchain.ledger.contracts.data.requests import Decided, Kind
from hmchain.ledger.contracts.data.requests import Status as Asking
from hmchain.ledger.contracts.members import membership, people
from hmchain.ledger.contracts.members.people import PersonRef
from hmchain.ledger.reputation import DAY_MS
from hmchain.ledger.state import State, Table
from hmchain.ledger.transactions import Refusal

DAYS_MAX = 3660
"""So long records may stay with a grantee by one grant."""
GRANTS_MAX = 64
"""Of one dataset to one request, revoked ones among them: so that nobody floods the ledger with grants."""
ERASE_DAYS = 7
"""Within so many days after its end a grant's records are erased and the receipt is signed."""
REVOKE_REASONS = ("consent", "error", "misuse", "policy", "security", "other")
KEYS_DESTROYED, NEVER_OPENED, VAULT_LOST = "keys-destroyed", "never-opened", "vault-lost"
STATEMENTS = (KEYS_DESTROYED, NEVER_OPENED, VAULT_LOST)
"""What a steward says who ends a transfer: the keys of all records were destroyed, so that no copy of a ciphertext
opens any more; or nothing was ever opened here; or the vault that had the keys is lost, and a copy of it opens them."""


class Status(StrEnum):
    """How far a transfer is, by what was said of it; on the ledger it is the word."""

    OFFERED = "offered"
    RECEIVED = "received"
    REVOKED = "revoked"
    ERASED = "erased"


class TransferPlan(Record, frozen=True):
    """The plan of a request for a transfer. The grantee is the applicant's organisation."""

    kinds: tuple[str, ...]
    """Only records of these kinds of source (`datasets.KINDS`), in order; empty for all records of the version."""
    days: int
    """So long the grantee may keep them after each grant; then they are erased."""


class Transfer(Record, frozen=True):
    """Records that one hospital gave to another."""

    name: str
    request: str
    """Under whose permit; empty where an emergency took its place."""
    asked: int
    """The version of the request that the hospital had said yes to; 0 for an emergency."""
    content: bytes
    """Digest of what the hospital said yes to (`Content.digest`), or of the emergency (`Emergency.digest`)."""
    giver: str
    dataset: str
    version: int
    grantee: str
    purpose: str
    """The use by DUO's code."""
    manifest: bytes
    """Digest (32 bytes) of what was given, record by record; the giver signed it."""
    envelope: bytes
    """Digest (32 bytes) by which the grantee finds the key to it in the members' store."""
    until_ms: int
    """The last moment at which the grantee may use them, if nothing ends it before."""
    status: Status
    granted_by: PersonRef
    granted_ms: int
    received_ms: int
    """0 before; it stays when the grant is over."""
    revoked_ms: int
    """0 unless the giver took it back by a word of its own."""
    reason: str
    """Why it did, as a code."""
    erased_by: tuple[PersonRef, ...]
    """Who signed the receipt; nobody before."""
    erased_ms: int
    statement: str
    """One of `STATEMENTS`; empty before."""
    evidence: bytes
    """Digest of the grantee's own record of the erasure; empty for none."""
    height: int
    """Of its last change."""

    @property
    def is_emergency(self) -> bool:
        """Whether it was given for treatment in an emergency: never for research."""
        return not self.request


class GrantRecords(Record, frozen=True, tag="grant_records"):
    """Transaction (steward or agent of the giver): these records are given under a request's permit."""

    name: str
    request: str
    dataset: str
    version: int
    grantee: str
    purpose: str
    manifest: bytes
    envelope: bytes
    until_ms: int


class ReceiveRecords(Record, frozen=True, tag="receive_records"):
    """Transaction (steward or agent of the grantee): opened, and every digest and the root were right.

    Of what an emergency brought a clinician may say so, who cannot wait for either.
    """

    name: str
    manifest: bytes
    """Of what was opened."""


class RevokeGrant(Record, frozen=True, tag="revoke_grant"):
    """Transaction (steward of the giver): what was given is to be erased; the permit stays."""

    name: str
    reason: str


class ConfirmErasure(Record, frozen=True, tag="confirm_erasure"):
    """Transaction (steward of the grantee): the receipt that nothing of it can be read here any more."""

    name: str
    manifest: bytes
    """Of what was erased."""
    statement: str
    evidence: bytes


Bodies = GrantRecords | ReceiveRecords | RevokeGrant | ConfirmErasure


class _Place(Record, frozen=True):
    """A transfer's place in an index."""

    transfer: str


_TRANSFERS = Table("transfers", Transfer)
_OF_ORGANISATION = Table("transfers_of", _Place)
"""By giver or grantee, and name."""
_OPEN = Table("transfers_open", _Place)
"""The same of what is not erased, so that nobody reads all there ever were."""
_RESERVED = Table("transfer_names", _Place)
"""Names that wait for what answers an emergency."""
_UNDER = Table("transfers_under", _Place)
"""By request, giver, dataset and name."""


# -- reading -----------------------------------------------------------------------------------------------------------


def transfer(state: State, name: str) -> Transfer | None:
    """A transfer, or None."""
    return _TRANSFERS.get(state, name)


def require_transfer(state: State, name: str) -> Transfer:
    """A transfer; refuse `no_such_transfer`."""
    found = transfer(state, name)
    if found is None:
        raise Refusal("no_such_transfer")
    return found


def transfers(state: State, organisation: str = "") -> list[Transfer]:
    """All transfers, or those from and to an organisation, in order of name; erased ones too."""
    if not organisation:
        return _TRANSFERS.all(state)
    return [require_transfer(state, each.transfer) for each in _OF_ORGANISATION.all(state, organisation)]


def not_erased(state: State, organisation: str) -> list[Transfer]:
    """What an organisation gave or was given and no receipt was signed of, in order of name."""
    return [require_transfer(state, each.transfer) for each in _OPEN.all(state, organisation)]


def transfers_under(state: State, request: str, giver: str = "", dataset: str = "") -> list[Transfer]:
    """What was given under a request, by a hospital or of a dataset if these are given."""
    parts = [part for part in (request, giver, dataset) if part]
    return [require_transfer(state, each.transfer) for each in _UNDER.all(state, *parts)]


def plan_of(data: bytes) -> TransferPlan:
    """The plan that bytes are. Refuses (`bad_plan`) what is none, or out of its bounds."""
    try:
        plan = decode(data, TransferPlan)
    except NotCanonicalError:
        raise Refusal("bad_plan") from None
    in_order = list(plan.kinds) == sorted(set(plan.kinds)) and set(plan.kinds) <= set(datasets.KINDS)
    require(in_order and 1 <= plan.days <= DAYS_MAX, "bad_plan")
    return plan


def is_usable(state: State, entry: Transfer, time_ms: int) -> bool:
    """Whether the grantee may open and use what it was given, at this block time.

    Of a version that was withdrawn since it goes on with what it has received, and opens nothing else. What an
    emergency gave is for treatment alone: `is_emergency` has to be asked as well.
    """
    if entry.status not in (Status.OFFERED, Status.RECEIVED) or is_over(state, entry, time_ms):
        return False
    return entry.is_emergency or _is_allowed(state, entry, time_ms, is_begun=entry.status is Status.RECEIVED)


def is_over(state: State, entry: Transfer, time_ms: int) -> bool:
    """Whether it may never be used again, so that it is to be erased."""
    return ended_ms(state, entry, time_ms) is not None


def ended_ms(state: State, entry: Transfer, time_ms: int) -> int | None:
    """When a grant ended for good, by block time; None for one that did not.

    Of an end without a date of its own (a person or a member is gone) it is when the records were given.
    """
    ends = [entry.until_ms] if time_ms > entry.until_ms else []
    ends += [each for each in (entry.revoked_ms, entry.erased_ms) if each]
    if not entry.is_emergency:
        ends += _permit_ended(state, entry, time_ms)
    if not all(membership.is_active(state, name) for name in (entry.giver, entry.grantee)):
        ends.append(entry.granted_ms)
    return min(ends, default=None)


def _permit_ended(state: State, entry: Transfer, time_ms: int) -> list[int]:
    asked = requests.require_request(state, entry.request)
    words = [word for word in requests.last_words(state, entry.request, entry.giver) if word.dataset == entry.dataset]
    ends = [asked.closed_ms] if asked.status is Asking.CLOSED else []
    for word in (word for word in words if permits.has_ended(word, time_ms)):
        ends.append(word.time_ms if word.status is Decided.REVOKED else word.until_ms)
    if not ends and permits.is_over(state, entry.request, entry.giver, time_ms):
        ends.append(entry.granted_ms)
    return ends


def erasure_due_ms(state: State, entry: Transfer, time_ms: int) -> int | None:
    """Until when the receipt of its erasure is to be there; None while nothing is owed, or nothing any more."""
    ended = ended_ms(state, entry, time_ms)
    return None if ended is None or entry.status is Status.ERASED else ended + ERASE_DAYS * DAY_MS


def _is_allowed(state: State, entry: Transfer, time_ms: int, *, is_begun: bool = False) -> bool:
    """Whether the permit allows what was given, to whom it was given: another version may ask for another."""
    asked = requests.require_request(state, entry.request)
    content = requests.content(state, entry.request, entry.asked)
    return (
        content is not None
        and asked.applicant.organisation == entry.grantee
        and permits.authorised(
            state, entry.giver, entry.request, time_ms,
            kind=Kind.TRANSFER, plan=content.plan, dataset=entry.dataset, version=entry.version, purpose=entry.purpose,
            is_begun=is_begun,
        )
    )  # fmt: skip


# -- handlers ----------------------------------------------------------------------------------------------------------


def _grant(context: Context, body: GrantRecords) -> None:
    context.require_role(STEWARD, AGENT)
    state, giver = context.state, context.sender.organisation
    require_digest(body.manifest, body.envelope)
    entry = requests.require_request(state, body.request)
    made = requests.submission(state, entry.name, entry.version)
    content = requests.content(state, entry.name, entry.version)
    if made is None or content is None or content.kind is not Kind.TRANSFER:
        raise Refusal("not_permitted")
    require(body.grantee == made.applicant.organisation and body.grantee != giver, "wrong_grantee")
    plan = plan_of(content.plan)
    given = Transfer(
        body.name, body.request, made.version, made.content, giver, body.dataset, body.version, body.grantee,
        body.purpose, body.manifest, body.envelope, body.until_ms, Status.OFFERED, people.sender(context.sender),
        context.time_ms, received_ms=0, revoked_ms=0, reason="", erased_by=(), erased_ms=0, statement="",
        evidence=b"", height=context.height,
    )  # fmt: skip
    require(_is_allowed(state, given, context.time_ms), "not_permitted")
    word = requests.handling(state, entry, giver, body.dataset)
    assert word is not None  # it was allowed
    require(context.time_ms < body.until_ms, "expired")
    require(body.until_ms <= min(word.until_ms, context.time_ms + plan.days * DAY_MS), "until_too_late")
    offer(context, given)


def reserve(state: State, name: str) -> None:
    """Keep a name for what will answer an emergency; refuse `bad_name` and `transfer_exists`."""
    _require_free(state, name)
    _RESERVED.put(state, _Place(name), name)


def is_free(state: State, name: str) -> bool:
    """Whether nothing has a name, and no emergency waits for what it will be given by it."""
    return transfer(state, name) is None and _RESERVED.get(state, name) is None


def _require_free(state: State, name: str) -> None:
    require_name(name)
    require(is_free(state, name), "transfer_exists")


def offer(context: Context, given: Transfer) -> None:
    """Keep a transfer that may be; refuse `transfer_exists`, and `too_many_grants` of one dataset to one request.

    The name of what answers an emergency was reserved.
    """
    state = context.state
    if not given.is_emergency:
        _require_free(state, given.name)
    require(membership.is_active(state, given.grantee), "not_a_member")
    if given.request:
        place = (given.request, given.giver, given.dataset)
        require(len(_UNDER.all(state, *place)) < GRANTS_MAX, "too_many_grants")
        _UNDER.put(state, _Place(given.name), *place, given.name)
    for organisation in (given.giver, given.grantee):
        _OF_ORGANISATION.put(state, _Place(given.name), organisation, given.name)
    _put(state, given)
    what = (given.request, given.dataset, given.version, given.until_ms)
    context.emit(events.RecordsGranted(given.name, given.giver, given.grantee, *what))


def _receive(context: Context, body: ReceiveRecords) -> None:
    entry = _of_grantee(context, body)
    context.require_role(STEWARD, AGENT, *((CLINICIAN,) if entry.is_emergency else ()))
    require(entry.status is Status.OFFERED, "not_offered")
    version = datasets.version(context.state, entry.giver, entry.dataset, entry.version)
    require(entry.is_emergency or (version is not None and not version.withdrawn), "version_withdrawn")
    require(is_usable(context.state, entry, context.time_ms), "grant_over")
    _put(
        context.state,
        replace(entry, status=Status.RECEIVED, received_ms=context.time_ms, height=context.height),
    )
    context.emit(events.RecordsReceived(entry.name, entry.giver, entry.grantee))


def _revoke(context: Context, body: RevokeGrant) -> None:
    context.require_role(STEWARD)
    entry = require_transfer(context.state, body.name)
    require(entry.giver == context.sender.organisation, "not_the_giver")
    require(entry.status not in (Status.REVOKED, Status.ERASED), "grant_over")
    require(body.reason in REVOKE_REASONS, "bad_reason")
    take_back(context, entry, body.reason)


def take_back(context: Context, entry: Transfer, reason: str) -> None:
    """Let a grant be over by its giver's word."""
    revoked = replace(entry, status=Status.REVOKED, revoked_ms=context.time_ms, reason=reason, height=context.height)
    _put(context.state, revoked)
    context.emit(events.GrantRevoked(entry.name, entry.giver, entry.grantee, context.sender.person, reason))


def _confirm(context: Context, body: ConfirmErasure) -> None:
    """What was received was opened, so no receipt of it says that it was not."""
    context.require_role(STEWARD)
    entry = _of_grantee(context, body)
    require(entry.status is not Status.ERASED, "already_erased")
    require(body.statement in STATEMENTS, "bad_statement")
    require(body.statement != NEVER_OPENED or not entry.received_ms, "bad_statement")
    if body.evidence:
        require_digest(body.evidence)
    erased = replace(
        entry, status=Status.ERASED, erased_by=(people.sender(context.sender),), erased_ms=context.time_ms,
        statement=body.statement, evidence=body.evidence, height=context.height,
    )  # fmt: skip
    _put(context.state, erased)
    context.emit(events.ErasureConfirmed(entry.name, entry.giver, entry.grantee, context.sender.person, body.statement))


def _of_grantee(context: Context, body: ReceiveRecords | ConfirmErasure) -> Transfer:
    """The transfer that a body of its grantee is about; refuse `not_the_grantee` and `wrong_manifest`."""
    entry = require_transfer(context.state, body.name)
    require(entry.grantee == context.sender.organisation, "not_the_grantee")
    require(body.manifest == entry.manifest, "wrong_manifest")
    return entry


def _put(state: State, entry: Transfer) -> None:
    _TRANSFERS.put(state, entry, entry.name)
    for organisation in (entry.giver, entry.grantee):
        if entry.status is Status.ERASED:
            _OPEN.delete(state, organisation, entry.name)
        else:
            _OPEN.put(state, _Place(entry.name), organisation, entry.name)


HANDLERS = {GrantRecords: _grant, ReceiveRecords: _receive, RevokeGrant: _revoke, ConfirmErasure: _confirm}
