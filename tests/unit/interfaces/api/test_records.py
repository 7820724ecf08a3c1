"""Records over the API: extracted from a named place, fixed, put on the ledger by a person's key, erased."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from support.api_bed import HEADER, ApiBed
from support.image_files import picture
from support.request_bed import RequestBed


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiBed]:
    place = tmp_path_factory.mktemp("records")
    for label in ("no", "yes"):
        (place / "scans" / label).mkdir(parents=True)
        for number in range(4):
            picture().save(place / "scans" / label / f"{number}.png")
    bed = RequestBed.found(place / "bed")
    found = ApiBed(bed, place / "nodes")
    found.client("north").app.state.site.sources["scans"] = str(place / "scans")  # type: ignore[attr-defined]
    yield found
    found.client("north").app.state.site.jobs.close()  # type: ignore[attr-defined]
    bed.close()


def done(api: ApiBed, path: str, body: object) -> Any:
    """The result of a job of North's steward."""
    job = api.ask("POST", "north/steward", path, json=body, status=202).json()
    jobs = api.client("north").app.state.site.jobs  # type: ignore[attr-defined]
    jobs.wait(job["id"], 120)
    over = api.get("north/steward", f"/jobs/{job['id']}")
    assert over["state"] == "done", over
    return over["result"]


def test_pictures_are_extracted_fixed_published_and_erased(api: ApiBed) -> None:
    asked = {"source": "scans", "into": "pictures", "title": "Scans"}
    refused = api.ask("POST", "north/steward", "/extractions", json={**asked, "source": "etc"}, status=404)
    assert refused.json()["code"] == "unknown_place"
    found = done(api, "/extractions", asked)
    assert (found["version"]["records"], found["tally"]["records"]) == (8, 8)
    fixed = done(api, "/datasets/pictures/registration", {"unlabelled": True})
    assert fixed["labels"]["unlabelled"] == 8, fixed
    for _ in range(2):  # the dataset, then its version
        api.do("north/steward", "/datasets/pictures/publication", {})
    shown = api.ask("POST", "north/steward", "/datasets/pictures/publication", json={}).json()
    assert (shown["published"], shown["withdrawn"]) == (True, False)

    record = api.get("north/steward", "/datasets/pictures")["entries"][0]["record"]
    proof = api.ask("POST", "north/steward", "/datasets/pictures/proofs", json={"record": record})
    assert proof.json()["record"] == record and proof.headers["content-disposition"].startswith("attachment")
    target = {"record": record, "dataset": "pictures"}
    assert api.ask("POST", "north/steward", "/erasures/preview", json=target).json()["losses"][0]["of"] == 8
    assert done(api, "/erasures", target)["records"] == 1
    said = api.do("north/steward", "/withdrawals", {})
    assert len(said) == 1
    assert api.ask("POST", "north/steward", "/withdrawals", json={}).json() == {"withdrawn": []}


def test_a_listener_is_no_job(api: ApiBed) -> None:
    api.client("north").app.state.site.sources["ward"] = "mllp://127.0.0.1:2575"  # type: ignore[attr-defined]
    for path, body in (("/extractions", {"source": "ward", "into": "ward"}), ("/inspections", {"source": "ward"})):
        assert api.ask("POST", "north/steward", path, json=body, status=400).json()["code"] == "listener"


def test_the_vault_is_looked_through_and_its_key_replaced(api: ApiBed) -> None:
    assert done(api, "/vault/verification", {})["changed"] == []
    assert done(api, "/vault/rotation", {})["wrapped"] > 0
    assert done(api, "/vault/verification", {})["changed"] == []


def test_a_patient_is_in_no_answer_and_others_may_not(api: ApiBed) -> None:
    number = "4711-0815"
    assert api.ask("POST", "north/steward", "/opt-outs", json={"patient": number}).json()["opted_out"] is True
    lifted = api.ask("POST", "north/steward", "/opt-outs", json={"patient": number, "lift": True})
    assert number not in lifted.text
    for who in ("north/scientist", "east/steward"):
        api.ask("POST", who, "/opt-outs", at="north", json={"patient": number}, status=403)
    wrong = api.ask("POST", "north/steward", "/opt-outs", json={"patient": number, "record": "ab"}, status=400)
    assert number not in wrong.text
    merged = api.ask("POST", "north/steward", "/patients/merging", json={"number": number, "lasting": "4712"})
    assert merged.json() == {"numbers": 1}
    again = api.ask(
        "POST", "north/steward", "/patients/merging", json={"number": number, "lasting": "4712"}, status=400
    )
    assert number not in again.text
    assert api.ask("POST", "north/steward", "/patients/parting", json={"number": number}).json() == {"numbers": 1}
    assert api.get("north/steward", "/deciders")["items"] == []


def test_a_write_with_a_key_is_done_once(api: ApiBed) -> None:
    client, key = api.client("north"), {"Idempotency-Key": "a1"}

    def ask(path: str, body: object, who: str = "north/steward", **more: str) -> Any:
        return client.post(f"/v1{path}", json=body, headers={HEADER: who, **key, **more})

    first = ask("/vault/verification", {})
    again = ask("/vault/verification", {})
    assert (again.status_code, again.content) == (202, first.content)
    assert again.headers["idempotent-replayed"] == "true"
    assert len([each for each in api.get("north/steward", "/jobs")["items"] if each["id"] == first.json()["id"]]) == 1
    other = ask("/vault/verification", {"ciphertext_only": True})
    assert (other.status_code, other.json()["code"]) == (409, "other_request")
    asked = ask("/withdrawals", {}, **{"Idempotency-Key": "no key!"})
    assert (asked.status_code, asked.json()["code"]) == (400, "bad_key")
    refused = ask("/vault/verification", {}, "east/steward")
    assert refused.status_code == 403, "a key opens no door"


def test_where_a_file_lay_for_a_moment_is_told_to_nobody(api: ApiBed) -> None:
    def told(name: str) -> tuple[str, str]:
        found = api.ask("POST", "north/steward", f"/proofs/check{name}", content=b"{", status=400).json()
        return found["code"], found["detail"]

    assert told("?file=mine.json") == ("proof_file", "mine.json is not an inclusion proof")
    assert told("") == ("proof_file", "what was sent is not an inclusion proof")
    assert told("?file=" + "日" * 100) == ("bad_body", "the file's name is too long")
