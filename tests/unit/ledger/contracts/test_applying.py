"""What applicants do with requests: what is kept, what is refused, and that every state has a way out."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from hmchain.canonical import Record, encode
from hmchain.ledger.contracts.data import applicants, applying, contents, requests
from hmchain.ledger.contracts.data.applicants import (
    AcceptLicences,
    AddMember,
    ChangeApplicant,
    InviteMember,
    JoinRequest,
    RemoveMember,
    UninviteMember,
)
from hmchain.ledger.contracts.data.applying import (
    ChangeDatasets,
    CloseRequest,
    CopyRequest,
    CreateRequest,
    DeleteDraft,
    SaveDraft,
    SubmitRequest,
    TakeBackRequest,
)
from hmchain.ledger.contracts.data.attachments import RedactDocument, attachments
from hmchain.ledger.contracts.data.datasets import WithdrawVersion
from hmchain.ledger.contracts.data.deciding import ApproveRequest, ReturnRequest
from hmchain.ledger.contracts.data.requests import DatasetVersion, DocumentKind, DocumentRef, Kind, Resources, Status
from hmchain.ledger.contracts.data.reviewing import RemarkRequest
from hmchain.ledger.contracts.learning import studies
from hmchain.ledger.contracts.members import membership, people
from support.request_bench import BRAIN, CODE, MANY_DISEASES, REQUEST, UNTIL_MS, RequestBench, content, ref
from support.study_bed import make_spec

APPLICANT = "a/scientist"
DATASETS = (DatasetVersion("a", BRAIN, 1), DatasetVersion("b", BRAIN, 1))


@pytest.fixture
def bench() -> RequestBench:
    return RequestBench()


@pytest.fixture
def draft(bench: RequestBench) -> RequestBench:
    bench.must(APPLICANT, CreateRequest(REQUEST))
    return bench


# -- drafts ------------------------------------------------------------------------------------------------------------


def test_a_draft_is_begun_saved_changed_and_forgotten(draft: RequestBench) -> None:
    draft.must(APPLICANT, SaveDraft(REQUEST, content("a", "b")), ChangeDatasets(REQUEST, DATASETS[:1]))
    saved = requests.draft(draft.state, draft.request())
    assert saved == content("a")
    draft.must(APPLICANT, DeleteDraft(REQUEST))
    assert requests.request(draft.state, REQUEST) is None and requests.content(draft.state, REQUEST, 1) is None
    assert requests.open_requests(draft.state, ref(APPLICANT)) == []
    draft.must("b/scientist", CreateRequest(REQUEST))


@pytest.mark.parametrize(
    ("who", "body", "code"),
    [
        ("a", CreateRequest("other"), "wrong_role"),
        (APPLICANT, CreateRequest(REQUEST), "request_exists"),
        (APPLICANT, CreateRequest("Not a name"), "bad_name"),
        (APPLICANT, SaveDraft("other", content("a")), "no_such_request"),
        ("b/scientist", SaveDraft(REQUEST, content("a")), "not_its_applicant"),
        (APPLICANT, ChangeDatasets(REQUEST, DATASETS), "no_content"),
        (APPLICANT, SubmitRequest(REQUEST, bytes(32)), "no_content"),
        ("b", DeleteDraft(REQUEST), "not_its_applicant"),
        ("b", CloseRequest(REQUEST, "other"), "not_its_applicant"),
        (APPLICANT, CloseRequest(REQUEST, "because"), "bad_reason"),
        (APPLICANT, TakeBackRequest(REQUEST), "wrong_status"),
        ("b/scientist", CopyRequest("other", REQUEST), "not_involved"),
        ("b/scientist", CopyRequest("other", "nothing"), "no_such_request"),
    ],
)
def test_what_is_refused_of_a_draft(draft: RequestBench, who: str, body: Record, code: str) -> None:
    assert draft.do(who, body) == code


MANY = tuple(f"f{number:03}" for number in range(257))


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"purposes": ()}, "bad_purpose"),
        ({"purposes": ("research",)}, "bad_purpose"),
        ({"purposes": ("DUO:0000007", "DUO:0000006")}, "bad_purpose"),
        ({"purposes": ("DUO:9999999",)}, "bad_purpose"),
        ({"purposes": ("DUO:0000001",)}, "bad_purpose"),
        ({"purposes": ("DUO:0000018",)}, "bad_purpose"),
        ({"purposes": ("DUO:0000042", "DUO:9999999")}, "bad_purpose"),
        ({"diseases": ("MONDO:9999999",)}, "bad_disease"),
        ({"purposes": tuple(f"DUO:{number:07}" for number in range(17))}, "bad_purpose"),
        ({"diseases": ("cancer of Mrs Jones",)}, "bad_disease"),
        ({"datasets": ()}, "bad_datasets"),
        ({"datasets": DATASETS[::-1]}, "bad_datasets"),
        ({"datasets": (DatasetVersion("a", "Mrs Jones", 1),)}, "bad_datasets"),
        ({"datasets": (DatasetVersion("a", BRAIN, 1), DatasetVersion("a", "lung", 1))}, "bad_datasets"),
        ({"datasets": (DatasetVersion("a", BRAIN, 1), DatasetVersion("a", BRAIN, 2))}, "bad_datasets"),
        ({"datasets": tuple(DatasetVersion(f"h{number:02}", BRAIN, 1) for number in range(33))}, "bad_datasets"),
        ({"fields": ("Age of Mrs Jones",)}, "bad_fields"),
        ({"fields": MANY}, "bad_fields"),
        ({"labels": ("b", "a")}, "bad_fields"),
        ({"plan": bytes(contents.PLAN_BYTES_MAX + 1)}, "bad_plan"),
        ({"code": b"short"}, "bad_digest"),
        ({"colluders": -1}, "bad_colluders"),
        ({"resources": Resources(-1, 0, 0)}, "bad_resources"),
        ({"resources": Resources(0, 1 << 40, 0)}, "bad_resources"),
        ({"regions": ("Germany",)}, "bad_regions"),
        ({"documents": (DocumentRef(DocumentKind.DPIA, b"the text itself"),)}, "bad_digest"),
        ({"documents": (DocumentRef(DocumentKind.DPIA, CODE), DocumentRef(DocumentKind.FORM, CODE))}, "bad_documents"),
    ],
)
def test_no_sentence_and_nothing_out_of_bounds_is_saved(
    draft: RequestBench, changes: dict[str, Any], code: str
) -> None:
    assert draft.do(APPLICANT, SaveDraft(REQUEST, content("a", "b", **changes))) == code


def test_two_datasets_of_one_hospital_may_be_sent_and_not_summed(draft: RequestBench) -> None:
    two = (DatasetVersion("a", BRAIN, 1), DatasetVersion("a", "lung", 1))
    draft.must(APPLICANT, SaveDraft(REQUEST, content(datasets=two, kind=Kind.TRANSFER)))


def test_a_member_s_flood_of_requests_ends_at_its_share(bench: RequestBench) -> None:
    """Of one person first, then of all persons of the organisation together; others are not touched."""
    for number in range(applying.OPEN_OF_PERSON_MAX):
        bench.must(APPLICANT, CreateRequest(f"r{number}"))
    assert bench.do(APPLICANT, CreateRequest("one-more")) == "too_many_requests"
    assert bench.do(APPLICANT, CopyRequest("one-more", "r0")) == "too_many_requests"
    for person in range(3):
        bench.enrol(f"a/p{person}", "scientist")
        for number in range(applying.OPEN_OF_PERSON_MAX):
            bench.must(f"a/p{person}", CreateRequest(f"r{person}.{number}"))
    bench.enrol("a/last", "scientist")
    assert bench.do("a/last", CreateRequest("one-more")) == "too_many_requests"
    bench.must("b/scientist", CreateRequest("one-more"))
    bench.must(APPLICANT, CloseRequest("r0", "withdrawn"))
    bench.must("a/last", CreateRequest("and-more"))


# -- submissions -------------------------------------------------------------------------------------------------------


def test_each_submission_is_a_version_whose_content_and_people_stay(bench: RequestBench) -> None:
    bench.submit("a", "b")
    bench.must(APPLICANT, TakeBackRequest(REQUEST))
    bench.must(APPLICANT, AddMember(REQUEST, "steward"))
    bench.submit("a", "c")
    assert bench.request().version == 2
    assert requests.content(bench.state, REQUEST, 1) == content("a", "b")
    first, second = (requests.submission(bench.state, REQUEST, version) for version in (1, 2))
    assert first is not None and second is not None
    assert first.members == () and second.members == (ref("a"),)
    assert [word.organisation for word in requests.handlings(bench.state, REQUEST, 1)] == ["a", "b"]
    assert requests.asked_of(bench.state, "b") == requests.asked_of(bench.state, "c", BRAIN) == [REQUEST]
    assert requests.asked_of(bench.state, "d") == []


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"until_ms": 1}, "bad_until"),
        ({"until_ms": UNTIL_MS * 2}, "bad_until"),
        ({"colluders": 2}, "bad_colluders"),
        ({"datasets": (DatasetVersion("a", BRAIN, 2),)}, "no_such_version"),
        ({"datasets": (DatasetVersion("a", "lung", 1),)}, "no_such_version"),
        ({"datasets": (DatasetVersion("z", BRAIN, 1),)}, "not_a_member"),
    ],
)
def test_what_no_hospital_could_say_yes_to_is_not_submitted(
    draft: RequestBench, changes: dict[str, Any], code: str
) -> None:
    asked = content("a", **changes)
    draft.must(APPLICANT, SaveDraft(REQUEST, asked))
    assert draft.do(APPLICANT, SubmitRequest(REQUEST, asked.digest)) == code


def test_only_what_was_read_is_submitted_and_nothing_withdrawn(draft: RequestBench) -> None:
    draft.must(APPLICANT, SaveDraft(REQUEST, content("a", "b")))
    assert draft.do(APPLICANT, SubmitRequest(REQUEST, content("a").digest)) == "wrong_content"
    draft.must("b", WithdrawVersion(BRAIN, 1))
    assert draft.do(APPLICANT, SubmitRequest(REQUEST, content("a", "b").digest)) == "version_withdrawn"


def test_a_request_is_not_submitted_for_ever(bench: RequestBench) -> None:
    for _ in range(applying.VERSIONS_MAX):
        bench.submit("a")
        bench.must(APPLICANT, TakeBackRequest(REQUEST))
    assert bench.do(APPLICANT, SubmitRequest(REQUEST, content("a").digest)) == "too_many_versions"
    bench.must(APPLICANT, CopyRequest("again", REQUEST), CloseRequest(REQUEST, "superseded"))
    bench.must(APPLICANT, SubmitRequest("again", content("a").digest))
    assert bench.request("again").copied_from == REQUEST


def test_a_block_has_so_many_submissions_of_an_organisation(bench: RequestBench) -> None:
    """Each is judged by the policies of all its datasets: a flood of them would hold up every node."""
    large = content(*"abcd", **MANY_DISEASES)
    names = [f"r{number}" for number in range(contents.DATASETS_MAX // 4 + 1)]
    for name in names:
        bench.must(APPLICANT, CreateRequest(name), SaveDraft(name, large))
    bench.must("b/scientist", CreateRequest("other"), SaveDraft("other", large))
    submitted = [bench.do(APPLICANT, SubmitRequest(name, large.digest), blocks=0) for name in names]
    assert submitted == ["ok"] * (len(names) - 1) + ["too_many_at_once"]
    assert bench.do("b/scientist", SubmitRequest("other", large.digest), blocks=0) == "ok"
    bench.must(APPLICANT, SubmitRequest(names[-1], large.digest))


def test_what_is_closed_stays_closed_and_can_be_copied(bench: RequestBench) -> None:
    bench.submit("a", "b")
    bench.approve("a")
    bench.must(APPLICANT, CloseRequest(REQUEST, "withdrawn"))
    about = bench.about()
    late: list[tuple[str, Record]] = [
        (APPLICANT, SaveDraft(REQUEST, content("a"))),
        (APPLICANT, SubmitRequest(REQUEST, content("a").digest)),
        (APPLICANT, TakeBackRequest(REQUEST)),
        (APPLICANT, CloseRequest(REQUEST, "withdrawn")),
        (APPLICANT, InviteMember(REQUEST, ref("b"))),
        (APPLICANT, AcceptLicences(REQUEST, (CODE,))),
        ("b", ApproveRequest(**about, dataset=BRAIN, until_ms=UNTIL_MS)),
        ("b", ReturnRequest(**about, reason="other", document=b"")),
    ]
    assert [bench.do(who, body) for who, body in late] == ["wrong_status"] * len(late)
    assert bench.allowed() == []
    bench.must(APPLICANT, CopyRequest("again", REQUEST))
    assert requests.draft(bench.state, bench.request("again")) == content("a", "b")


def test_a_flood_of_copies_leaves_nothing_but_their_names(bench: RequestBench) -> None:
    """Small transactions that each copy 30 KiB would let a ledger grow by far more than anybody sends."""
    large = studies.plan_of(make_spec(tuple("abc"), code=CODE, training=encode(tuple(range(10_000)))))
    bench.submit("b", plan=large)
    for number in range(3):
        bench.must(APPLICANT, CopyRequest(f"copy-{number}", REQUEST), CloseRequest(f"copy-{number}", "other"))
    bench.must(APPLICANT, TakeBackRequest(REQUEST), SaveDraft(REQUEST, content("b", plan=large)))
    bench.must(APPLICANT, CloseRequest(REQUEST, "other"))
    bench.state.commit(bench.height)
    assert len([key for key, _ in bench.state.snapshot() if key.startswith(b"request_contents")]) == 1


def test_a_draft_that_was_forgotten_leaves_nothing_beside_the_next_of_its_name(bench: RequestBench) -> None:
    bench.must(APPLICANT, CreateRequest(REQUEST))
    assert bench.do(APPLICANT, RemarkRequest(REQUEST, True, CODE)) == "wrong_status"


# -- people ------------------------------------------------------------------------------------------------------------


def test_members_come_by_invitation_and_leave(bench: RequestBench) -> None:
    bench.must(APPLICANT, CreateRequest(REQUEST), InviteMember(REQUEST, ref("b/scientist")))
    bench.must(APPLICANT, InviteMember(REQUEST, ref("c/scientist")), AddMember(REQUEST, "steward"))
    assert bench.request().invited == (ref("b/scientist"), ref("c/scientist"))
    bench.must("b/scientist", JoinRequest(REQUEST))
    bench.must("c/scientist", UninviteMember(REQUEST, ref("c/scientist")))
    assert bench.request().members == (ref("a"), ref("b/scientist")) and bench.request().invited == ()
    bench.must("b", RemoveMember(REQUEST, ref("b/scientist")))
    bench.must(APPLICANT, RemoveMember(REQUEST, ref("a")))
    assert bench.request().members == ()
    assert bench.request().involved == (ref("a/scientist"), ref("a"), ref("b/scientist"))


@pytest.mark.parametrize(
    ("who", "body", "code"),
    [
        (APPLICANT, InviteMember(REQUEST, ref("b/nobody")), "no_such_person"),
        (APPLICANT, InviteMember(REQUEST, ref(APPLICANT)), "takes_part"),
        (APPLICANT, InviteMember(REQUEST, ref("b")), "takes_part"),
        ("b", InviteMember(REQUEST, ref("c")), "not_its_applicant"),
        ("c", JoinRequest(REQUEST), "not_invited"),
        (APPLICANT, UninviteMember(REQUEST, ref("c")), "not_invited"),
        ("c", UninviteMember(REQUEST, ref("b")), "not_its_applicant"),
        (APPLICANT, AddMember(REQUEST, "nobody"), "no_such_person"),
        (APPLICANT, RemoveMember(REQUEST, ref("b")), "no_such_person"),
        ("c", RemoveMember(REQUEST, ref("b")), "not_its_applicant"),
        (APPLICANT, ChangeApplicant(REQUEST, ref("c/scientist")), "no_such_person"),
        (APPLICANT, AcceptLicences(REQUEST, ()), "bad_list"),
        (APPLICANT, AcceptLicences(REQUEST, (b"short",)), "bad_digest"),
        (APPLICANT, AcceptLicences(REQUEST, (CODE,)), "no_such_licence"),
        ("c", AcceptLicences(REQUEST, (CODE,)), "not_involved"),
    ],
)
def test_who_may_change_a_request_s_people(draft: RequestBench, who: str, body: Record, code: str) -> None:
    draft.must(APPLICANT, InviteMember(REQUEST, ref("b")))
    assert draft.do(who, body) == code


def test_a_flood_of_members_ends(draft: RequestBench) -> None:
    for number in range(applicants.PEOPLE_MAX):
        draft.enrol(f"b/p{number}", "scientist")
        draft.must(APPLICANT, InviteMember(REQUEST, ref(f"b/p{number}")))
    assert draft.do(APPLICANT, InviteMember(REQUEST, ref("b"))) == "request_full"
    for number in range(applicants.INVOLVED_MAX - 1):
        draft.enrol(f"a/p{number}", "scientist")
        if draft.request().invited:
            draft.must(APPLICANT, UninviteMember(REQUEST, draft.request().invited[0]))
        draft.must(APPLICANT, AddMember(REQUEST, f"p{number}"), RemoveMember(REQUEST, ref(f"a/p{number}")))
    assert draft.do(APPLICANT, AddMember(REQUEST, "steward")) == "request_full"


def test_who_decided_does_not_join(bench: RequestBench) -> None:
    """Else a steward could approve a request and then be one of those who use it."""
    bench.submit("b")
    bench.must(APPLICANT, InviteMember(REQUEST, ref("b")))
    bench.approve("b")
    assert bench.do("b", JoinRequest(REQUEST)) == "has_decided"


def test_another_member_answers_for_it_and_decisions_on_the_former_one_hold_no_more(bench: RequestBench) -> None:
    bench.enrol("a/s2", "scientist")
    bench.must(APPLICANT, CreateRequest(REQUEST), AddMember(REQUEST, "s2"))
    bench.submit("b")
    bench.approve("b")
    assert bench.do(APPLICANT, ChangeApplicant(REQUEST, ref("a/s2"))) == "wrong_status"
    bench.must(APPLICANT, TakeBackRequest(REQUEST))
    assert bench.allowed() == ["b"], "a request that is gone over loses nothing"
    bench.must("a", ChangeApplicant(REQUEST, ref("a/s2")))
    assert bench.allowed() == []
    assert requests.open_requests(bench.state, ref("a/s2")) == [REQUEST]
    assert requests.open_requests(bench.state, ref(APPLICANT)) == []
    assert bench.do(APPLICANT, SubmitRequest(REQUEST, content("b").digest)) == "not_its_applicant"


def test_an_applicant_s_role_is_no_reviewer_s(bench: RequestBench) -> None:
    bench.enrol("a/e1", "ethics")
    bench.must(APPLICANT, CreateRequest(REQUEST), AddMember(REQUEST, "e1"))
    assert bench.do(APPLICANT, ChangeApplicant(REQUEST, ref("a/e1"))) == "wrong_role_of_person"


def test_the_request_of_somebody_who_is_gone_can_be_ended_by_the_organisation_or_by_those_who_were_asked(
    bench: RequestBench,
) -> None:
    bench.enrol("a/s1", "scientist")
    bench.submit("b", by="a/s1")
    bench.enrol("a/s1", "scientist", status=people.Status.REMOVED)
    assert bench.do("b", CloseRequest(REQUEST, "applicant-gone")) == "not_its_applicant"
    bench.must("a", TakeBackRequest(REQUEST), CloseRequest(REQUEST, "applicant-gone"))
    bench.submit("b", name="other")
    membership.remove(bench.state, "a", bench.height)
    assert bench.do("c", CloseRequest("other", "applicant-gone")) == "not_its_applicant"
    bench.must("b", CloseRequest("other", "applicant-gone"))


# -- documents ---------------------------------------------------------------------------------------------------------


def test_a_document_is_redacted_by_who_attached_it_and_never_attached_again(bench: RequestBench) -> None:
    bench.submit("b")
    form = content().documents[0].digest
    assert [each.by for each in attachments(bench.state, REQUEST)] == [ref(APPLICANT)]
    assert bench.do("b", RedactDocument(REQUEST, form)) == "not_its_author"
    assert bench.do("a", RedactDocument(REQUEST, CODE)) == "no_such_document"
    bench.must("a", RedactDocument(REQUEST, form))
    assert bench.do(APPLICANT, RedactDocument(REQUEST, form)) == "redacted"
    bench.must(APPLICANT, TakeBackRequest(REQUEST))
    assert bench.do(APPLICANT, SubmitRequest(REQUEST, content("b").digest)) == "redacted"
    assert requests.submission(bench.state, REQUEST, 1) is not None, "what was decided on stays named"


def test_a_document_of_a_draft_is_attached_by_nobody_else_before_it_is_submitted(bench: RequestBench) -> None:
    """A hospital that was asked reads the digest in the next draft, attaches it as its own, and redacts it."""
    bench.submit("b")
    letter = DocumentRef(DocumentKind.LETTER, bytes([9]) * 32)
    changed = content("b")
    changed = replace(changed, documents=(*changed.documents, letter))
    bench.must(APPLICANT, TakeBackRequest(REQUEST), SaveDraft(REQUEST, changed))
    assert bench.do("b", RemarkRequest(REQUEST, True, letter.digest)) == "not_its_author"
    bench.must("b", RemarkRequest(REQUEST, True, bytes([8]) * 32))
    bench.must(APPLICANT, SubmitRequest(REQUEST, changed.digest))
    assert {each.by for each in attachments(bench.state, REQUEST) if each.digest == letter.digest} == {ref(APPLICANT)}
    bench.must("b", RemarkRequest(REQUEST, True, letter.digest))
    assert bench.do("b", RedactDocument(REQUEST, letter.digest)) == "not_its_author"


def test_a_request_in_any_state_can_be_left(bench: RequestBench) -> None:
    """Draft, submitted and returned can be closed; what is closed is left for good."""
    bench.must(APPLICANT, CreateRequest("draft"))
    bench.submit("b", name="submitted")
    bench.submit("b", name="returned")
    bench.must("b", ReturnRequest(**bench.about("returned"), reason="incomplete", document=b""))
    assert bench.request("returned").status is Status.RETURNED
    for name in ("draft", "submitted", "returned"):
        bench.must(APPLICANT, CloseRequest(name, "withdrawn"))
    assert requests.open_requests(bench.state, ref(APPLICANT)) == []
