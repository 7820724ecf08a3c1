"""Checks of a dataset's quality: what each finds, what it leaves alone, and that memory stays flat."""

from __future__ import annotations

import io
import json
import tracemalloc
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from pydicom.data import get_testdata_file

from hmchain.records.pictures import duplicates
from hmchain.records.pictures.duplicates import Duplicates, near_duplicate_groups
from hmchain.records.quality import ERROR, WARNING, Assessment, Finding, Rule, Sample, assess
from hmchain.records.quality.images import ImageChecks
from hmchain.records.quality.labels import LabelChecks

ONE_GIB = 1 << 30


def png(pixels: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def picture(seed: int, height: int = 48, width: int = 40) -> np.ndarray:
    coarse = Image.fromarray(np.random.default_rng(seed).integers(20, 230, (6, 5), np.uint8))
    return np.asarray(coarse.resize((width, height), Image.Resampling.BICUBIC))


def image(record: str, pixels: np.ndarray, label: str = "") -> Sample:
    data = png(pixels)
    attributes = {"rows": str(pixels.shape[0]), "columns": str(pixels.shape[1])}
    return Sample(record, "image/png", len(data), lambda: data, label, attributes)


def codes(found: Assessment | Iterable[Finding]) -> dict[str, Finding]:
    findings = found.findings if isinstance(found, Assessment) else found
    return {finding.code: finding for finding in findings}


# --- images -------------------------------------------------------------------------------------------------------


def test_images_that_teach_nothing_are_named() -> None:
    samples = [image(f"good {seed}", picture(seed)) for seed in range(6)]
    samples.append(image("blank", np.full((48, 40), 130, np.uint8)))
    dark = np.zeros((48, 40), np.uint8)
    dark[20, 10:20] = 255
    samples.append(image("dark", dark))
    samples.append(image("huge", picture(50, 480, 40)))
    cut = png(picture(51))[:-40]
    samples.append(Sample("damaged", "image/png", len(cut), lambda: cut, "", {}))
    found = assess(samples)
    named = codes(found)
    assert (found.records, found.images) == (10, 9)
    assert named["blank_image"].records == ("blank",)
    assert named["dark_image"].records == ("dark",)
    assert named["unusual_size"].records == ("huge",) and "48 x 40" in named["unusual_size"].what
    assert named["damaged_image"].records == ("damaged",) and named["damaged_image"].severity == ERROR
    assert found.findings[0].severity == ERROR
    assert found.sizes == {(48, 40): 8, (480, 40): 1}
    assert sum(found.intensities) == 9 * 128 * 128


def test_ordinary_images_are_left_alone() -> None:
    found = assess([image(str(seed), picture(seed, 40 + seed % 3, 40), "ab"[seed % 2]) for seed in range(60)])
    assert set(codes(found)) == {"several_sizes"}


def test_a_finding_names_the_first_and_counts_all() -> None:
    checks = ImageChecks()
    for number in range(100):
        checks.add(str(number), np.zeros((4, 4), np.uint8), (4, 4))
    (blank,) = checks.findings()
    assert blank.count == 100 and blank.what.startswith("100 ")
    assert blank.records == tuple(str(number) for number in range(20))


def test_dicom_is_looked_at_as_a_viewer_shows_it() -> None:
    files = [Path(str(get_testdata_file(name))) for name in ("CT_small.dcm", "MR_small.dcm", "JPEG2000.dcm")]
    report = Path(str(get_testdata_file("reportsi.dcm")))
    samples = [Sample(path.name, "application/dicom", 1, path.read_bytes) for path in [*files, report]]
    found = assess(samples)
    assert (found.records, found.images) == (4, 3)
    assert not codes(found).keys() & {"blank_image", "dark_image", "damaged_image"}


def test_a_record_too_large_to_look_into_is_counted() -> None:
    def read() -> bytes:
        raise AssertionError("read")

    found = codes(assess([Sample("large", "application/dicom", ONE_GIB, read)]))
    assert found["not_inspected"].records == ("large",)


# --- duplicates ---------------------------------------------------------------------------------------------------


def test_copies_and_near_copies_are_grouped_and_their_labels_compared() -> None:
    first, second = picture(1), picture(2)
    near = np.clip(first.astype(int) + 3, 0, 255).astype(np.uint8)
    found = assess(
        [
            image("a", first, "ill"),
            image("b", second, "ill"),
            image("a again", first, "ill"),
            image("a brighter", near, "well"),
            image("b again", second, "ill"),
            image("c", picture(3), "well"),
        ]
    )
    assert found.copies == (("a", "a again"), ("b", "b again"))
    assert found.near_copies == (("a", "a again", "a brighter"), ("b", "b again"))
    assert codes(found)["contradicting_labels"].records == ("a", "a again", "a brighter")
    assert codes(found)["copies"].count == 4 and "2 groups" in codes(found)["copies"].what


@given(st.integers(0, 1000), st.sampled_from([0.5, 0.8, 0.99]))
@settings(max_examples=15)
def test_one_by_one_gives_the_groups_that_all_at_once_gives(seed: int, threshold: float) -> None:
    images = np.stack([picture(seed + number % 9 // 2, 20, 24) for number in range(25)])
    labels = np.random.default_rng(seed).integers(0, 2, 25)
    groups = near_duplicate_groups(images[..., np.newaxis], threshold)
    expected = [np.flatnonzero(groups == group) for group in range(groups.max() + 1)]
    expected = [members for members in expected if len(members) > 1]
    with Duplicates(threshold) as found:
        for number, pixels in enumerate(images):
            found.add(str(number), str(labels[number]), pixels.tobytes()[:32], pixels)
        assert found.near() == [tuple(map(str, members)) for members in expected]
        mixed = [members for members in expected if len(set(labels[members])) > 1]
        assert found.near_with_two_labels() == [tuple(map(str, members)) for members in mixed]


@given(st.lists(st.integers(0, 5), max_size=40))
def test_copies_are_those_of_equal_content(contents: list[int]) -> None:
    expected: dict[int, list[str]] = {}
    with Duplicates() as found:
        for number, content in enumerate(contents):
            expected.setdefault(content, []).append(str(number))
            found.add(str(number), "", bytes([content]) * 31 + b"\0", None)
        assert found.exact() == [tuple(group) for group in expected.values() if len(group) > 1]
        assert found.near() == []


def test_blocks_do_not_change_the_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    samples = [image(str(number), picture(number % 7)) for number in range(20)]
    whole = assess(samples)
    monkeypatch.setattr(duplicates, "BLOCK_THUMBNAILS", 3)
    monkeypatch.setattr(duplicates, "DIGEST_ROWS", 3)
    assert assess(samples) == whole
    assert len(whole.copies) == 7


def test_memory_stays_flat_over_many_records() -> None:
    data = b"x" * 20_000

    def samples(count: int) -> Iterable[Sample]:
        return (Sample(str(number), "text/plain", 1, lambda: data, "ab"[number % 2]) for number in range(count))

    tracemalloc.start()
    try:
        assert assess(samples(2000)).records == 2000
        assert tracemalloc.get_traced_memory()[1] < 4 << 20  # 2.3 MiB of it rows, had they been kept
    finally:
        tracemalloc.stop()


def test_nothing_to_look_at() -> None:
    assert assess([]) == Assessment()


# --- labels -------------------------------------------------------------------------------------------------------


def labels_of(counts: dict[str, int]) -> dict[str, Finding]:
    checks = LabelChecks()
    for label, count in counts.items():
        for number in range(count):
            checks.add(f"{label} {number}", label)
    return codes(checks.findings())


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        ({"": 50}, set()),
        ({"ill": 50, "well": 400}, set()),
        ({"ill": 50}, {"one_label"}),
        ({"ill": 50, "well": 501}, {"imbalance"}),
        ({"ill": 50, "well": 60, "": 3}, {"unlabelled"}),
        ({"ill": 19, "well": 60}, {"rare_label"}),
        ({"ill": 3, "well": 60}, {"rare_label", "imbalance"}),
    ],
)
def test_labels(counts: dict[str, int], expected: set[str]) -> None:
    assert set(labels_of(counts)) == expected


def test_labels_that_may_be_identifiers() -> None:
    found = labels_of({f"patient {number}": 1 for number in range(1005)})
    assert found["many_labels"].count == 5


# --- values -------------------------------------------------------------------------------------------------------


def test_attributes_are_held_against_rules() -> None:
    rules = (
        Rule("age", required=True, low=0, high=120),
        Rule("sex", allowed=frozenset({"F", "M", "O"})),
        Rule("site", required=True),
    )
    rows = [{"age": "40", "sex": "F"}, {"age": "400"}, {"age": "forty", "sex": "X"}, {"sex": "M", "note": ""}]
    samples = [Sample(str(number), "x", 1, bytes, "", row) for number, row in enumerate(rows)]
    found = assess(samples, rules=rules)
    assert found.missing == {"age": (1, 4), "sex": (1, 4), "site": (4, 4)}
    by_name = {(finding.code, finding.what.split(":")[0]): finding for finding in found.findings}
    assert by_name["out_of_range", "age"].records == ("1",)
    assert by_name["no_number", "age"].records == ("2",)
    assert by_name["missing_value", "age"].records == ("3",)
    assert by_name["unknown_value", "sex"].records == ("2",)
    assert by_name["missing_value", "site"].count == 4
    assert not any("400" in finding.what or "forty" in finding.what for finding in found.findings)


def table(record: str, **columns: list[object]) -> Sample:
    file = io.BytesIO()
    pl.DataFrame(columns).write_parquet(file)
    return Sample(record, "application/vnd.apache.parquet", len(file.getvalue()), file.getvalue)


def test_tables_are_held_against_rules_column_by_column() -> None:
    rules = (Rule("age", required=True, low=0, high=120), Rule("sex", allowed=frozenset({"F", "M"})))
    found = assess(
        [
            table("good", age=[40, 50], sex=["F", "M"], score=[0.5, None]),
            table("bad", age=[400, None], sex=["F", "X"], score=[None, None]),
        ],
        rules=rules,
    )
    assert found.missing == {"age": (1, 4), "score": (3, 4), "sex": (0, 4)}
    assert {(finding.code, finding.records) for finding in found.findings} == {
        ("out_of_range", ("bad",)),
        ("missing_value", ("bad",)),
        ("unknown_value", ("bad",)),
    }


def observation(record: str, code: str, value: object, unit: str, system: str = "http://loinc.org") -> Sample:
    quantity = {"value": value, "code": unit, "system": "http://unitsofmeasure.org"}
    content = {
        "resourceType": "Observation",
        "code": {"coding": [{"system": system, "code": code}]},
        "valueQuantity": quantity,
    }
    data = json.dumps(content).encode()
    return Sample(record, "application/fhir+json", len(data), lambda: data)


def test_vital_signs_that_no_living_person_has() -> None:
    found = assess(
        [
            observation("fine", "8310-5", 37.2, "Cel"),
            observation("fahrenheit as celsius", "8310-5", 98.6, "Cel"),
            observation("fahrenheit", "8310-5", 98.6, "[degF]"),
            observation("furlongs", "8302-2", 1, "[fur_us]"),
            observation("text", "8867-4", "high", "/min"),
            observation("another system's", "8867-4", 9999, "/min", "urn:local"),
        ]
    )
    assert {(finding.code, finding.records) for finding in found.findings} == {
        ("out_of_range", ("fahrenheit as celsius",)),
        ("unknown_unit", ("furlongs",)),
        ("no_number", ("text",)),
    }


def test_components_of_an_observation_are_looked_at() -> None:
    pressure = {
        "resourceType": "Observation",
        "code": {"coding": [{"system": "http://loinc.org", "code": "85354-9"}]},
        "component": [
            {
                "code": {"coding": [{"system": "http://loinc.org", "code": "8480-6"}]},
                "valueQuantity": {"value": 1200, "unit": "mm[Hg]"},
            }
        ],
    }
    data = json.dumps(pressure).encode()
    (finding,) = assess([Sample("one", "application/fhir+json", 1, lambda: data)]).findings
    assert finding.what.startswith("systolic blood pressure") and finding.severity == WARNING


TYPES = ("application/fhir+json", "application/vnd.apache.parquet", "image/png", "application/dicom")
ODD = (b"[]", b"{}", b"[" * 5000, b"PAR1PAR1", b'{"code": 3}')


@given(st.sampled_from(TYPES), st.one_of(st.binary(max_size=200), st.sampled_from(ODD)))
@settings(max_examples=60)
def test_any_bytes_are_assessed(media_type: str, data: bytes) -> None:
    assert assess([Sample("one", media_type, len(data), lambda: data)]).records == 1
