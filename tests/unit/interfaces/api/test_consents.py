"""Consents and opt-outs over the API: for the hospital's stewards alone, and no number in an address or an answer."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from hmchain.application.site import persons
from hmchain.interfaces.api.app import ROUTES
from hmchain.keys import SigningKey, load_key
from support.api_bed import ApiBed
from support.sharing_bed import SharingBed

STEWARD, NUMBER = "east/steward", "MRN-1"


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiBed]:
    place = tmp_path_factory.mktemp("consents")
    bed = SharingBed.found(place)
    bed.fill("dicom")
    found = ApiBed(bed.asking, place / "nodes")
    yield found
    found.close()


def test_a_list_is_reconciled_and_forgotten(api: ApiBed) -> None:
    whole = api.ask("POST", STEWARD, "/datasets/head/usable", json={"use": "train"}).json()
    assert (whole["records"], whole["of"]) == (6, 6)
    asked = {"content": f"{NUMBER}\nMRN-9\n".encode(), "params": {"as_of": "2026-01-02"}}
    (listed,) = api.ask("PUT", STEWARD, "/optouts/national", **asked).json()
    assert (listed["name"], listed["numbers"]) == ("national", 2)
    left = api.ask("POST", STEWARD, "/datasets/head/usable", json={"use": "train"})
    assert left.json()["records"] == 4 and NUMBER not in left.text
    assert api.ask("DELETE", STEWARD, "/optouts/national").json() == []
    bad = api.ask("PUT", STEWARD, "/optouts/national", status=400, content=b"<html>", params={"as_of": "2026-01-02"})
    assert bad.json()["code"] == "list_file"


def test_a_dataset_goes_by_consent_once_that_is_said(api: ApiBed) -> None:
    said = api.ask("PUT", STEWARD, "/datasets/head/basis", json={"basis": "consent", "purposes": ["HRESCH"]}).json()
    assert said == api.get(STEWARD, "/datasets/head/basis") == {"basis": "consent", "purposes": ["HRESCH"]}
    assert api.ask("POST", STEWARD, "/datasets/head/usable", json={"use": "train"}).json()["records"] == 0
    found = api.ask("POST", STEWARD, "/consents/withdrawals", status=404, json={"patient": NUMBER})
    assert found.json()["code"] == "no_consent" and NUMBER not in found.text
    api.ask("PUT", STEWARD, "/datasets/head/basis", json={"basis": "opt-out"})


def test_a_patient_is_answered_once_two_people_signed_elsewhere(api: ApiBed) -> None:
    folder = api.bed.bed.consortium.hospitals["east"].folder
    keys = {}
    for name in ("Anna Berg", "Ben Dorn"):
        path = api.place / f"{name[:3]}.key"
        persons.add(folder, name, path)
        keys[name] = load_key(SigningKey, path)
    asks = {"patient": NUMBER}
    told = api.ask("POST", STEWARD, "/patients/report/statement", json=asks).json()
    signed = [
        {"person": name, "signature": key.sign(bytes.fromhex(told["statement"])).hex()} for name, key in keys.items()
    ]
    body = asks | {"signed_ms": told["signed_ms"], "signatures": signed}
    found = api.ask("POST", STEWARD, "/patients/report", json=body)
    assert found.json()["signed_for_by"] == ["Anna Berg", "Ben Dorn"] and NUMBER not in found.text
    assert [(each["dataset"], each["records"]) for each in found.json()["held"]] == [("head", {"dicom": 2})]
    for wrong in (
        {"signatures": signed[:1]},
        {"signatures": [signed[0], signed[0]]},
        {"signatures": [signed[0], {"person": "Ben Dorn", "signature": signed[0]["signature"]}]},
        {"signed_ms": told["signed_ms"] - 1},
        {"signed_ms": told["signed_ms"] - 700_000},
        {"patient": "MRN-2"},
        {"reason": "another"},
    ):
        refused = api.ask("POST", STEWARD, "/patients/report", status=403, json=body | wrong)
        assert refused.json()["code"] == "persons_missing", wrong


def test_two_people_go_back_from_a_pseudonym(api: ApiBed) -> None:
    """Its number is in this one answer; the log has both people and the reason."""
    folder = api.bed.bed.consortium.hospitals["east"].folder
    keys = {}
    for name in ("Cora Ehm", "Dirk Fux"):
        path = api.place / f"{name[:4]}.key"
        persons.add(folder, name, path)
        keys[name] = load_key(SigningKey, path)
    pseudonym = api.get(STEWARD, "/datasets/head")["entries"][0]["subject"]
    asks = {"pseudonym": pseudonym, "reason": "a nodule in the left lung"}
    told = api.ask("POST", STEWARD, "/patients/reidentification/statement", json=asks).json()
    signed = [
        {"person": name, "signature": key.sign(bytes.fromhex(told["statement"])).hex()} for name, key in keys.items()
    ]
    body = asks | {"signed_ms": told["signed_ms"], "signatures": signed}
    for wrong in ({"signatures": signed[:1]}, {"reason": "another"}, {"pseudonym": "0" * 32}):
        refused = api.ask("POST", STEWARD, "/patients/reidentification", status=403, json=body | wrong)
        assert refused.json()["code"] == "persons_missing", wrong
    api.ask("POST", "west/steward", "/patients/reidentification", at="east", status=403, json=body)
    found = api.ask("POST", STEWARD, "/patients/reidentification", json=body).json()
    assert found["approved_by"] == list(keys) and found["patients"][0]["number"].startswith("MRN-")
    (line,) = api.get(STEWARD, "/data-log?what=reidentify")["entries"]
    assert "Cora Ehm and Dirk Fux" in str(line) and asks["reason"] in str(line) and pseudonym in str(line)


def test_nobody_else_sees_them(api: ApiBed) -> None:
    for who, at in (("east/scientist", "east"), ("west/steward", "east")):
        for method, path in (("GET", "/consents"), ("GET", "/optouts"), ("DELETE", "/optouts/national")):
            assert api.ask(method, who, path, at=at, status=403).json()["code"] == "not_allowed"


def test_no_address_has_a_place_for_a_patient() -> None:
    assert not [each.path for each in ROUTES if "{patient" in each.path or "{number}" in each.path]
