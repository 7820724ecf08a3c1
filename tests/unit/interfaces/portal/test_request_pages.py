"""Requests in the portal, on an embedded network: written, handed in, talked about, decided, each word signed."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator

import pytest
from msgspec.structs import replace

from hmchain.application.governance.requests import decisions, licences
from hmchain.clock import DAY_MS
from hmchain.ledger.contracts.data.policies import Duty, SetPolicy
from hmchain.records.objects import address_of
from support.policy_bed import TERMS
from support.portal_bed import PortalBed
from support.request_bed import FILE, RequestBed

SCIENTIST, STEWARD, OTHER = "west/scientist", "east/steward", "north/steward"
HOSTILE = "<img src=x onerror=alert(1)>\"'><script>alert(1)</script>"
WRITTEN = {
    "kind": "transfer", "dataset": ["east/brain", "north/brain"], "purposes": "health-research", "until": "2024-06-30",
    "diseases": "MONDO:0005072", "regions": "de", "hours": "24", "memory_gib": "4", "days": "90",
    "form.title": f"Relapse {HOSTILE}", "form.use": f"Who will relapse? {HOSTILE}", "form.contact": "Dr West",
}  # fmt: skip
VERSION = {"version": "1"}
"""As a form names the version that was read."""
EDITOR = "/scientist/editor/relapse"
PAGE = "/requests/relapse"


@pytest.fixture(scope="module")
def portal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PortalBed]:
    place = tmp_path_factory.mktemp("portal")
    bed = RequestBed.found(place)
    yield PortalBed(bed, place / "nodes")
    bed.close()


@pytest.mark.network
def test_a_request_goes_from_the_editor_to_two_hospitals_and_back(portal: PortalBed) -> None:
    assert "You have no draft" in portal.page(SCIENTIST, "/scientist/editor")
    portal.send(SCIENTIST, "/scientist/editor/new", {"name": "relapse", "kind": "transfer"})
    assert "Not yet:" in portal.page(SCIENTIST, EDITOR)
    portal.send(SCIENTIST, f"{EDITOR}/save", WRITTEN)
    told = portal.page(SCIENTIST, EDITOR)
    assert "send records to the applicant" in told and "a person looks at every request" in told

    file = {"file": ("ethics letter.pdf", b"%PDF-1.7 the committee", "application/pdf")}
    portal.send(SCIENTIST, f"{EDITOR}/attach", {"kind": "ethics"}, files=file)
    assert "ethics-letter.pdf" in portal.page(SCIENTIST, EDITOR)
    portal.act(SCIENTIST, f"{EDITOR}/hand-in")
    assert portal.page(SCIENTIST, PAGE).startswith("Requests")

    waits = portal.html(STEWARD, "/inbox")
    assert 'href="/requests/relapse"' in waits
    seen = portal.html(STEWARD, PAGE)
    for page in (seen, portal.html(SCIENTIST, PAGE)):
        ids = re.findall(r' id="([^"]*)"', page)
        assert sorted(set(ids)) == sorted(ids)
    assert "<script>alert" not in seen and "<img src=x" not in seen and html.escape("<script>alert(1)</script>") in seen
    assert "at worst" in seen and "Allow it" in seen
    assert "hx-preserve" in seen, "who decides keeps the form of the version that was read"
    assert "hx-preserve" not in portal.html(SCIENTIST, PAGE), "who asks sees what comes to be possible"
    portal.act(STEWARD, f"{PAGE}/comment", {"letter": HOSTILE})
    seen = portal.html(OTHER, PAGE)
    assert "<img src=x" not in seen and "&lt;img src=x" in seen

    portal.act(OTHER, f"{PAGE}/return", {"reason": "incomplete", "letter": "Until when do you need it?"} | VERSION)
    assert "Until when do you need it?" in portal.page(SCIENTIST, EDITOR)
    refused = portal.send(SCIENTIST, f"{EDITOR}/hand-in", status=400)
    assert "nothing of relapse was changed" in refused.text
    portal.send(SCIENTIST, f"{EDITOR}/save", WRITTEN | {"days": "30"})
    portal.act(SCIENTIST, f"{EDITOR}/hand-in")

    for stale in ({}, VERSION):
        portal.send(STEWARD, f"{PAGE}/approve", {"days": "60"} | stale, status=409 if stale else 400)
    assert 'name="version" value="2"' in portal.html(STEWARD, PAGE)
    said = portal.act(STEWARD, f"{PAGE}/approve", {"days": "60", "version": "2"})
    assert "approve" in said
    said = portal.act(OTHER, f"{PAGE}/reject", {"reason": "ethics", "letter": "No.", "version": "2"})
    told = portal.page(SCIENTIST, PAGE)
    assert "approved" in told and "rejected" in told
    portal.act(STEWARD, f"{PAGE}/revoke", {"reason": "consent", "version": "2"})
    portal.act(SCIENTIST, f"{PAGE}/close", {"reason": "finished"})
    assert "closed" in portal.page(SCIENTIST, PAGE)


@pytest.mark.parametrize(
    ("who", "path", "fields", "status"),
    [
        (SCIENTIST, f"{PAGE}/approve", {}, 403),
        (STEWARD, f"{EDITOR}/save", WRITTEN, 403),
        (STEWARD, f"{PAGE}/approve", {"days": "many"}, 400),
        (SCIENTIST, "/scientist/editor/new", {"name": "../../etc", "kind": "transfer"}, 400),
        (SCIENTIST, "/scientist/editor/new", {"name": "fine", "kind": "nonsense"}, 400),
        (SCIENTIST, "/scientist/editor/none/save", WRITTEN, 404),
        (SCIENTIST, "/scientist/counts/none/propose", {}, 404),
        (SCIENTIST, "/requests/none/begin", {}, 404),
        (STEWARD, "/requests/none/approve", VERSION, 404),
    ],
)
def test_what_nobody_may_is_said(
    portal: PortalBed, who: str, path: str, fields: dict[str, object], status: int
) -> None:
    portal.send(who, path, fields, status=status)


def test_a_file_cannot_leave_its_draft(portal: PortalBed) -> None:
    portal.send(SCIENTIST, "/scientist/editor/new", {"name": "other", "kind": "transfer"})
    file = {"file": ("../../../.ssh/authorized_keys", b"a text", "text/plain")}
    portal.send(SCIENTIST, "/scientist/editor/other/attach", {"kind": "protocol"}, files=file)
    assert "protocol: authorized_keys" in portal.page(SCIENTIST, "/scientist/editor/other")
    program = {"file": ("tool.pdf", b"\x7fELF\x02\x01\x01", "application/pdf")}
    portal.send(SCIENTIST, "/scientist/editor/other/attach", {"kind": "protocol"}, status=400, files=program)
    portal.send(SCIENTIST, "/scientist/editor/other/delete")
    assert "other" not in portal.page(SCIENTIST, "/scientist/editor")


def test_a_page_of_another_site_changes_nothing(portal: PortalBed) -> None:
    foreign = {"x-test-person": STEWARD, "origin": "https://evil.example", "sec-fetch-site": "cross-site"}
    found = portal.client("east").post(f"{PAGE}/comment", data={"letter": "x"}, headers=foreign)
    assert found.status_code == 400


def test_people_of_others_see_what_every_ledger_has(portal: PortalBed) -> None:
    client = portal.client("east")

    def seen(path: str) -> tuple[int, str]:
        found = client.get(path, headers={"x-test-person": SCIENTIST})
        return found.status_code, found.text

    assert seen("/steward/datasets")[0] == seen("/steward/log")[0] == seen("/inbox")[0] == 403
    portal.bed.submit(FILE.replace('"relapse"', '"third"'))
    portal.act(STEWARD, "/requests/third/comment", {"letter": "Until when do you need it?"})
    status, text = seen("/requests/third")
    assert status == 200 and "who will relapse?" not in text and "Until when do you need it?" not in text
    assert "What you can do" not in text
    assert "who will relapse?" in portal.html(STEWARD, "/requests/third")


def test_a_hospital_with_nothing_says_what_comes(portal: PortalBed) -> None:
    for path in (
        "/steward/datasets",
        "/steward/consents",
        "/steward/quarantine",
        "/steward/transfers",
        "/studies",
        "/models",
    ):
        assert 'class="empty"' in portal.html(STEWARD, path), path


def test_who_reviews_sits_down_and_gets_up(portal: PortalBed) -> None:
    begun = portal.send(STEWARD, "/steward/quarantine/begin")
    assert "Quarantine" in portal.client("east").get(begun.headers["location"], headers={"x-test-person": STEWARD}).text
    foreign = {"x-test-person": STEWARD, "origin": "https://evil.example", "sec-fetch-site": "cross-site"}
    assert portal.client("east").post("/steward/quarantine/review/undo", headers=foreign).status_code == 400
    assert (
        portal.client("east").post("/steward/quarantine/review/undo", headers={"x-test-person": STEWARD}).status_code
        == 303
    )
    portal.send(STEWARD, "/steward/quarantine/leave")
    gone = portal.client("east").get("/steward/quarantine/review/", headers={"x-test-person": STEWARD})
    assert gone.headers["location"] == "/steward/quarantine"


def test_a_patient_who_is_not_known_is_not_repeated(portal: PortalBed) -> None:
    said = portal.send(STEWARD, "/steward/consents/withdraw", {"number": "4711-secret"}, status=404)
    assert "4711-secret" not in said.text


def test_terms_that_came_after_the_page_are_not_accepted(portal: PortalBed) -> None:
    """A hospital adds terms while somebody reads the first ones: a word counts for what was shown."""
    portal.bed.submit(FILE.replace("relapse", "bound"))
    steward, objects = portal.bed.user("north/steward"), portal.bed.papers("west/scientist").objects()
    first, later = (licences.Licence(address_of(text), text) for text in (b"Cite us.", b"Pay us."))
    licences.put(objects, (first, later))
    decisions.add_licences(steward, portal.bed.seen("bound"), [first.digest])
    portal.bed.approve("north/steward", "bound")
    shown = re.findall(r'name="read" value="([0-9a-f]{64})"', portal.html(SCIENTIST, "/requests/bound/terms"))
    assert shown == [first.digest.hex()]
    decisions.add_licences(steward, portal.bed.seen("bound"), [first.digest, later.digest])
    portal.act(SCIENTIST, "/requests/bound/accept", {"read": shown})
    assert portal.bed.seen("bound").unaccepted == ((SCIENTIST, (later.digest,)),)


def test_who_cannot_read_what_is_asked_says_so_with_a_yes(portal: PortalBed) -> None:
    portal.bed.submit(FILE.replace("relapse", "lost"))
    view = portal.bed.seen("lost")
    portal.bed.papers("east/steward").objects().delete(next(each.digest for each in view.documents))
    assert 'name="unread"' in portal.html(STEWARD, "/requests/lost")
    portal.send(STEWARD, "/requests/lost/approve", VERSION, status=400)
    portal.act(STEWARD, "/requests/lost/approve", VERSION | {"unread": "yes"})


def test_what_is_owed_is_shown_and_confirmed(portal: PortalBed) -> None:
    terms = replace(TERMS, duties=(Duty("publish", 10),))
    portal.bed.user("north/steward").send(SetPolicy("brain", terms))
    portal.bed.submit(FILE.replace("relapse", "second").replace('east = "brain"\n', ""))
    page = "/requests/second"
    portal.act(OTHER, f"{page}/approve", VERSION)
    portal.bed.bed.now_ms += 300 * DAY_MS
    portal.act(SCIENTIST, f"{page}/comment", {"letter": "It is out."})
    assert "Show that it was done: publish" in portal.page(SCIENTIST, page)
    paper = {"evidence": ("paper.pdf", b"%PDF-1.7 the paper", "application/pdf")}
    portal.act(SCIENTIST, f"{page}/duties/publish/fulfil", files=paper)
    assert "What was shown does not do" in portal.page(OTHER, page)
    portal.act(OTHER, f"{page}/duties/publish/confirm", {"dataset": "brain"})
    assert "publish, owed for brain" not in portal.page(OTHER, page)
