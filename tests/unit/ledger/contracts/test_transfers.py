"""Transfers: no grant without a permit at that block, none that outlives it, and receipts that one side alone signs."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from hmchain.canonical import encode
from hmchain.ledger.context import Context
from hmchain.ledger.contracts.data import datasets, transfers
from hmchain.ledger.contracts.data.applicants import ChangeApplicant, InviteMember, JoinRequest
from hmchain.ledger.contracts.data.applying import (
    CloseRequest,
    CreateRequest,
    SaveDraft,
    SubmitRequest,
    TakeBackRequest,
)
from hmchain.ledger.contracts.data.datasets import WithdrawVersion
from hmchain.ledger.contracts.data.deciding import RevokeRequest
from hmchain.ledger.contracts.data.requests import Kind
from hmchain.ledger.contracts.data.transfers import (
    ConfirmErasure,
    ReceiveRecords,
    RevokeGrant,
    Status,
    TransferPlan,
)
from hmchain.ledger.contracts.members import membership
from hmchain.ledger.protocols import KNOWN
from hmchain.ledger.reputation import DAY_MS
from support.ledger_network import CHAIN
from support.request_bench import BRAIN, REQUEST, UNTIL_MS, content, ref
from support.transfer_bench import MANIFEST, PLAN, TransferBench


@pytest.fixture
def bench() -> TransferBench:
    bench = TransferBench()
    bench.ask("b", "c")
    bench.approve("b")
    return bench


def test_what_is_given_is_received_and_erased_with_a_receipt(bench: TransferBench) -> None:
    bench.must("b/agent", bench.grant())
    assert bench.usable() and [each.name for each in transfers.not_erased(bench.state, "a")] == ["given"]
    bench.must("a/agent", ReceiveRecords("given", MANIFEST))
    assert bench.found().status is Status.RECEIVED and bench.usable()
    bench.must("a", ConfirmErasure("given", MANIFEST, "keys-destroyed", b""))
    found = bench.found()
    assert (found.status, found.erased_by, found.erased_ms) == (Status.ERASED, (ref("a"),), bench.ms)
    assert not bench.usable() and transfers.not_erased(bench.state, "b") == []
    assert transfers.transfers(bench.state, "b") == transfers.transfers_under(bench.state, REQUEST) == [found]
    assert (transfers.transfers(bench.state), transfers.transfers(bench.state, "c")) == ([found], [])
    assert list(bench.kinds())[-3:] == ["transfer.granted", "transfer.received", "transfer.erased"]


@pytest.mark.parametrize(
    ("by", "changes", "code"),
    [
        ("c/agent", {}, "not_permitted"),  # it has not decided
        ("d", {}, "not_permitted"),  # it was not asked
        ("b/scientist", {}, "wrong_role"),
        ("b", {"request": "other"}, "no_such_request"),
        ("b", {"dataset": "lung"}, "not_permitted"),
        ("b", {"version": 2}, "not_permitted"),
        ("b", {"purpose": "DUO:0000043"}, "not_permitted"),
        ("b", {"grantee": "c"}, "wrong_grantee"),
        ("a", {}, "wrong_grantee"),
        ("b", {"manifest": b""}, "bad_digest"),
        ("b", {"envelope": b"short"}, "bad_digest"),
        ("b", {"name": "No name"}, "bad_name"),
        ("b", {"until_ms": 0}, "expired"),
        ("b", {"until_ms": UNTIL_MS}, "until_too_late"),  # more than the plan's 90 days
    ],
)
def test_no_grant_goes_beyond_its_permit(bench: TransferBench, by: str, changes: dict[str, Any], code: str) -> None:
    assert bench.do(by, bench.grant(**changes)) == code
    assert transfers.transfers(bench.state) == []


def test_a_grant_ends_with_the_yes_s_own_date(bench: TransferBench) -> None:
    bench.submit("b", name="short", kind=Kind.TRANSFER, code=b"", plan=encode(TransferPlan((), 3660)))
    bench.approve("b", name="short", until_ms=bench.ms + DAY_MS)
    last = bench.word("b", "short").until_ms
    assert bench.do("b", bench.grant(request="short", until_ms=last + 1)) == "until_too_late"
    bench.must("b", bench.grant(request="short", until_ms=last))
    bench.ms = last
    assert bench.usable()
    bench.ms += 1
    assert not bench.usable() and bench.over()


def test_a_name_is_given_once(bench: TransferBench) -> None:
    bench.must("b", bench.grant())
    assert bench.do("b", bench.grant()) == "transfer_exists"


def test_a_permit_of_another_kind_gives_nothing_away() -> None:
    bench = TransferBench()
    bench.submit("b", "c")
    bench.approve("b")
    assert bench.do("b", bench.grant()) == "not_permitted"


def test_a_request_from_before_plans_gives_nothing_away() -> None:
    bench = TransferBench()
    bench.must("a/scientist", CreateRequest(REQUEST))
    asked = content("b", kind=Kind.TRANSFER, code=b"", plan=b"")
    context = Context(bench.state, CHAIN, 1, bench.ms, bench.sender(ref("a/scientist")))
    KNOWN[3].handlers[SaveDraft](context, SaveDraft(REQUEST, asked))
    bench.must("a/scientist", SubmitRequest(REQUEST, asked.digest))
    bench.approve("b")
    assert bench.do("b", bench.grant()) == "bad_plan"


def close(bench: TransferBench) -> None:
    bench.must("a/scientist", CloseRequest(REQUEST, "finished"))


def revoke(bench: TransferBench) -> None:
    bench.must("b", RevokeRequest(**bench.about(), dataset=BRAIN, reason="misuse", document=b""))


def lapse(bench: TransferBench) -> None:
    bench.ms = bench.found().until_ms + 1


@pytest.mark.parametrize("end", [close, revoke, lapse])
def test_no_grant_outlives_its_permit(bench: TransferBench, end: Any) -> None:
    bench.must("b", bench.grant())
    assert transfers.erasure_due_ms(bench.state, bench.found(), bench.ms) is None
    bench.ms += 5000
    end(bench)
    assert not bench.usable() and bench.over()
    assert bench.do("a", ReceiveRecords("given", MANIFEST)) == "grant_over"
    due_ms = transfers.erasure_due_ms(bench.state, bench.found(), bench.ms)
    assert due_ms is not None and bench.ms - 1000 <= due_ms - transfers.ERASE_DAYS * DAY_MS <= bench.ms
    bench.must("a", ConfirmErasure("given", MANIFEST, "never-opened", b""))
    assert transfers.erasure_due_ms(bench.state, bench.found(), bench.ms) is None


@pytest.mark.parametrize("who", ["a", "b"])
def test_no_grant_outlives_a_member_at_either_end(bench: TransferBench, who: str) -> None:
    bench.must("b", bench.grant())
    membership.remove(bench.state, who, bench.height)
    assert not bench.usable() and bench.over()


def test_one_request_is_given_so_much_of_a_dataset_and_no_more(bench: TransferBench) -> None:
    """Revoked grants among them: nobody floods the ledger."""
    bench.must("b", *(bench.grant(name=f"given-{number}") for number in range(transfers.GRANTS_MAX)))
    bench.must("b", RevokeGrant("given-0", "other"))
    assert bench.do("b", bench.grant(name="more")) == "too_many_grants"


def test_nothing_is_given_to_who_is_no_member_any_more(bench: TransferBench) -> None:
    membership.remove(bench.state, "a", bench.height)
    assert bench.do("b", bench.grant()) == "not_permitted"


def test_the_bounds_are_those_that_members_were_told() -> None:
    assert (transfers.DAYS_MAX, transfers.GRANTS_MAX, transfers.ERASE_DAYS) == (3660, 64, 7)


def test_who_gave_takes_back_and_nobody_else(bench: TransferBench) -> None:
    bench.must("b", bench.grant())
    for who, body, code in (
        ("a", RevokeGrant("given", "other"), "not_the_giver"),
        ("b/agent", RevokeGrant("given", "other"), "wrong_role"),
        ("b", RevokeGrant("given", "They asked me to."), "bad_reason"),
        ("b", RevokeGrant("other", "other"), "no_such_transfer"),
    ):
        assert bench.do(who, body) == code
    bench.must("b", RevokeGrant("given", "consent"))
    assert bench.do("b", RevokeGrant("given", "consent")) == "grant_over"
    assert not bench.usable() and bench.over() and bench.found().reason == "consent"
    assert bench.do("a/agent", ReceiveRecords("given", MANIFEST)) == "not_offered"
    bench.must("b", bench.grant(name="again"))


@pytest.mark.parametrize("statement", ["keys-destroyed", "vault-lost"])
def test_a_receipt_is_signed_by_a_steward_of_the_grantee_alone(bench: TransferBench, statement: str) -> None:
    bench.must("b", bench.grant())
    receipt = ConfirmErasure("given", MANIFEST, "keys-destroyed", b"")
    for who, body, code in (
        ("b", receipt, "not_the_grantee"),
        ("d", receipt, "not_the_grantee"),
        ("a/agent", receipt, "wrong_role"),
        ("a/scientist", receipt, "wrong_role"),
        ("a", replace(receipt, manifest=bytes(32)), "wrong_manifest"),
        ("a", replace(receipt, statement="All is gone."), "bad_statement"),
        ("a", replace(receipt, evidence=b"log"), "bad_digest"),
    ):
        assert bench.do(who, body) == code
    bench.must("a", ReceiveRecords("given", MANIFEST))
    assert bench.do("a", replace(receipt, statement="never-opened")) == "bad_statement"
    bench.must("a", replace(receipt, statement=statement))
    assert bench.do("a", receipt) == "already_erased"
    assert bench.do("b", RevokeGrant("given", "other")) == "grant_over"


def test_only_what_was_given_is_received_and_only_by_whom_it_was_given_to(bench: TransferBench) -> None:
    bench.must("b", bench.grant())
    assert bench.do("a", ReceiveRecords("given", bytes(32))) == "wrong_manifest"
    assert bench.do("c", ReceiveRecords("given", MANIFEST)) == "not_the_grantee"
    bench.enrol("a/d0", "clinician")
    for who in ("a/scientist", "a/d0"):
        assert bench.do(who, ReceiveRecords("given", MANIFEST)) == "wrong_role"
    bench.must("a", ReceiveRecords("given", MANIFEST))
    assert bench.do("a", ReceiveRecords("given", MANIFEST)) == "not_offered"


def test_a_version_whose_records_were_erased_is_received_no_more(bench: TransferBench) -> None:
    bench.must("b", bench.grant(), bench.grant(name="before"))
    bench.must("a", ReceiveRecords("before", MANIFEST))
    bench.must("b", WithdrawVersion(BRAIN, 1))
    assert bench.do("a", ReceiveRecords("given", MANIFEST)) == "version_withdrawn"
    assert not bench.usable() and not bench.over(), "its giver decides what becomes of it"
    assert bench.do("b", bench.grant(name="after")) == "not_permitted"
    assert transfers.is_usable(bench.state, bench.found("before"), bench.ms)


def test_a_grant_waits_while_its_request_is_changed_and_does_not_grow_with_it(bench: TransferBench) -> None:
    bench.must("b", bench.grant())
    bench.must("a/scientist", TakeBackRequest(REQUEST))
    bench.ask("b", "c", plan=encode(TransferPlan((), 365)))
    assert not bench.usable() and not bench.over()
    bench.approve("b")
    assert not bench.usable(), "the hospital said yes to another plan, and gives anew"
    bench.must("b", bench.grant(name="anew"))


def test_no_other_organisation_inherits_a_grant(bench: TransferBench) -> None:
    bench.must("a/scientist", InviteMember(REQUEST, ref("d/scientist")))
    bench.must("d/scientist", JoinRequest(REQUEST))
    bench.must("b", bench.grant())
    bench.must("a/scientist", TakeBackRequest(REQUEST), ChangeApplicant(REQUEST, ref("d/scientist")))
    bench.submit("b", "c", by="d/scientist", kind=Kind.TRANSFER, code=b"", plan=PLAN)
    bench.approve("b")
    assert bench.authorised("b", kind=Kind.TRANSFER, plan=PLAN) and not bench.usable()
    assert bench.do("d", ReceiveRecords("given", MANIFEST)) == "not_the_grantee"
    assert bench.do("a", ReceiveRecords("given", MANIFEST)) == "grant_over"
    assert bench.do("b", bench.grant(name="more")) == "wrong_grantee"


@pytest.mark.parametrize(
    "plan",
    [b"", b"plan", PLAN + b"\0", encode(TransferPlan((), 0)), encode(TransferPlan((), 3661)),
     encode(TransferPlan(("fhir", "dicom"), 1)), encode(TransferPlan(("Jane Roe of Mill Lane",), 1))],
)  # fmt: skip
def test_a_plan_names_kinds_and_days(plan: bytes) -> None:
    bench = TransferBench()
    bench.must("a/scientist", CreateRequest(REQUEST))
    asked = content("b", kind=Kind.TRANSFER, code=b"", plan=plan)
    assert bench.do("a/scientist", SaveDraft(REQUEST, asked)) == "bad_plan"
    named = content("b", kind=Kind.TRANSFER, code=b"", plan=PLAN, fields=("age",))
    assert bench.do("a/scientist", SaveDraft(REQUEST, named)) == "bad_fields"


@pytest.mark.parametrize("days", [1, transfers.DAYS_MAX])
def test_a_plan_names_all_kinds_and_any_days(days: int) -> None:
    plan = encode(TransferPlan(tuple(sorted(datasets.KINDS)), days))
    assert transfers.plan_of(plan).days == days
