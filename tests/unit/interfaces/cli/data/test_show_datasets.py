"""Pages of datasets as a steward meets them in a terminal."""

from __future__ import annotations

import pytest

from hmchain.application.data.datasets import Description
from hmchain.interfaces.cli import output
from hmchain.interfaces.cli.data.show_datasets import show_version
from hmchain.records.catalogue import ActionCount, Dataset, RecordEntry, Version
from hmchain.records.deidentification.profile import Profile

ELEMENTS = tuple(
    ActionCount(f"(0010,{number:04X}) Element{number}", ("removed", "emptied", "replaced")[number % 3], number)
    for number in range(1, 61)
)
RECORDS = tuple(
    RecordEntry(f"{number:032x}", "5" * 32, "dicom", "application/dicom", 3300, "", {"modality": "CT", "rows": "512"})
    for number in range(10)
)
FOUND = Description(
    Version("brain", 1, "dicom: a folder", 240, 80, 179_500, 72, None, 0, None),
    Dataset("brain", "Brain", "brain", Profile("basic", "Strictest"), 0),
    2,
    ELEMENTS,
    RECORDS,
)


@pytest.fixture
def page(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.setenv("COLUMNS", "80")
    show_version(FOUND)
    return capsys.readouterr().out.splitlines()


def test_what_a_version_holds_fits_a_screen_and_says_where_the_rest_is(page: list[str]) -> None:
    assert len(page) <= 40 and max(map(len, page)) <= 80
    (removed,) = [line.split() for line in page if line.startswith("removed")]
    assert removed[1:4] == ["20", "630", "Element60,"]
    assert any("hmchain data show brain --version 1 --wide" in line for line in page)
    assert "Records (the first 10; --limit N shows more)" in page
    assert all(any(record.record in line for line in page) for record in RECORDS)


def test_with_wide_each_element_and_attribute_is_listed(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    output.widen(True)
    try:
        show_version(FOUND)
    finally:
        output.widen(False)
    shown = capsys.readouterr().out
    assert all(each.element in shown for each in ELEMENTS) and "modality CT, rows 512" in shown
