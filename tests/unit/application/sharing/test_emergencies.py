"""Break-glass from end to end: one patient's records, for a clinician, at once; marked, judged and erased."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from hmchain.application.data import erasure
from hmchain.application.data.erasure import Target
from hmchain.application.data.received import Act, GrantOverError, OthersDataError
from hmchain.application.sharing import emergencies
from hmchain.application.sharing.emergencies import NotAnsweredError, NotLetInError, Sought
from hmchain.application.sharing.warrant import NotPermittedError
from hmchain.application.site.hospital import open_records
from hmchain.errors import InputError
from hmchain.keys import UnwrapError
from hmchain.ledger.contracts.data import break_glass, transfers
from hmchain.ledger.contracts.data.break_glass import BreakGlass, Status
from hmchain.ledger.contracts.data.policies import SetPolicy
from hmchain.ledger.engines.ledger import RefusedTransactionError
from hmchain.records.objects import Buffer
from hmchain.records.objects.folder import Folder
from support.consent_bed import give_of
from support.pcf_consents import consent, rule
from support.policy_bed import ANYTHING, compiled
from support.request_bench import terms
from support.sharing_bed import GIVER, GRANTEE
from support.ward_bed import DOCTOR, OPENS, PATIENT, Ward
from support.ward_bed import ward as ward


def test_one_patient_s_records_come_at_once_and_for_treatment_alone(ward: Ward) -> None:
    entry = ward.need()
    assert break_glass.to_answer(ward.bed.state, GIVER, entry.asked_ms) == [entry]
    ward.answer(entry)
    found = ward.taken()
    assert found.received is not None and found.received.version.records == 2
    theirs, ours = ward.contents(GIVER, "head"), ward.contents(GRANTEE, "night")
    assert len(theirs) == 6 and set(ours.values()) < set(theirs.values())
    for act in (Act.LOOK, Act.EXPORT):
        ward.require(act)
    for act in (Act.PREPARE, Act.REGISTER, Act.COUNT, Act.FORWARD):
        with pytest.raises(OthersDataError, match="the treatment of one patient"):
            ward.require(act)


def test_what_is_not_justified_is_used_no_more_and_erased(ward: Ward) -> None:
    ward.answer(ward.need())
    ward.taken()
    judged = emergencies.review(ward.folder(GIVER), ward.steward(GIVER), "night", "unjustified")
    assert judged.status is Status.UNJUSTIFIED and not transfers.is_usable(
        ward.bed.state, ward.transfer("night"), judged.reviewed_ms
    )
    with pytest.raises(GrantOverError):
        ward.require(Act.LOOK)
    assert ward.erase("night").records == 2
    with pytest.raises(emergencies.NoSuchEmergencyError):
        emergencies.review(ward.folder("north"), ward.steward("north"), "night", "justified")


def test_on_the_ledger_it_looks_the_same_where_nobody_is_known(ward: Ward) -> None:
    for name, number in (("known", "MRN-1"), ("unknown", "MRN-77")):
        ward.answer(ward.need(Sought(number, ""), name))
        assert (ward.taken(name).received is None) == (name == "unknown")
    known, unknown = (ward.transfer(name) for name in ("known", "unknown"))
    differs = {name for name in known.__struct_fields__ if getattr(known, name) != getattr(unknown, name)}
    assert differs <= {"name", "content", "manifest", "envelope", "until_ms", "granted_ms", "received_ms", "height"}


def brought(ward: Ward, number: str, name: str) -> list[int]:
    """The sizes of what an emergency brings into the members' store, in order."""
    before = set(ward.objects.list())
    ward.answer(ward.need(Sought(number, ""), name))
    return sorted(ward.objects.size(each) for each in set(ward.objects.list()) - before)


def of_patients(ward: Ward) -> list[list[int]]:
    """How large each patient's records are in the store."""
    with open_records(ward.folder(GIVER)) as records:
        store, handing = records.folder.store(), records.vault.handing
        subjects = records.vault.subjects("head", 1)
        return [[store.size(each) for each in handing.addresses("head", 1, subject)] for subject in subjects]


def test_in_the_store_it_looks_the_same_where_nobody_is_known(ward: Ward) -> None:
    """Whoever keeps it counts what comes, and measures it."""
    with open_records(ward.folder(GIVER)) as records:
        erasure.opt_out(records, Target(patient="MRN-2"))
    unknown, frame = brought(ward, "MRN-77", "unknown"), brought(ward, "MRN-77", "unknown-again")
    likely = [sorted([*frame, *sizes]) for sizes in of_patients(ward)]
    assert unknown in likely and len(unknown) == len(frame) + 2
    assert brought(ward, "MRN-1", "known") in likely
    emergencies.review(ward.folder(GIVER), ward.steward(GIVER), "unknown", "justified")
    assert brought(ward, "MRN-1", "known-again") == frame
    assert brought(ward, "MRN-2", "opted-out") in [*likely, frame], "the patient that it is like may be there already"


def test_what_is_fetched_looks_the_same_where_nobody_is_known(ward: Ward, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever keeps the store may log that, too."""
    opened: set[Path] = set()
    read, stream = Folder.read, Folder.stream

    def one(self: Folder, name: str, limit: int | None = None) -> bytes:
        opened.add(self.path / name)
        return read(self, name, limit)

    def pieces(self: Folder, name: str) -> Iterator[Buffer]:
        opened.add(self.path / name)
        return stream(self, name)

    monkeypatch.setattr(Folder, "read", one)
    monkeypatch.setattr(Folder, "stream", pieces)
    counts = []
    for name, number in (("unknown", "MRN-77"), ("known", "MRN-1")):
        ward.answer(ward.need(Sought(number, ""), name))
        opened.clear()
        ward.taken(name)
        counts.append(len([path for path in opened if path.is_relative_to(ward.bed.directory / "objects")]))
    assert counts[0] == counts[1] >= 5


def test_it_looks_the_same_where_all_records_were_given_before(ward: Ward) -> None:
    """Of somebody who is known nothing new comes then."""
    ward.steward(GIVER).send(SetPolicy("head", terms(cedar=compiled(anything=ANYTHING, break_glass=OPENS))))
    ward.ask()
    ward.give()
    assert brought(ward, "MRN-1", "known") == brought(ward, "MRN-77", "unknown")


def test_decoys_are_gone_with_the_rest(ward: Ward) -> None:
    before = set(ward.objects.list())
    ward.answer(ward.need(Sought("MRN-77", ""), "unknown"))
    emergencies.review(ward.folder(GIVER), ward.steward(GIVER), "unknown", "unjustified")
    ward.erase("unknown", GIVER)
    assert len(set(ward.objects.list()) - before) == 1, "the number, which the other side sealed"


def test_who_opted_out_of_research_is_given_in_an_emergency(ward: Ward) -> None:
    with open_records(ward.folder(GIVER)) as records:
        erasure.opt_out(records, Target(patient="MRN-1"))
    ward.answer(ward.need())
    found = ward.taken().received
    assert found is not None and found.version.records == 2


@pytest.mark.parametrize(("denied", "given"), [(("TREAT",), False), (("HRESCH",), True)])
def test_who_denies_treatment_is_given_in_no_emergency(ward: Ward, denied: tuple[str, ...], given: bool) -> None:
    with open_records(ward.folder(GIVER)) as records:
        give_of(records, "MRN-1", consent("a", rule("deny", purposes=denied)))
    ward.answer(ward.need())
    assert (ward.taken().received is not None) == given


def test_a_number_of_several_patients_opens_none_of_them(tmp_path: Path) -> None:
    """As an insurance's of a whole family: an emergency is of one patient."""
    ward = Ward.found(tmp_path)
    ward.fill("family")
    ward.open()
    for number, name in (("FAMILY-1", "family"), ("MRN-1", "night")):
        ward.answer(ward.need(Sought(number, ""), name))
    try:
        assert ward.taken("family").received is None
        one = ward.taken("night").received
        assert one is not None and one.version.records == 2
    finally:
        ward.asking.close()


def test_nobody_asks_whom_no_policy_lets(ward: Ward) -> None:
    ward.allow(OPENS.replace(GRANTEE, "south"))
    with pytest.raises(NotLetInError, match="call east"):
        ward.need()
    for where in ("east", "east/none", "nobody/head", "Jane Roe/head"):
        with pytest.raises(InputError, match="no member has published"):
            ward.need(where=where)
    for number in ("", "1" * 65):
        with pytest.raises(InputError, match="no patient's number"):
            ward.need(Sought(number, ""))


def test_no_number_stays_in_the_store_of_what_was_refused(ward: Ward, monkeypatch: pytest.MonkeyPatch) -> None:
    before = set(ward.objects.list())
    monkeypatch.setattr(break_glass, "OPEN_OF_PERSON_MAX", 0)
    with pytest.raises(RefusedTransactionError, match="emergencies_not_reviewed"):
        ward.need()
    assert set(ward.objects.list()) == before


def test_only_the_giver_opens_who_is_sought_and_only_as_it_was_asked(ward: Ward) -> None:
    entry = ward.need()
    with pytest.raises(UnwrapError):
        ward.answer(entry, by="north")
    user = ward.asking.user(DOCTOR)
    user.send(BreakGlass("copied", GIVER, "head", 1, "danger-to-life", entry.sealed))
    copied = break_glass.require_emergency(ward.bed.state, "copied")
    with pytest.raises(UnwrapError):
        ward.answer(copied)
    assert PATIENT.number not in repr(PATIENT)


def test_no_key_leaves_once_the_policy_says_no_more(ward: Ward) -> None:
    entry = ward.need()
    ward.allow(OPENS.replace(GRANTEE, "south"))
    with pytest.raises(NotPermittedError):
        ward.answer(entry)
    assert transfers.transfer(ward.bed.state, "night") is None
    with pytest.raises(NotAnsweredError, match="share answer night"):
        emergencies.wait(ward.asking.user(DOCTOR), ward.objects, "night", 0)


def test_an_answer_is_waited_for_until_its_key_is_there_too(ward: Ward) -> None:
    ward.answer(ward.need())
    user, envelope = ward.asking.user(DOCTOR), ward.transfer("night").envelope
    emergencies.wait(user, ward.objects, "night", 0)
    key = ward.objects.get(envelope)
    ward.objects.delete(envelope)
    with pytest.raises(NotAnsweredError):
        emergencies.wait(user, ward.objects, "night", 0)
    ward.objects.put(key)
    assert ward.taken().received is not None
