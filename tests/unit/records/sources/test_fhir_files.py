"""FHIR files: every line comes once, under a name that lasts, whatever is skipped; memory does not grow with a file."""

from __future__ import annotations

import gzip
import json
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hmchain.records.sources.containers import Container, open_container
from hmchain.records.sources.fhir import files
from hmchain.records.sources.fhir.files import FhirFiles
from hmchain.records.sources.item import FHIR, SourceError
from support.health_records import bundle, ndjson, resources


def read(source: FhirFiles, done: frozenset[str] = frozenset()) -> dict[str, bytes]:
    """The items by name, but for those of the marks `done`."""
    found = {}
    for item in source.items(done.__contains__):
        assert item.kind == FHIR and item.name not in found
        with item.open() as file:
            found[item.name] = file.read()
    return found


def test_a_folder_gives_blocks_and_documents_in_the_order_of_their_paths(tmp_path: Path) -> None:
    lines = ndjson(resources(3))
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "Patient.ndjson").write_bytes(lines)
    (tmp_path / "a.json").write_text(json.dumps(bundle(resources(1))))
    (tmp_path / "c.ndjson.gz").write_bytes(gzip.compress(lines))
    (tmp_path / "notes.txt").write_text("not FHIR")
    (tmp_path / ".hidden.json").write_text("{}")
    found = read(FhirFiles(tmp_path))
    assert list(found) == ["a.json", "b/Patient.ndjson@0", "c.ndjson.gz@0"]
    assert found["c.ndjson.gz@0"] == found["b/Patient.ndjson@0"] == lines
    assert FhirFiles(tmp_path).count() is None
    assert FhirFiles(tmp_path / "b").count() == 1
    assert list(read(FhirFiles(tmp_path / "a.json"))) == ["a.json"]


def test_what_lies_in_an_archive_is_no_file_alone_however_long_its_name(tmp_path: Path) -> None:
    """A file that is given by itself is taken whatever it is called; a file of an archive is not."""
    (tmp_path / "exports").write_bytes(ndjson(resources(1)))
    assert list(read(FhirFiles(tmp_path / "exports"))) == ["exports"]
    archive = tmp_path / "exports.zip"
    with zipfile.ZipFile(archive, "w") as packed:
        packed.writestr("letters.pdf", b"%PDF-1.4")
        packed.writestr("Patient.ndjson", ndjson(resources(1)))
    source = FhirFiles(archive)
    assert list(read(source)) == ["Patient.ndjson@0"]
    assert source.finds.reasons == {"no FHIR file": 1}


def test_an_archive_is_unpacked_once_however_often_it_is_gone_through(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive, opened = tmp_path / "export.zip", list[Path]()

    def counted(path: Path) -> Container:
        opened.append(path)
        return open_container(path)

    with zipfile.ZipFile(archive, "w") as packed:
        packed.writestr("Patient.ndjson", ndjson(resources(2)))
    monkeypatch.setattr(files, "open_container", counted)
    source = FhirFiles(archive)
    assert read(source) == read(source) == {"Patient.ndjson@0": ndjson(resources(2))}
    assert source.count() == 1
    assert opened == [archive]


@given(st.lists(st.integers(0, 40), max_size=30), st.booleans(), st.sets(st.integers(0, 20)))
def test_blocks_hold_whole_lines_each_once(
    tmp_path_factory: pytest.TempPathFactory, lengths: list[int], end: bool, skip: set[int]
) -> None:
    path = tmp_path_factory.mktemp("fhir") / "x.ndjson"
    lines = [bytes([65 + number % 26]) * length + b"." for number, length in enumerate(lengths)]
    data = b"\n".join(lines) + (b"\n" if end and lines else b"")
    path.write_bytes(data)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(files, "BLOCK_BYTES", 16)
        every = read(FhirFiles(path))
        left_out = frozenset(f"x.ndjson@{number}" for number in skip)
        done = frozenset(item.mark for item in FhirFiles(path).items(lambda mark: False) if item.name in left_out)
        assert read(FhirFiles(path), done) == {name: block for name, block in every.items() if name not in left_out}
    assert b"".join(every.values()) == data
    assert all(block.endswith(b"\n") for block in list(every.values())[:-1])


def test_a_line_that_is_too_long_is_cut_and_the_next_one_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "LINE_BYTES_MAX", 32)
    monkeypatch.setattr(files, "BLOCK_BYTES", 8)
    (tmp_path / "x.ndjson").write_bytes(b"a" * 500 + b"\nnext\n")
    blocks = list(read(FhirFiles(tmp_path)).values())
    assert blocks == [b"a" * 40, b"next\n"]


def test_a_file_that_breaks_off_stops_after_what_was_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "BLOCK_BYTES", 1 << 10)
    packed = gzip.compress(ndjson(resources(30)), compresslevel=0)
    (tmp_path / "x.ndjson.gz").write_bytes(packed[: len(packed) // 2])
    names = []
    with pytest.raises(SourceError, match="cannot be read: EOFError"):
        names += [item.name for item in FhirFiles(tmp_path).items(lambda name: False)]
    assert names == [] or names[0] == "x.ndjson.gz@0"


def test_a_document_has_a_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "JSON_BYTES_MAX", 10)
    (tmp_path / "large.json").write_text(json.dumps(bundle(resources(1))))
    source = FhirFiles(tmp_path)
    assert read(source) == {} and "export it as NDJSON" in next(iter(source.finds.reasons))
