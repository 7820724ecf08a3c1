"""Extraction from a real PACS (Orthanc) by DICOMweb, C-GET and C-MOVE: all of it, once each, whatever fails."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path

import pydicom
import pytest
from pydicom.data import get_testdata_file

from hmchain.records.sources.credentials import Credential
from hmchain.records.sources.dicom.dicomweb import DicomWeb
from hmchain.records.sources.dicom.dimse import Dimse
from hmchain.records.sources.dicom.dimse_client import Pacs, Receiver
from hmchain.records.sources.dicom.selection import Selection
from hmchain.records.sources.http import Patience, WebServer
from hmchain.records.sources.item import Item, ItemUnavailableError, SourceError
from support.pacs import HOST, PASSWORD, TITLE, USER, Orthanc, running_orthanc, study
from support.ports import free_ports

pytestmark = [pytest.mark.process, pytest.mark.network]

HASTY = Patience((0.05, 0.05))
COMPRESSED = ("JPEG2000.dcm", "MR_small_RLE.dcm", "SC_rgb_jpeg_dcmtk.dcm")
WAYS = ("web", "get", "move")
NOBODY: Callable[[str], bool] = lambda name: False  # noqa: E731


@pytest.fixture(scope="module")
def orthanc(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Orthanc]:
    with running_orthanc(tmp_path_factory.mktemp("pacs")) as server:
        server.store(study("ANNA", 1, objects=6, modality="MR", day="20240131"))
        server.store(study("BERT", 2, objects=3, modality="CT", day="20250505"))
        server.store([get_testdata_file(name, read=True) for name in COMPRESSED])
        yield server


def source(way: str, server: Orthanc, selection: Selection | None = None) -> DicomWeb | Dimse:
    chosen = selection or Selection()
    if way == "web":
        return DicomWeb(WebServer(server.url, patience=HASTY), chosen, page=2)
    receiver = Receiver(HOST, server.receiver_port) if way == "move" else None
    return Dimse(Pacs(HOST, server.dicom_port, TITLE, receiver=receiver, timeout_s=10, patience=HASTY), chosen)


def read(item: Item) -> pydicom.Dataset:
    with item.open() as file:
        found = pydicom.dcmread(file)
        assert len(found.PixelData) > 0
        return found


@pytest.mark.parametrize("way", WAYS)
def test_every_object_comes_once_as_the_pacs_has_it(orthanc: Orthanc, way: str) -> None:
    pacs = source(way, orthanc)
    pacs.check()
    assert pacs.count() == 12
    items = list(pacs.items(NOBODY))
    assert len({item.name for item in items}) == len(items) == 12
    for item in items:
        found = read(item)
        assert item.name == f"{found.StudyInstanceUID}/{found.SeriesInstanceUID}/{found.SOPInstanceUID}"
        assert item.kind == "dicom"
    syntaxes = {read(item).file_meta.TransferSyntaxUID for item in items}
    originals = {get_testdata_file(name, read=True).file_meta.TransferSyntaxUID for name in COMPRESSED}
    assert originals < syntaxes, "an object was decoded on its way"
    pacs.close()


@pytest.mark.parametrize("way", WAYS)
def test_a_later_run_leaves_out_what_is_done(orthanc: Orthanc, way: str) -> None:
    pacs = source(way, orthanc)
    names = [item.name for item in pacs.items(NOBODY)]
    assert [item.name for item in pacs.items(set(names[:7]).__contains__)] == names[7:]
    pacs.close()


@pytest.mark.parametrize("way", ["web", "get"])
@pytest.mark.parametrize(
    ("selection", "expected"),
    [
        (Selection(modalities=frozenset({"CT"})), 3),
        (Selection(modalities=frozenset({"CT", "MR"})), 10),  # one of pydicom's own is MR
        (Selection(since=date(2024, 1, 31), until=date(2024, 12, 31)), 6),
        (Selection(since=date(2024, 2, 1)), 3),
        (Selection(description="BRAIN*"), 9),
        (Selection(patients=frozenset({"BERT", "NOBODY"})), 3),
        (Selection(patients=frozenset({"*"})), 0),  # no wildcard: it would bring in everybody
        (Selection(patients=frozenset({"ANNA"}), modalities=frozenset({"CT"})), 0),
    ],
    ids=["modality", "modalities", "dates", "since", "description", "patients", "star", "both"],
)
def test_only_what_is_selected_is_listed(orthanc: Orthanc, way: str, selection: Selection, expected: int) -> None:
    pacs = source(way, orthanc, selection)
    assert len(list(pacs.items(NOBODY))) == expected
    pacs.close()


@pytest.mark.network
@pytest.mark.parametrize("way", WAYS)
def test_a_pacs_killed_in_the_middle_loses_nothing_and_gives_nothing_twice(tmp_path: Path, way: str) -> None:
    extracted: list[str] = []
    with running_orthanc(tmp_path / "pacs") as server:
        server.store(study("ANNA", 1, objects=5))
        server.store(study("BERT", 2, objects=5))
        pacs = source(way, server)
        with pytest.raises(SourceError) as failure:
            for item in pacs.items(extracted.__contains__):
                if len(extracted) == 3:
                    server.kill()
                read(item)
                extracted.append(item.name)
        assert len(extracted) == 3
        assert "same command goes on" in failure.value.hint
        server.start()
        for item in pacs.items(extracted.__contains__):
            read(item)
            extracted.append(item.name)
        assert len(extracted) == len(set(extracted)) == 10
        pacs.close()


def test_a_pacs_that_asks_for_a_password(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with running_orthanc(tmp_path / "pacs", authenticated=True) as server:
        server.store(study("ANNA", 1, objects=1))
        with pytest.raises(SourceError, match="does not let us in") as nobody:
            DicomWeb(WebServer(server.url, patience=HASTY)).check()
        assert "give a credential" in nobody.value.hint
        with pytest.raises(SourceError, match="does not let us in") as wrong:
            DicomWeb(WebServer(server.url, Credential.basic(USER, "another"), patience=HASTY)).check()
        assert "check the credential" in wrong.value.hint
        right = WebServer(server.url, Credential.basic(USER, PASSWORD), patience=HASTY)
        pacs = DicomWeb(right, Selection(patients=frozenset({"ANNA"})))
        assert [read(item).PatientID for item in pacs.items(NOBODY)] == ["ANNA"]
        pacs.close()
        shown = caplog.text + repr(right) + repr(pacs) + str(wrong.value)
        assert PASSWORD not in shown and Credential.basic(USER, PASSWORD).authorization not in shown
        assert "ANNA" not in caplog.text and "Doe" not in caplog.text


def test_a_pacs_that_does_not_know_our_title(orthanc: Orthanc) -> None:
    stranger = Dimse(Pacs(HOST, orthanc.dicom_port, TITLE, own_title="STRANGER", patience=HASTY))
    with pytest.raises(SourceError, match=r"rejects us|refuses") as failure:
        stranger.check()
        list(stranger.items(NOBODY))
    assert "administrator" in failure.value.hint
    misnamed = Dimse(Pacs(HOST, orthanc.dicom_port, "SOMEBODY", patience=HASTY))
    with pytest.raises(SourceError, match="rejects us"):
        misnamed.check()


def test_a_pacs_that_cannot_reach_us(orthanc: Orthanc) -> None:
    elsewhere = Receiver(HOST, free_ports(1)[0])  # Orthanc was told another port
    pacs = Dimse(Pacs(HOST, orthanc.dicom_port, TITLE, receiver=elsewhere, timeout_s=2, patience=HASTY))
    failures = []
    for item in pacs.items(NOBODY):
        with pytest.raises(SourceError) as failure:
            item.open()
        failures.append(failure.value)
        if not isinstance(failure.value, ItemUnavailableError):
            break
    pacs.close()
    assert len(failures) == 5
    assert str(elsewhere.port) in failures[-1].hint
