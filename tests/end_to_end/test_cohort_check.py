"""`hmchain cohort check`: what a hospital extracted is what is counted, exactly, and it is written down."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hmchain.application.site.activity import What, read_lines
from hmchain.application.site.hospital import locate
from hmchain.interfaces.cli.main import main
from support import health_records
from support.steward import Steward, steward

__all__ = ["steward"]

PATIENTS = 12


@pytest.mark.process
def test_people_of_an_extracted_dataset_are_counted_as_their_source_has_them(
    steward: Steward, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = health_records.resources(PATIENTS)
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "all.ndjson").write_bytes(health_records.ndjson(source))
    steward.run("extract", str(tmp_path / "source"), "--into", "people")
    women = sum(each.get("gender") == "female" for each in source)
    heights = {
        each["subject"]["reference"]
        for each in source
        if each["resourceType"] == "Observation" and each["code"]["coding"][0]["code"] == "8302-2"
    }
    capsys.readouterr()
    for query, count in (
        ("female", women),
        ("condition SNOMED:38341003 since 2020", PATIENTS),
        ("measurement LOINC:8302-2 100..250 cm", len(heights)),
        ("condition SNOMED:38341003 until 2019", 0),
    ):
        assert main(["cohort", "check", query, "--dataset", "people", "--dir", str(steward.folder), "--json"]) == 0
        found = json.loads(capsys.readouterr().out)
        assert (found["people"], found["of"]) == (count, PATIENTS)
    assert main(["cohort", "check", "female", "--dataset", "people", "--dir", str(steward.folder)]) == 0
    assert f"{women} of {PATIENTS} people" in capsys.readouterr().out
    log = [line.deed.what for line in read_lines(locate(steward.folder).activity)]
    assert log.count(What.COUNT) == 5
