"""What was done to records is written down as FHIR Provenance, for a version and for clean files."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

from fhir.resources.R4B.provenance import Provenance

from hmchain.records.deidentification.profile import load_profile
from hmchain.records.deidentification.report import profile_digest
from support.steward import NAME, NUMBER, Steward
from support.steward import scans as scans
from support.steward import steward as steward

__all__ = ["scans", "steward"]


def read(path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """The resource, validated, and the report attached to it."""
    text = path.read_text()
    assert NAME not in text and NUMBER not in text
    Provenance.model_validate_json(text)
    resource = json.loads(text)
    attachment = resource["contained"][0]["content"][0]["attachment"]
    return resource, json.loads(base64.b64decode(attachment["data"]))


def test_a_registered_version_has_a_provenance_beside_its_card(steward: Steward, scans: Path) -> None:
    steward.run("extract", str(scans), "--into", "head", "--project", "tumours", "--profile", "longitudinal")
    done = steward.run("register", "head", "--leave-waiting")
    path = Path(done["provenance"])
    assert path == steward.folder / "cards" / "head-1.provenance.json"
    resource, report = read(path)
    digest = profile_digest(load_profile("longitudinal"))
    assert resource["policy"] == [f"urn:hmchain:profile:longitudinal:sha256:{digest}"]
    identifier = {"system": "urn:hmchain:project:tumours", "value": "head/1"}
    assert resource["target"][0]["identifier"] == identifier
    assert resource["agent"][0]["who"]["display"] == "north"
    assert (report["project"], report["root"], report["records"]) == ("tumours", done["version"]["root"], 12)
    assert sum(report["held"].values()) == 2 and report["dates"] == "shift"
    assert report["account"]["files"] == {"found": 14, "taken": 12, "held": 2}
    assert report["actions"] == steward.run("show", "head")["actions"]
    assert resource["recorded"].endswith("+00:00")
    before = path.read_bytes()
    steward.run("register", "head")
    assert path.read_bytes() == before


def test_clean_files_come_with_their_provenance(steward: Steward, scans: Path, tmp_path: Path) -> None:
    out = tmp_path / "clean"
    steward.run("deidentify", str(scans), "--output", str(out), "--project", "head")
    resource, report = read(out / "provenance.json")
    assert (report["records"], report["project"], report["profile"]) == (12, "head", "basic")
    assert report["profile_digest"] in resource["policy"][0]
    written = json.loads((out / "report.json").read_text())
    assert report["actions"] == written["actions"] and report["account"] == written["account"]
    assert report["account"]["files"] == {"found": 14, "taken": 12, "held": 2}
