"""Whatever people do with requests, in whatever order: what permits rest on, what is over, and that all can be left."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from hmchain.canonical import Record
from hmchain.ledger.contracts.data import datasets, permits, policies, requests
from hmchain.ledger.contracts.data.applicants import (
    AcceptLicences,
    AddMember,
    ChangeApplicant,
    InviteMember,
    JoinRequest,
    RemoveMember,
)
from hmchain.ledger.contracts.data.applying import (
    CloseRequest,
    CreateRequest,
    SaveDraft,
    SubmitRequest,
    TakeBackRequest,
)
from hmchain.ledger.contracts.data.datasets import PublishVersion, WithdrawVersion
from hmchain.ledger.contracts.data.deciding import (
    AddLicences,
    ApproveRequest,
    RejectRequest,
    ReturnRequest,
    RevokeRequest,
)
from hmchain.ledger.contracts.data.requests import DatasetVersion, Status
from hmchain.ledger.contracts.members import people
from support.policy_bed import ANYTHING, compiled
from support.request_bench import BRAIN, DAY_MS, UNTIL_MS, RequestBench, content, ref, terms

NAMES = ("first", "second", "third")
HOSPITALS = "bcd"
SCIENTISTS = ("a/scientist", "a/s1", "b/s1")
STEWARDS = ("a", "b", "b/s1", "b/s2", "c", "c/s1", "d")
LICENCE = bytes([5]) * 32

names = st.sampled_from(NAMES)
scientists = st.sampled_from(("", "", "", *SCIENTISTS))
"""Empty for the applicant."""
stewards = st.sampled_from(STEWARDS)
asked = st.sets(st.sampled_from(HOSPITALS), min_size=1).map(sorted)


class Requests(RuleBasedStateMachine):
    """b asks for two persons, c's policy decides by itself, d has terms; whatever is refused changes nothing."""

    @initialize()
    def found(self) -> None:
        self.bench = RequestBench()
        for person in ("a/s1", "b/s1"):
            self.bench.enrol(person, "scientist", "steward")
        for person in ("b/s2", "c/s1"):
            self.bench.enrol(person, "steward")
        self.bench.policy("b", approvers=2)
        self.bench.policy("c", cedar=compiled(anything=ANYTHING), automatic=True)
        self.bench.policy("d", licences=(LICENCE,))
        self.said: list[tuple[str, Any]] = []
        self.over: set[tuple[str, str]] = set()
        for name, who in zip(NAMES, SCIENTISTS, strict=True):
            self.bench.must(who, CreateRequest(name))
            self.submit(name, "", ["b", "c", "d"], 1, 0)

    def act(self, who: str, name: str, body: Record) -> str:
        return self.bench.do(who or str(self.bench.request(name).applicant), body)

    def submit(self, name: str, who: str, hospitals: list[str], version: int, days: int) -> None:
        uses = tuple(DatasetVersion(hospital, BRAIN, version) for hospital in hospitals)
        until_ms = max(UNTIL_MS, self.bench.ms + DAY_MS) + days * DAY_MS
        draft = content(datasets=uses, until_ms=until_ms, code=b"" if days else bytes(32))
        if self.act(who, name, SaveDraft(name, draft)) == "ok":
            self.act(who, name, SubmitRequest(name, draft.digest))
            self.replay_all(name)

    def replay_all(self, name: str) -> None:
        """Decisions on another version or content than the last one change nothing."""
        entry, before = self.bench.request(name), self.bench.state.commitment()
        for who, body in self.said:
            if body.request == name and (body.version, body.content) != (entry.version, entry.content):
                assert self.bench.do(who, body) in ("wrong_content", "wrong_status", "wrong_role")
        assert self.bench.state.commitment() == before

    # -- what applicants do -------------------------------------------------------------------------------------------

    @rule(
        name=names,
        who=scientists,
        hospitals=asked,
        version=st.sampled_from((1, 1, 1, 2)),
        days=st.sampled_from((0, 90)),
    )
    def resubmit(self, name: str, who: str, hospitals: list[str], version: int, days: int) -> None:
        self.act(who, name, TakeBackRequest(name))
        self.submit(name, who, hospitals, version, days)

    @rule(name=names, who=scientists)
    def take_back(self, name: str, who: str) -> None:
        self.act(who, name, TakeBackRequest(name))

    @rule(name=names, who=scientists, person=st.sampled_from((*SCIENTISTS, *STEWARDS)))
    def join(self, name: str, who: str, person: str) -> None:
        if self.act(who, name, InviteMember(name, ref(person))) == "ok":
            self.bench.do(person, JoinRequest(name))
        self.act(who, name, AddMember(name, ref(person).person))

    @rule(name=names, who=scientists, person=st.sampled_from((*SCIENTISTS, *STEWARDS)))
    def leave(self, name: str, who: str, person: str) -> None:
        self.act(who, name, RemoveMember(name, ref(person)))

    @rule(name=names, who=scientists, person=scientists)
    def hand_on(self, name: str, who: str, person: str) -> None:
        self.act(who, name, ChangeApplicant(name, ref(person or "a/s1")))

    @rule(name=names)
    def accept(self, name: str) -> None:
        entry = self.bench.request(name)
        for person in (entry.applicant, *entry.members):
            self.bench.do(str(person), AcceptLicences(name, (LICENCE,)))

    @rule(name=names, who=scientists)
    def close(self, name: str, who: str) -> None:
        self.act(who, name, CloseRequest(name, "finished"))

    # -- what hospitals do --------------------------------------------------------------------------------------------

    def decide(self, name: str, who: str, make: Callable[[dict[str, Any]], Record]) -> None:
        if self.bench.request(name).version:
            body = make(self.bench.about(name))
            self.said.append((who, body))
            self.bench.do(who, body)

    @rule(name=names, who=stewards, early=st.booleans())
    def approve(self, name: str, who: str, early: bool) -> None:
        until_ms = self.bench.ms + 10 * DAY_MS if early else UNTIL_MS
        self.decide(name, who, lambda about: ApproveRequest(**about, dataset=BRAIN, until_ms=until_ms))

    @rule(name=names)
    def approve_all(self, name: str) -> None:
        for who in STEWARDS:
            self.decide(name, who, lambda about: ApproveRequest(**about, dataset=BRAIN, until_ms=UNTIL_MS))

    @rule(name=names, who=stewards)
    def reject(self, name: str, who: str) -> None:
        self.decide(name, who, lambda about: RejectRequest(**about, dataset=BRAIN, reason="ethics", document=b""))

    @rule(name=names, who=stewards)
    def give_back(self, name: str, who: str) -> None:
        self.decide(name, who, lambda about: ReturnRequest(**about, reason="incomplete", document=b""))

    @rule(name=names, who=stewards)
    def revoke(self, name: str, who: str) -> None:
        self.decide(name, who, lambda about: RevokeRequest(**about, dataset=BRAIN, reason="misuse", document=b""))

    @rule(name=names, who=stewards, days=st.sampled_from((0, 0, 400)))
    def end_and_ask_again(self, name: str, who: str, days: int) -> None:
        """A yes ends, by word or by time, and the applicant submits another version."""
        self.approve_all(name)
        self.wait(days)
        self.revoke(name, who)
        self.what_is_over_is_over_for_good()
        self.resubmit(name, "", ["b", "c", "d"], 1, 90)

    @rule(name=names, who=stewards)
    def ask_for_more(self, name: str, who: str) -> None:
        self.decide(name, who, lambda about: AddLicences(**about, dataset=BRAIN, licences=(LICENCE,)))

    @rule(hospital=st.sampled_from(HOSPITALS), withdraw=st.sampled_from((True, False, False)))
    def change_data(self, hospital: str, withdraw: bool) -> None:
        body = WithdrawVersion(BRAIN, 1) if withdraw else PublishVersion(BRAIN, 2, bytes(32), 512)
        self.bench.do(hospital, body)

    @rule(approvers=st.sampled_from((1, 2)))
    def change_policy(self, approvers: int) -> None:
        self.bench.do("d", policies.SetPolicy(BRAIN, terms(approvers=approvers, licences=(LICENCE,))))

    @rule(person=st.sampled_from(("a/s1", "b/s1", "b/s2", "c/s1")), status=st.sampled_from(people.ENROLLED))
    def suspend(self, person: str, status: people.Status) -> None:
        known = people.person(self.bench.state, *person.split("/"))
        assert known is not None
        self.bench.enrol(person, *known.roles, status=status)

    @rule(days=st.sampled_from((1, 11, 400)))
    def wait(self, days: int) -> None:
        self.bench.ms += days * DAY_MS

    # -- what always holds --------------------------------------------------------------------------------------------

    @rule(name=names)
    def replay(self, name: str) -> None:
        self.replay_all(name)

    @invariant()
    def a_permit_rests_on_enough_disinterested_persons_and_on_what_was_asked(self) -> None:
        state = self.bench.state
        for entry in requests.requests(state):
            permit = permits.permit(state, entry.name, self.bench.ms)
            if permit is None:
                continue
            asked = requests.content(state, entry.name, entry.version)
            assert asked is not None and entry.status in (Status.SUBMITTED, Status.RETURNED)
            for use in permit.allowed:
                assert DatasetVersion(use.organisation, use.dataset, use.version) in asked.datasets
                version = datasets.version(state, use.organisation, use.dataset, use.version)
                assert version is not None and not version.withdrawn
                assert self.bench.ms <= use.until_ms <= asked.until_ms
                word = requests.handling(state, entry, use.organisation, use.dataset)
                assert word is not None and word.content == asked.digest
                policy = policies.at(state, use.organisation, use.dataset, word.policy)
                assert policy is not None
                by_itself = policy.automatic and word.answer == "yes" and not word.approvals
                assert by_itself or len(set(word.approvals)) >= policy.approvers
                assert not set(word.approvals) & {*entry.involved, requests.registrant(state, asked.code)}
                for person in permit.persons:
                    assert set(word.licences) <= set(requests.accepted(state, entry.name, person))

    @invariant()
    def what_is_over_is_over_for_good(self) -> None:
        state = self.bench.state
        for name, hospital in self.over:
            assert permits.is_over(state, name, hospital, self.bench.ms)
            assert hospital not in self.bench.allowed(name)
        self.over |= {
            (entry.name, hospital)
            for entry in requests.requests(state)
            for hospital in HOSPITALS
            if permits.is_over(state, entry.name, hospital, self.bench.ms)
        }

    @invariant()
    def every_state_has_a_way_out(self) -> None:
        state = self.bench.state
        for entry in requests.requests(state):
            mark, events = state.savepoint(), list(self.bench.events)
            if entry.status is not Status.CLOSED:
                self.bench.must(entry.applicant.organisation, CloseRequest(entry.name, "other"))
            assert self.bench.allowed(entry.name) == []
            assert not any(self.bench.authorised(hospital, entry.name) for hospital in HOSPITALS)
            state.rollback(mark)
            self.bench.events = events


Requests.TestCase.settings = settings(max_examples=50, stateful_step_count=40, deadline=None)
TestRequests = Requests.TestCase
