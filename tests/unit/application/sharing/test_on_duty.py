"""An agent on duty: it tells people of an emergency, answers it, and erases what came by a grant that is over."""

from __future__ import annotations

import shutil
from typing import Any

import pytest

from hmchain.application.governance import transfers as services
from hmchain.application.governance.delegate import LedgerUser
from hmchain.application.governance.transfers import NotGivenHereError
from hmchain.application.hospital.node_hospital import NodeHospital
from hmchain.application.node.agent_log import AgentLog
from hmchain.application.sharing import copying, emergencies
from hmchain.application.sharing.giving_book import GivingBook
from hmchain.application.sharing.locks import GivingError
from hmchain.application.sharing.on_duty import OnDuty
from hmchain.application.sharing.sending import TransferNameError
from hmchain.application.sharing.warrant import NotPermittedError
from hmchain.application.site.hospital import read_records
from hmchain.ledger.contracts.data import break_glass
from hmchain.ledger.contracts.data.break_glass import BreakGlass
from hmchain.ledger.contracts.data.policies import SetPolicy
from hmchain.ledger.readers import emergencies as emergency_reader
from hmchain.ledger.readers import transfers as reader
from hmchain.ledger.readers.transfers import Standing, UnknownTransferError
from hmchain.records.objects import ObjectStore
from support.killing import Killed, kill_after
from support.policy_bed import ANYTHING, compiled
from support.request_bench import terms
from support.sharing_bed import GIVER, GRANTEE
from support.ward_bed import DOCTOR, OPENS, Ward
from support.ward_bed import ward as ward


class Agent:
    """One hospital's, with all that it says."""

    def __init__(self, ward: Ward, name: str) -> None:
        self.said: list[str] = []
        self._ward, consortium = ward, ward.bed.consortium
        log = AgentLog(ward.asking.place / f"{name}.log", self.said.append)
        self.duty = OnDuty(NodeHospital(consortium.hospitals[name], consortium.ledger), log)

    def look(self) -> str:
        """All that was said since it looked last."""
        self.said.clear()
        self.duty(self._ward.bed.state)
        return "\n".join(self.said)


def todo(ward: Ward, name: str) -> list[tuple[str, str]]:
    return [(each.words, each.command) for each in services.to_do(ward.bed.state, name)]


def test_an_emergency_is_told_answered_and_judged(ward: Ward) -> None:
    giver, grantee = Agent(ward, GIVER), Agent(ward, GRANTEE)
    assert (giver.look(), grantee.look()) == ("", "")
    ward.need()
    said = giver.look()
    assert "EMERGENCY night: west/doc asks for a patient of head (danger-to-life); judge it" in said
    assert "EMERGENCY night is answered: west has what there is" in said
    assert "EMERGENCY night: west/doc asks east for a patient of head" in grantee.look()
    assert (giver.look(), grantee.look()) == ("", ""), "once"
    assert [command for _, command in todo(ward, GIVER)] == ["share review night VERDICT"]
    assert [command for _, command in todo(ward, GRANTEE)] == ["share emergencies", "share receive night"]
    found = ward.taken()
    assert found.received is not None
    emergencies.review(ward.folder(GIVER), ward.steward(GIVER), "night", "unjustified")
    assert "night of east is over, and what came by it is erased; a steward signs" in grantee.look()
    with read_records(ward.folder(GRANTEE)) as records:
        assert not list(records.folder.store().list())
    assert [command for _, command in todo(ward, GRANTEE)] == ["share erase night"]
    shown = emergency_reader.emergencies(ward.bed.state, GIVER)
    assert [(each.person, each.status, each.overdue) for each in shown.listed] == [(DOCTOR, "unjustified", False)]
    assert [(each.asked, each.waiting, each.unjustified) for each in shown.counted] == [(1, 0, 1)]


def test_what_cannot_be_answered_is_said_and_keeps_nothing_else_from_it(ward: Ward) -> None:
    ward.asking.user(DOCTOR).send(BreakGlass("amiss", GIVER, "head", 1, "danger-to-life", bytes(32)))
    ward.need()
    said = Agent(ward, GIVER).look()
    assert "emergency amiss waits: " in said and "EMERGENCY night is answered" in said


STEPS = [(GivingBook, "keep_page", 1), (LedgerUser, "send", 1), (ObjectStore, "put", 3)]


@pytest.mark.parametrize(("owner", "name", "calls"), STEPS)
def test_an_agent_that_is_killed_while_it_answers_goes_on(
    ward: Ward, monkeypatch: pytest.MonkeyPatch, owner: type, name: str, calls: int
) -> None:
    """Also where the ledger has the answer and the key has not left."""
    ward.need()
    with monkeypatch.context() as cut:
        kill_after(cut, owner, name, calls)
        with pytest.raises(Killed):
            Agent(ward, GIVER).look()
    Agent(ward, GIVER).look()
    found = ward.taken()
    assert found.received is not None and found.received.version.records == 2


def test_who_is_quick_to_justify_it_keeps_nobody_from_the_answer(ward: Ward) -> None:
    ward.need()
    emergencies.review(ward.folder(GIVER), ward.steward(GIVER), "night", "justified")
    assert "night is answered" in Agent(ward, GIVER).look()
    assert ward.taken().received is not None
    assert break_glass.require_emergency(ward.bed.state, "night").status is break_glass.Status.JUSTIFIED


def test_what_a_backup_brings_back_after_its_receipt_is_erased_again(ward: Ward) -> None:
    ward.answer(ward.need())
    ward.taken()
    place = ward.folder(GRANTEE).path
    copy = shutil.copytree(place, ward.asking.place / "copy")
    ward.erase("night")
    shutil.rmtree(place)
    shutil.copytree(copy, place)
    assert ward.contents(GRANTEE, "night")
    assert "what came by it is erased" in Agent(ward, GRANTEE).look()
    assert not ward.contents(GRANTEE, "night")


def test_nothing_of_an_emergency_stays_in_the_store(ward: Ward, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the number, which the other side sealed, nor what was sent before somebody judged it."""
    before = set(ward.objects.list())
    ward.need()
    with monkeypatch.context() as cut:
        kill_after(cut, GivingBook, "keep_envelope", 1)
        with pytest.raises(Killed):
            Agent(ward, GIVER).look()
    emergencies.review(ward.folder(GIVER), ward.steward(GIVER), "night", "unjustified")
    assert "night is over" in Agent(ward, GIVER).look()
    ward.need(name="answered")
    Agent(ward, GIVER).look()
    Agent(ward, GRANTEE).look()
    assert ward.taken("answered").received is not None, "while it waits for who asked, all of it is there"
    ward.revoke("answered")
    for name in (GIVER, GRANTEE):
        Agent(ward, name).look()
    assert set(ward.objects.list()) == before


def test_an_agent_whose_files_cannot_be_read_says_so_and_goes_on(ward: Ward) -> None:
    book = ward.folder(GIVER).giving
    book.write_bytes(b"no database" * 100)
    ward.need()
    said = Agent(ward, GIVER).look()
    assert "what was given before cannot be looked through" in said and "emergency night waits" in said
    book.unlink()
    assert "night is answered" in Agent(ward, GIVER).look()


def test_no_name_that_the_ledger_names_deletes_another_s_object(ward: Ward) -> None:
    address = ward.objects.put(b"another's")
    ward.asking.user(DOCTOR).send(BreakGlass("amiss", GIVER, "head", 1, "danger-to-life", address))
    emergencies.review(ward.folder(GIVER), ward.steward(GIVER), "amiss", "unjustified")
    Agent(ward, GRANTEE).look()
    assert ward.objects.exists(address)


def test_an_emergency_of_its_name_leaves_no_grant_stuck(ward: Ward, monkeypatch: pytest.MonkeyPatch) -> None:
    """A clinician may choose the name that a grant under way would have."""
    ward.steward(GIVER).send(SetPolicy("head", terms(cedar=compiled(anything=ANYTHING, break_glass=OPENS))))
    ward.ask()
    with monkeypatch.context() as cut:
        kill_after(cut, GivingBook, "keep_page", 1)
        with pytest.raises(Killed):
            ward.give()
    ward.need(name="relapse-east")
    with pytest.raises(TransferNameError, match="names something else"):
        ward.give()
    ward.erase("relapse-east", GIVER)
    assert ward.give().transfer == "relapse-east-2"


def test_nothing_is_cleared_while_an_emergency_is_answered(ward: Ward, monkeypatch: pytest.MonkeyPatch) -> None:
    """What an earlier answer put there is counted on by the one that is just made."""
    ward.answer(ward.need(name="first"))
    emergencies.review(ward.folder(GIVER), ward.steward(GIVER), "first", "unjustified")
    lacking, cleared = copying.lacking, list[str]()

    def clears(*asked: Any) -> Any:
        found = lacking(*asked)
        if not cleared:
            cleared.append("tried")
            with pytest.raises(GivingError):
                ward.erase("first", GIVER)
        return found

    monkeypatch.setattr(copying, "lacking", clears)
    ward.answer(ward.need())
    assert cleared
    ward.erase("first", GIVER)
    found = ward.taken()
    assert found.received is not None and found.received.version.records == 2


def test_both_are_told_of_a_bar_and_lift_it(ward: Ward, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(break_glass, "UNJUSTIFIED_OF_ORGANISATION_MAX", 1)
    with pytest.raises(emergencies.NoBarError):
        emergencies.lift(ward.steward(GIVER), GRANTEE)
    ward.answer(ward.need())
    waits = ward.need(name="waits")
    emergencies.review(ward.folder(GIVER), ward.steward(GIVER), "night", "unjustified")
    assert ("west misused emergencies at east and is barred there: look into it", "share lift-bar west") in todo(
        ward, GIVER
    )
    with pytest.raises(NotPermittedError):
        ward.answer(waits)
    left = emergencies.lift(ward.steward(GRANTEE), GIVER)
    assert [each.lifted_by for each in left] == [GRANTEE]
    with pytest.raises(emergencies.NoBarError):
        emergencies.lift(ward.steward(GRANTEE), GIVER)
    assert emergencies.lift(ward.steward(GIVER), GRANTEE) == ()
    ward.answer(waits)


def test_a_grant_is_taken_back_by_who_gave_it_and_both_sides_are_reminded(ward: Ward) -> None:
    ward.steward(GIVER).send(SetPolicy("head", terms()))
    ward.ask()
    given = ward.give().transfer
    state = ward.bed.state
    assert reader.transfer(state, given).standing is Standing.OFFERED
    assert [command for _, command in todo(ward, GRANTEE)] == [f"share receive {given}"]
    ward.receive(given)
    assert [each.standing for each in reader.listed(state, GRANTEE)] == [Standing.RECEIVED]
    with pytest.raises(NotGivenHereError, match="east alone takes it back"):
        services.revoke(ward.steward(GRANTEE), given, "consent")
    done = services.revoke(ward.steward(GIVER), given, "consent")
    assert done.standing is Standing.TO_ERASE and done.is_over and done.reason == "consent"
    with pytest.raises(NotGivenHereError, match="is over"):
        services.revoke(ward.steward(GIVER), given, "consent")
    assert "what came by it is erased" in Agent(ward, GRANTEE).look()
    assert ward.files_of_records(GIVER), "in the members' store"
    assert f"{given} is over: what lay in the members' store for it is gone" in Agent(ward, GIVER).look()
    assert not ward.files_of_records(GIVER)
    assert todo(ward, GIVER) == []
    ward.bed.now_ms = done.due_ms + 1
    ward.steward(GIVER).send(SetPolicy("head", terms(days_max=9)))
    late = reader.transfer(ward.bed.state, given)
    assert late.standing is Standing.OVERDUE
    assert todo(ward, GIVER)[0][1] == f"share show {given}" and todo(ward, GRANTEE)[0][1] == f"share erase {given}"
    with pytest.raises(UnknownTransferError):
        reader.transfer(state, "none")
