"""Objects that are sent to a server: those that may be when they are sent, not only when it was begun."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from hmchain.application.data import erasure, extraction, sending
from hmchain.application.data.erasure import Target
from hmchain.application.data.registered import ConsentsChangedError
from hmchain.application.site import hospital
from hmchain.application.site.hospital import Records
from hmchain.records.sources.opening import open_source
from hmchain.records.sources.request import SourceRequest
from support.dicom_objects import ct, written

PATIENTS = 6


@pytest.fixture
def records(tmp_path: Path) -> Iterator[Records]:
    source = tmp_path / "source"
    source.mkdir()
    for number in range(PATIENTS):
        (source / f"{number}.dcm").write_bytes(written(ct(PatientID=f"p{number}", SOPInstanceUID=f"1.2.3.{number}")))
    with (
        hospital.open_records(hospital.create(tmp_path / "north")) as records,
        open_source(SourceRequest(place=str(source))) as opened,
    ):
        extraction.extract_into(records, "scans", opened, title="Scans")
        yield records


class Pacs:
    """Takes everything, and lets a patient withdraw when it has the first."""

    def __init__(self, records: Records) -> None:
        self.records, self.taken = records, 0

    def send(self, data: bytes) -> None:
        if not self.taken:
            for number in range(PATIENTS - 1):
                erasure.opt_out(self.records, Target(patient=f"p{number}"))
        self.taken += 1

    def close(self) -> None:
        """Nothing is open."""


def test_who_withdraws_while_objects_are_sent_is_in_no_later_page(
    records: Records, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sending, "ASKED_EVERY", 3)
    version, pacs = records.catalogue.version("scans"), Pacs(records)
    with pytest.raises(ConsentsChangedError, match="said otherwise"):
        sending.send(records, version, pacs)
    assert pacs.taken == 2
    assert sending.send(records, version, pacs).sent == 1


def test_who_withdraws_after_the_last_page_is_asked_about_is_told_of(records: Records) -> None:
    with pytest.raises(ConsentsChangedError, match="said otherwise"):
        sending.send(records, records.catalogue.version("scans"), Pacs(records))
