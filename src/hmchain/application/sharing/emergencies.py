"""Break-glass: a clinician asks for one patient's records at once, the other hospital's agent gives what there is.

Who the patient is travels sealed to the giver, bound to this one emergency, and is opened by its agent alone. What is
given is a transfer like others; of nobody's records it gives none, and looks the same on the ledger.
"""

from __future__ import annotations

import secrets
import time
from collections import defaultdict
from collections.abc import Collection
from contextlib import closing, suppress
from dataclasses import dataclass

from hmchain.application.consent.usable import Use, UseKind, usable
from hmchain.application.governance.delegate import LedgerUser
from hmchain.application.governance.requests.applying import me, require_code
from hmchain.application.sharing import receiving
from hmchain.application.sharing.giving_book import GivingBook
from hmchain.application.sharing.manifest import Terms
from hmchain.application.sharing.receiving import ReceivedRecords
from hmchain.application.sharing.sending import GivenRecords, send
from hmchain.application.sharing.warrant import Warrant
from hmchain.application.site.activity import Deed, What, recorded
from hmchain.application.site.hospital import HospitalFolder, Records
from hmchain.canonical import NotCanonicalError, Record, decode, digest, encode, padded
from hmchain.clock import now_ms
from hmchain.errors import InputError, StudyError
from hmchain.keys import Opener, Redacted, SecretKey, WrappedKey
from hmchain.ledger.context import AGENT, CLINICIAN, STEWARD, is_name
from hmchain.ledger.contracts.data import break_glass, datasets, transfers
from hmchain.ledger.contracts.data.break_glass import AnswerGlass, BreakGlass, Emergency, LiftBar, ReviewGlass
from hmchain.ledger.contracts.members import membership
from hmchain.ledger.engines.ledger import RefusedTransactionError
from hmchain.ledger.purposes import CLINICAL_CARE
from hmchain.ledger.readers import emergencies as readers
from hmchain.ledger.readers.emergencies import Bar
from hmchain.ledger.readers.rules import require_sharing
from hmchain.ledger.state import State
from hmchain.records.catalogue import Version
from hmchain.records.consents.purposes import BREAK_GLASS
from hmchain.records.deidentification.patients import Patient
from hmchain.records.objects import MissingObjectError, ObjectStore

NUMBER_CHARACTERS_MAX = 64
REASONS, VERDICTS = break_glass.REASONS, break_glass.VERDICTS
_SEALED_BYTES_MAX = 8 << 10
_POLL_SECONDS = 0.2


class NotLetInError(StudyError):
    """The other hospital's policy lets nobody like this ask for records in an emergency."""

    code = "no_break_glass_here"


class NoSuchEmergencyError(InputError):
    """The ledger has no emergency of this name, or none that this hospital was asked about."""

    code = "unknown_emergency"


class NoBarError(InputError):
    """Nothing bars one hospital's clinicians at the other, or this hospital has said its word."""

    code = "no_bar_here"


class NotAnsweredError(StudyError):
    """The other hospital's agent has not answered in time."""

    code = "not_answered"


class Sought(Redacted, Record, frozen=True, tag="sought patient"):
    """Whose records are needed."""

    number: str
    """As the giver numbers its patients."""
    issuer: str
    """Whoever issued it; empty for the giver itself."""
    padding: bytes = b""


class _Sealed(Record, frozen=True, tag="sealed patient"):
    """The same, sealed to the giver."""

    wrapped: WrappedKey


@dataclass(frozen=True)
class Answered:
    """What came of an emergency."""

    emergency: str
    giver: str
    dataset: str
    received: ReceivedRecords | None
    """None where the giver has nothing of this patient, or nothing that it may give."""


# -- at the grantee ----------------------------------------------------------------------------------------------------


def ask(
    place: HospitalFolder,
    clinician: LedgerUser,
    objects: ObjectStore,
    where: str,
    sought: Sought,
    reason: str,
    name: str = "",
) -> Emergency:
    """Ask for the records of one patient in a dataset, given as `HOSPITAL/DATASET`. It is told to all at once.

    Raises `InputError` for what cannot be asked, `NotLetInError`, `OldRulesError`, or what the ledger refuses.
    """
    state, chain_id = clinician.state, clinician.ledger.genesis.first_chain
    require_sharing(state, "emergencies need")
    require_code(reason, break_glass.REASONS, "reason")
    giver, dataset, version = _meant(state, where)
    if not 0 < len(sought.number) <= NUMBER_CHARACTERS_MAX or len(sought.issuer) > NUMBER_CHARACTERS_MAX:
        raise InputError("that is no patient's number", f"up to {NUMBER_CHARACTERS_MAX} characters")
    person, chosen = me(clinician), name or f"emergency-{secrets.token_hex(4)}"
    if not break_glass.allows(state, giver, dataset, person):
        hint = f"call {giver}: a person there can help; `hmchain policy show {dataset} --of {giver}` has its rules"
        raise NotLetInError(f"no rule of {giver} for {dataset} lets {person} ask in an emergency", hint)
    member = membership.membership(state, giver)
    assert member is not None  # it has a dataset
    secret = encode(padded(sought))
    wrapped = member.member.wrapping.wrap(secret, _context(chain_id, chosen, giver, dataset, str(person)))
    deed = Deed(What.EMERGENCY, role=CLINICIAN, person=str(person), dataset=dataset, version=version)
    with recorded(place.activity, deed):
        sealed = objects.put(encode(_Sealed(wrapped)))
        try:
            clinician.send(BreakGlass(chosen, giver, dataset, version, reason, sealed))
        except RefusedTransactionError:
            objects.delete(sealed)  # nobody will
            raise
    return break_glass.require_emergency(clinician.state, chosen)


def _meant(state: State, where: str) -> tuple[str, str, int]:
    giver, _, dataset = where.partition("/")
    found = datasets.dataset(state, giver, dataset) if is_name(giver) and is_name(dataset) else None
    if found is None or not found.version or not membership.is_active(state, giver):
        hint = "name a hospital and its dataset, as in north/scans: `hmchain cohort datasets` has all"
        raise InputError(f"no member has published {where!r}", hint)
    return giver, dataset, found.version


def wait(clinician: LedgerUser, objects: ObjectStore, name: str, seconds: float) -> None:
    """Wait for the answer: the ledger's word, and then the key, which leaves after it. Raises `NotAnsweredError`."""
    until = time.monotonic() + seconds
    while not _is_answered(clinician.state, objects, name):
        if time.monotonic() >= until:
            what = f"no answer to {name} came within {seconds:g} s"
            raise NotAnsweredError(what, f"call the hospital; what comes later: `hmchain share answer {name}`")
        if clinician.ledger.produce_block() is None:
            time.sleep(_POLL_SECONDS)


def _is_answered(state: State, objects: ObjectStore, name: str) -> bool:
    found = transfers.transfer(state, name)
    return found is not None and objects.exists(found.envelope)


def receive(
    place: HospitalFolder, clinician: LedgerUser, objects: ObjectStore, name: str, passphrase: str | None = None
) -> Answered:
    """Take in what answers an emergency, as a dataset of its name. Raises as `receiving.receive`."""
    found = receiving.receive(place, clinician, objects, name, passphrase=passphrase)
    entry = transfers.require_transfer(clinician.state, name)
    return Answered(name, entry.giver, entry.dataset, found if found.version.records else None)


# -- at the giver ------------------------------------------------------------------------------------------------------


def answer(
    place: HospitalFolder,
    agent: LedgerUser,
    objects: ObjectStore,
    entry: Emergency,
    opener: Opener,
    passphrase: str | None = None,
) -> GivenRecords:
    """Agent: give what there is of the patient; the same call goes on where it was cut short.

    Raises `UnwrapError` or `InputError` if who is sought cannot be read, an error of the store, and as `sending.send`.
    """
    warrant = _warrant(entry, _opened(objects, agent.ledger.genesis.first_chain, entry, opener))
    return send(place, agent, objects, warrant, AGENT, name=entry.name, passphrase=passphrase)


def cut_short(place: HospitalFolder, local: SecretKey, state: State) -> list[Emergency]:
    """What the ledger has as answered, and whose key has not left: a process was killed between the two."""
    if not place.giving.exists():
        return []
    with closing(GivingBook(place.giving, local)) as book:
        begun = [each.name for each in book.entries() if not each.done]
    found = (break_glass.emergency(state, name) for name in begun)
    mine = (each for each in found if each is not None and each.giver == place.organisation)
    return [each for each in mine if each.answered_ms and not each.is_misuse]


def forget_sought(objects: ObjectStore, state: State, entry: Emergency, time_ms: int) -> bool:
    """Delete who was sought from the members' store, once nobody needs it; returns whether nobody does.

    Raises an error of the store.
    """
    given = transfers.transfer(state, entry.name)
    if break_glass.is_waiting(entry, time_ms) or (given is not None and given.status is transfers.Status.OFFERED):
        return False
    with suppress(MissingObjectError, NotCanonicalError):
        if objects.size(entry.sealed) <= _SEALED_BYTES_MAX:  # the ledger may name anything
            decode(objects.get(entry.sealed), _Sealed)
            objects.delete(entry.sealed)
    return True


def _warrant(entry: Emergency, sought: Sought) -> Warrant:
    def holds(state: State, time_ms: int) -> bool:
        return _holds(state, entry, time_ms)

    def chosen(records: Records, version: Version) -> Collection[str]:
        return _records_of(records, version, sought, entry.grantee)

    def announce(terms: Terms, manifest: bytes, envelope: bytes) -> AnswerGlass:
        return AnswerGlass(terms.name, manifest, envelope)

    return Warrant(
        entry.name, entry.digest, entry.grantee, entry.dataset, entry.version, CLINICAL_CARE, entry.until_ms,
        holds, chosen, announce,
        sought=digest("hmchain sought", sought.number.encode(), sought.issuer.encode()),
    )  # fmt: skip


def _holds(state: State, entry: Emergency, time_ms: int) -> bool:
    """Whether it was asked like this, nobody found it to be misuse, and neither policy nor bar stands against it."""
    found = break_glass.emergency(state, entry.name)
    if found is None or found.digest != entry.digest or found.is_misuse:
        return False
    if break_glass.is_barred(state, found.giver, found.grantee):
        return False
    in_time = found.answered_ms > 0 or break_glass.is_waiting(found, time_ms)
    return in_time and break_glass.allows(state, found.giver, found.dataset, found.person)


def _records_of(records: Records, version: Version, sought: Sought, grantee: str) -> Collection[str]:
    """Those of the one patient that no opt-out and no consent keeps back from an emergency."""
    if not sought.number:
        return frozenset()
    owners = records.vault.owners(version.dataset, version.number)
    named = _one_patient(records, sought, frozenset(owners.values()))
    use = Use(UseKind.TRANSFER, (BREAK_GLASS,), (grantee,))
    permitted = usable(records, version.dataset, version.number, use, now_ms()).records
    return {record for record, subject in owners.items() if subject in named and record in permitted}


def _one_patient(records: Records, sought: Sought, known: Collection[str]) -> Collection[str]:
    """The pseudonyms, of those that are known, of the one patient whom a number means.

    Whose own number it is comes first; where several have it beside their own, as one of a family's, it means nobody.
    """
    catalogue, patient = records.catalogue, Patient(sought.number, sought.issuer)
    people, persons = catalogue.patients.people(), catalogue.patients.persons_of(patient)
    made, found = catalogue.projects.all_pseudonyms().values(), defaultdict[bytes, set[str]](set)
    for each in persons:
        names = {pseudonyms.alone(each) for pseudonyms in made} & set(known)
        if names:
            found[people.lasting(each)] |= names
    own = found.get(people.lasting(persons[0]), set())
    return own or (next(iter(found.values())) if len(found) == 1 else set())


def _opened(objects: ObjectStore, chain_id: str, entry: Emergency, opener: Opener) -> Sought:
    other = InputError(f"who is sought in {entry.name} is not sealed as it must be", f"call {entry.grantee}")
    if objects.size(entry.sealed) > _SEALED_BYTES_MAX:
        raise other
    context = _context(chain_id, entry.name, entry.giver, entry.dataset, str(entry.person))
    try:
        wrapped = decode(objects.get(entry.sealed), _Sealed).wrapped
        return decode(opener.unwrap(wrapped, context), Sought)
    except NotCanonicalError:
        raise other from None


def review(place: HospitalFolder, steward: LedgerUser, name: str, verdict: str) -> Emergency:
    """Steward of the giver: say whether it was justified; if not, what was given is to be erased at once.

    Raises `NoSuchEmergencyError`, or what the ledger refuses.
    """
    require_code(verdict, break_glass.VERDICTS, "verdict")
    found = break_glass.emergency(steward.state, name)
    if found is None or found.giver != steward.organisation:
        raise NoSuchEmergencyError(
            f"{steward.organisation} was asked for nothing under the name {name!r}",
            "`hmchain share emergencies` has all",
        )
    deed = Deed(
        What.EMERGENCY_REVIEW, role=STEWARD, person=str(me(steward)), dataset=found.dataset, version=found.version
    )
    with recorded(place.activity, deed):
        steward.send(ReviewGlass(name, verdict))
    return break_glass.require_emergency(steward.state, name)


def lift(steward: LedgerUser, other: str) -> tuple[Bar, ...]:
    """Steward: say that what was misused between its hospital and another was looked into; both have to say so.

    Returns the bars that are left between them. Raises `NoBarError`, or what the ledger refuses.
    """

    def between() -> tuple[Bar, ...]:
        found = readers.bars(steward.state, steward.organisation)
        return tuple(each for each in found if other in (each.giver, each.grantee))

    open_ = [each for each in between() if each.lifted_by != steward.organisation]
    if not open_:
        hint = "`hmchain share emergencies` shows who is barred"
        raise NoBarError(f"there is no bar between {steward.organisation} and {other} to lift here", hint)
    steward.send(*(LiftBar(each.giver, each.grantee) for each in open_))
    return between()


def _context(chain_id: str, *names: str) -> bytes:
    return digest("hmchain emergency patient", chain_id.encode(), *(name.encode() for name in names))
