"""DICOM files in folders and .zip files: what is found, what is passed over, what must not be unpacked."""

from __future__ import annotations

import bz2
import gzip
import io
import os
import shutil
import struct
import tarfile
import tracemalloc
import zipfile
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pydicom
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.data import get_testdata_file

from hmchain.records.sources.containers import archive as archives
from hmchain.records.sources.dicom.files import DicomFiles
from hmchain.records.sources.dicom.header import HEAD_BYTES, read_header, why_not_dicom
from hmchain.records.sources.dicom.selection import Selection, SelectionError, read_patients
from hmchain.records.sources.item import DICOM, ItemUnavailableError, SourceError

NOBODY: Callable[[str], bool] = lambda name: False  # noqa: E731
CT = Path(str(get_testdata_file("CT_small.dcm")))
MR = Path(str(get_testdata_file("MR_small.dcm")))
DIRECTORY = Path(str(get_testdata_file("DICOMDIR")))


def names(source: DicomFiles) -> list[str]:
    return [item.name for item in source.items(NOBODY)]


def without_preamble(path: Path, *, implicit: bool) -> bytes:
    """The bare data set of a file, as systems before PS3.10 wrote it."""
    import io

    from pydicom.filewriter import dcmwrite

    file = io.BytesIO()
    found = pydicom.dcmread(path)
    del found.file_meta
    found.preamble = None
    dcmwrite(file, found, implicit_vr=implicit, little_endian=True, enforce_file_format=False)
    return file.getvalue()


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """A folder as hospitals give them."""
    folder = tmp_path / "archive"
    (folder / "a" / "deep").mkdir(parents=True)
    shutil.copy(CT, folder / "a" / "deep" / "0001")
    shutil.copy(MR, folder / "b.dcm")
    shutil.copy(DIRECTORY, folder / "DICOMDIR")
    (folder / "a" / "bare").write_bytes(without_preamble(CT, implicit=True))
    (folder / "a" / "bare explicit").write_bytes(without_preamble(CT, implicit=False))
    (folder / "cut.dcm").write_bytes(CT.read_bytes()[:100])
    (folder / "empty.dcm").write_bytes(b"")
    (folder / "report.pdf").write_bytes(b"%PDF-1.7 of a patient")
    (folder / ".DS_Store").write_bytes(b"\0\0\0\1Bud1")
    return folder


def zipped(folder: Path, path: Path, compression: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", compression) as archive:
        for file in sorted(folder.rglob("*")):
            archive.write(file, file.relative_to(folder).as_posix())
    return path


def test_all_dicom_files_of_a_folder_whatever_they_are_called(archive: Path) -> None:
    source = DicomFiles.at(archive)
    assert names(source) == ["a/bare", "a/bare explicit", "a/deep/0001", "b.dcm", "cut.dcm"]
    assert source.count() == 5
    assert source.finds.reasons == {"a DICOMDIR": 1, "a hidden file": 1, "an empty file": 1, "not DICOM": 1}
    assert source.finds.files == 9
    items = {item.name: item for item in source.items(NOBODY)}
    with items["a/deep/0001"].open() as file:
        assert file.read() == CT.read_bytes()
    assert {item.kind for item in items.values()} == {DICOM}
    with items["cut.dcm"].open() as file:  # a damaged one is given as it is
        assert len(file.read()) == 100


def test_a_zip_file_gives_what_its_folder_gives(archive: Path, tmp_path: Path) -> None:
    folder, packed = DicomFiles.at(archive), DicomFiles.at(zipped(archive, tmp_path / "archive.zip"))
    assert sorted(names(packed)) == sorted(names(folder))
    assert packed.count() == 5 and packed.finds.reasons == folder.finds.reasons
    for item in packed.items(NOBODY):
        with item.open() as file:
            assert file.seekable()
            assert file.read() == (archive / item.name).read_bytes()
            file.seek(3)
            assert file.read(4) == (archive / item.name).read_bytes()[3:7]


def test_items_stay_readable_when_the_listing_is_over(archive: Path, tmp_path: Path) -> None:
    items = list(DicomFiles.at(zipped(archive, tmp_path / "archive.zip")).items(NOBODY))
    with items[0].open() as first, items[0].open() as again:
        assert first.read() == again.read() != b""


@pytest.mark.parametrize("pack", [False, True], ids=["folder", "zip"])
def test_a_run_cut_short_goes_on_after_what_is_done(archive: Path, tmp_path: Path, pack: bool) -> None:
    path = zipped(archive, tmp_path / "archive.zip") if pack else archive
    done: dict[str, str] = {}
    for item in DicomFiles.at(path).items(done.__contains__):
        done[item.mark] = item.name
        if len(done) == 2:
            break
    rest = [item.name for item in DicomFiles.at(path).items(done.__contains__)]
    assert sorted([*done.values(), *rest]) == sorted(names(DicomFiles.at(path)))


def test_every_file_of_pydicom_is_recognised_or_a_directory() -> None:
    unknown = {path.name for path in CT.parent.glob("*.dcm") if why_not_dicom(path.read_bytes()[:HEAD_BYTES])}
    assert unknown == {"no_meta.dcm"}  # begins with a byte too many; its suffix brings it in all the same
    assert why_not_dicom(DIRECTORY.read_bytes()[:HEAD_BYTES]) == "a DICOMDIR"


@given(st.binary(max_size=600))
def test_any_bytes_have_an_answer(head: bytes) -> None:
    assert why_not_dicom(head) in ("", "not DICOM", "a DICOMDIR")
    read_header(io.BytesIO(head))


@pytest.mark.parametrize(
    "head", [b"%PDF-1.7", b"\x89PNG\r\n\x1a\n", b"PK\x03\x04", b"\xff\xd8\xff\xe0", b"GIF89a", b"II*\0", b"{\"a\": 1}"]
)  # fmt: skip
def test_other_formats_are_not_taken_for_dicom(head: bytes) -> None:
    assert why_not_dicom(head.ljust(HEAD_BYTES, b" ")) == "not DICOM"


def test_a_link_is_followed_to_what_would_not_be_given_otherwise(archive: Path, tmp_path: Path) -> None:
    (archive / "a" / "loop").symlink_to(archive, target_is_directory=True)
    (archive / "gone.dcm").symlink_to(archive / "nothing")
    (archive / "again.dcm").symlink_to(archive / "b.dcm")
    (archive / ".store").mkdir()
    shutil.copy(CT, archive / ".store" / "x")
    (archive / "kept.dcm").symlink_to(archive / ".store" / "x")
    shutil.copy(CT, tmp_path / "outside.dcm")
    (archive / "out.dcm").symlink_to(tmp_path / "outside.dcm")
    source = DicomFiles.at(archive)
    assert set(names(source)) == {"a/bare", "a/bare explicit", "a/deep/0001", "b.dcm", "cut.dcm", "kept.dcm"}
    said = {reason: count for reason, count in source.finds.reasons.items() if "link" in reason or "folder" in reason}
    assert said == {
        "a link to nothing": 1, "a link to what lies here itself": 2, "a link out of the folder": 1,
        "in a hidden folder": 1,
    }  # fmt: skip


def test_names_that_are_no_text_can_be_written(tmp_path: Path) -> None:
    shutil.copy(CT, os.fsencode(tmp_path) + b"/\xff\xfe.dcm")
    shutil.copy(CT, tmp_path / "ä.dcm")
    found = names(DicomFiles.at(tmp_path))
    assert len(set(found)) == 2
    assert all(name.encode("utf-8") for name in found)


def test_two_files_with_the_same_uids_are_two_items(tmp_path: Path) -> None:
    shutil.copy(CT, tmp_path / "one.dcm")
    other = pydicom.dcmread(CT)
    other.PixelData = bytes(len(other.PixelData))
    other.save_as(tmp_path / "two.dcm")
    assert names(DicomFiles.at(tmp_path)) == ["one.dcm", "two.dcm"]


def test_a_file_that_vanishes_is_one_item_less(archive: Path) -> None:
    items = {item.name: item for item in DicomFiles.at(archive).items(NOBODY)}
    (archive / "b.dcm").unlink()
    with pytest.raises(ItemUnavailableError) as failure:
        items["b.dcm"].open()
    assert "b.dcm" not in str(failure.value)


def test_a_source_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="does not exist"):
        DicomFiles.at(tmp_path / "nothing")
    (tmp_path / "text.zip").write_text("no archive")
    with pytest.raises(SourceError, match=r"no \.zip file"):
        DicomFiles.at(tmp_path / "text.zip")


# --- selection ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("selection", "expected"),
    [
        (Selection(modalities=frozenset({"MR"})), {"b.dcm"}),
        (Selection(patients=frozenset({"1CT1"})), {"a/bare", "a/bare explicit", "a/deep/0001"}),
        (Selection(since=date(2004, 2, 1)), {"b.dcm"}),
        (Selection(until=date(2004, 1, 31)), {"a/bare", "a/bare explicit", "a/deep/0001"}),
        (Selection(description="e+*"), {"a/bare", "a/bare explicit", "a/deep/0001"}),
        (Selection(description="nothing like it"), set()),
    ],
    ids=["modality", "patient", "since", "until", "description", "nothing"],
)
def test_only_what_is_selected_is_given(archive: Path, selection: Selection, expected: set[str]) -> None:
    source = DicomFiles.at(archive, selection)
    assert source.count() is None
    # Nothing can be read in `cut.dcm` (a preamble, no more): not selected, and counted as such.
    assert set(names(source)) - {"cut.dcm"} == expected
    assert source.finds.reasons["not selected"] >= 2


def test_a_selection_says_what_is_wrong_with_it(tmp_path: Path) -> None:
    with pytest.raises(SelectionError, match="no modality"):
        Selection(modalities=frozenset({"mri scan"}))
    with pytest.raises(SelectionError, match="no date"):
        Selection(since=date(2026, 1, 2), until=date(2026, 1, 1))
    with pytest.raises(SelectionError, match="empty"):
        Selection(patients=frozenset())
    (tmp_path / "list").write_text("# only a comment\n\n")
    with pytest.raises(SelectionError, match="empty"):
        read_patients(tmp_path / "list")
    with pytest.raises(SelectionError, match="cannot be read"):
        read_patients(tmp_path / "nothing")


def test_a_list_of_patients(tmp_path: Path) -> None:
    (tmp_path / "list").write_bytes("\ufeff# trial 7\r\n17-0042\r\n\r\n ÄB 1 \r\n17-0042\r\n".encode())
    patients = read_patients(tmp_path / "list")
    assert patients == {"17-0042", "ÄB 1"}
    assert "17-0042" not in repr(Selection(patients=patients))


@given(st.dates(), st.dates(), st.dates())
def test_dates_are_compared_as_a_person_would(since: date, until: date, day: date) -> None:
    first, last = sorted((since, until))
    selection = Selection(since=first, until=last)
    assert selection.takes_study("", day.isoformat().replace("-", ""), "") is (first <= day <= last)
    assert not selection.takes_study("", "", "")


# --- archives that must not be unpacked, or only in part ------------------------------------------------------------


def test_a_name_that_climbs_is_only_a_name(tmp_path: Path) -> None:
    path = tmp_path / "climbing.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name in ("../../evil.dcm", "/etc/evil.dcm", "..\\evil.dcm", "a/../../evil.dcm"):
            archive.writestr(name, CT.read_bytes())
    before = sorted(tmp_path.parent.rglob("evil.dcm"))
    for item in DicomFiles.at(path).items(NOBODY):
        with item.open() as file:
            assert file.read(132)[128:] == b"DICM"
    assert sorted(tmp_path.parent.rglob("evil.dcm")) == before == []


def test_an_archive_that_unpacks_to_far_more_than_its_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "RATIO_FREE_BYTES", 1 << 20)
    path = tmp_path / "bomb.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("zeros.dcm", bytes(16 << 20))
    with pytest.raises(SourceError, match="times its size"):
        DicomFiles.at(path)


@pytest.mark.parametrize(
    ("limit", "value", "message"),
    [
        ("ENTRIES_MAX", 2, "more than 2 files"),
        ("ENTRY_BYTES_MAX", 10, "would unpack to"),
        ("ARCHIVE_BYTES_MAX", 1000, "would unpack to"),
        ("DIRECTORY_BYTES_MAX", 40, r"no \.zip file"),
    ],
)
def test_an_archive_beyond_a_limit(
    archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str, value: int, message: str
) -> None:
    path = zipped(archive, tmp_path / "archive.zip")
    monkeypatch.setattr(archives, limit, value)
    with pytest.raises(SourceError, match=message):
        DicomFiles.at(path)


def test_an_archive_that_lies_about_its_sizes_gives_no_more_than_it_says(tmp_path: Path) -> None:
    path = tmp_path / "liar.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("zeros.dcm", bytes(1 << 20))
    bent = bytearray(path.read_bytes())
    for signature, at in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):
        struct.pack_into("<L", bent, bent.index(signature) + at, 1000)  # says that it unpacks to 1000 bytes
    path.write_bytes(bent)
    (item,) = DicomFiles.at(path).items(NOBODY)
    with pytest.raises(ItemUnavailableError, match=r"entry 1 of .*liar\.zip is damaged"):
        item.open()


def test_an_encrypted_archive_is_refused(archive: Path, tmp_path: Path) -> None:
    path = zipped(archive, tmp_path / "archive.zip")
    bent = bytearray(path.read_bytes())
    at = bent.index(b"PK\x01\x02") + 8
    bent[at] |= 1  # the flag of an encrypted entry
    path.write_bytes(bent)
    with pytest.raises(SourceError, match="encrypted") as failure:
        DicomFiles.at(path)
    assert "password" in failure.value.hint


def test_archives_are_opened_wherever_they_lie_and_whatever_they_are_called(archive: Path, tmp_path: Path) -> None:
    folder = tmp_path / "export"
    folder.mkdir()
    inner = zipped(archive, tmp_path / "inner.zip")
    with tarfile.open(folder / "all.tgz", "w:gz") as tar:
        tar.add(inner, "./cd/inner")
        tar.add(CT, "one.dcm")
        tar.add(inner, "link")
    (folder / "two.dcm.bz2").write_bytes(bz2.compress(MR.read_bytes()))
    (folder / "letter.docx").write_bytes(document())
    (folder / "old.7z").write_bytes(b"7z\xbc\xaf\x27\x1c")
    source = DicomFiles.at(folder)
    found = {item.name: item for item in source.items(NOBODY)}
    assert {"all.tgz/cd/inner/b.dcm", "all.tgz/link/cut.dcm", "all.tgz/one.dcm", "two.dcm.bz2/two.dcm"} < set(found)
    assert source.count() is None and source.finds.files == 2 * 9 + 4
    with found["all.tgz/cd/inner/b.dcm"].open() as file, found["two.dcm.bz2/two.dcm"].open() as other:
        assert file.read() == other.read() == MR.read_bytes()
    assert "an archive of a kind that is not opened (7z): unpack it" in source.finds.reasons


def test_an_archive_that_is_damaged_or_too_deep_is_passed_over_and_the_rest_is_taken(
    archive: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "export"
    folder.mkdir()
    deep = zipped(archive, tmp_path / "0.zip")
    for number in range(1, 5):
        with zipfile.ZipFile(tmp_path / f"{number}.zip", "w") as outer:
            outer.write(deep, f"{number - 1}.zip")
        deep = tmp_path / f"{number}.zip"
    shutil.copy(deep, folder)
    (folder / "cut.tgz").write_bytes(gzip.compress(CT.read_bytes() * 3)[:-2000])
    shutil.copy(CT, folder / "one.dcm")
    source = DicomFiles.at(folder)
    assert names(source) == ["one.dcm"]
    assert source.finds.reasons == {"an archive that is not read: damaged": 1, "an archive within 3 others": 1}


def document() -> bytes:
    with io.BytesIO() as file:
        with zipfile.ZipFile(file, "w") as packed:
            packed.writestr("[Content_Types].xml", b"<Types/>")
        return file.getvalue()


def test_entries_packed_in_a_way_that_can_fill_memory_are_not_unpacked(archive: Path, tmp_path: Path) -> None:
    source = DicomFiles.at(zipped(archive, tmp_path / "archive.zip", zipfile.ZIP_BZIP2))
    assert names(source) == []
    assert source.finds.reasons == {"an entry packed in an uncommon way": 9}


def test_a_damaged_entry_is_one_item_less(archive: Path, tmp_path: Path) -> None:
    path = zipped(archive, tmp_path / "archive.zip", zipfile.ZIP_STORED)
    bent = bytearray(path.read_bytes())
    bent[bent.index(CT.read_bytes()) + 5000] ^= 1
    path.write_bytes(bent)
    outcomes = []
    for item in DicomFiles.at(path).items(NOBODY):
        try:
            item.open().close()
            outcomes.append("read")
        except ItemUnavailableError as error:
            outcomes.append("damaged")
            assert item.name not in str(error)
    assert outcomes.count("damaged") == 1 and outcomes.count("read") == 4


def test_two_entries_of_one_name_are_two_items(tmp_path: Path) -> None:
    path = tmp_path / "twins.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.write(CT, "one.dcm")
        with pytest.warns(UserWarning, match="Duplicate"):
            archive.write(MR, "one.dcm")
    found = list(DicomFiles.at(path).items(NOBODY))
    assert [item.name for item in found] == ["one.dcm", "one.dcm#2"]
    with found[0].open() as one, found[1].open() as two:
        assert (one.read(), two.read()) == (CT.read_bytes(), MR.read_bytes())


def test_memory_does_not_grow_with_a_files_size(tmp_path: Path) -> None:
    path = tmp_path / "large.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive, archive.open("big", "w") as big:
        big.write(CT.read_bytes())
        for _ in range(64):
            big.write(bytes(1 << 20))
    (item,) = DicomFiles.at(path).items(NOBODY)
    tracemalloc.start()
    try:
        with item.open() as file:
            while file.read(1 << 20):
                pass
        assert tracemalloc.get_traced_memory()[1] < 24 << 20
    finally:
        tracemalloc.stop()
