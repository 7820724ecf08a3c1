"""A real PACS for tests: Orthanc (Debian packages orthanc and orthanc-dicomweb) on free ports, with DIMSE and DICOMweb.

    with running_orthanc(tmp_path / "pacs") as pacs:
        pacs.store(datasets)

Its ports cannot be bound to loopback, so it is told to serve nobody else: HTTP from this machine alone, DICOM to one
modality at 127.0.0.1. Where Orthanc is missing, tests are skipped.
"""

from __future__ import annotations

import base64
import json
import shutil
import signal
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, SecondaryCaptureImageStorage
from pynetdicom import AE

from support.ports import free_ports

HOST, TITLE, OWN_TITLE = "127.0.0.1", "ORTHANC", "HMCHAIN"
USER, PASSWORD = "extractor", "a-password-that-no-log-may-show"
_START_SECONDS = 30.0
_PLUGINS = (
    Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so"),
    Path("/usr/lib/orthanc/libOrthancDicomWeb.so"),
)


@dataclass
class Orthanc:
    """A PACS that can be killed and started again over the same store."""

    folder: Path
    command: list[str]
    http_port: int
    dicom_port: int
    receiver_port: int
    """Where it sends what we ask for by C-MOVE."""
    authenticated: bool
    process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    @property
    def url(self) -> str:
        """Its DICOMweb service."""
        return f"http://{HOST}:{self.http_port}/dicom-web"

    def start(self) -> None:
        """Run it until it answers."""
        with (self.folder / "orthanc.log").open("ab") as log:
            self.process = subprocess.Popen(self.command, stdout=log, stderr=log)
        end = time.monotonic() + _START_SECONDS
        while not self._answers():
            if self.process.poll() is not None or time.monotonic() > end:
                raise AssertionError((self.folder / "orthanc.log").read_text()[-2000:])
            time.sleep(0.05)

    def kill(self) -> None:
        """End it at once, as a power cut would."""
        if self.process is not None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()
            self.process = None

    def store(self, datasets: Iterable[Dataset]) -> None:
        """Send objects to it by C-STORE."""
        entity = AE(ae_title=OWN_TITLE)
        waiting = list(datasets)
        for kind, syntax in sorted({(one.SOPClassUID, one.file_meta.TransferSyntaxUID) for one in waiting}):
            entity.add_requested_context(kind, syntax)
        association = entity.associate(HOST, self.dicom_port, ae_title=TITLE)
        assert association.is_established
        for one in waiting:
            assert association.send_c_store(one).Status == 0x0000
        association.release()

    def _answers(self) -> bool:
        token = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        request = urllib.request.Request(f"{self.url}/studies?limit=1", headers={"Authorization": f"Basic {token}"})
        try:
            with urllib.request.urlopen(request, timeout=2) as answer:
                return answer.status == 200
        except (urllib.error.URLError, OSError):
            return False


@contextmanager
def running_orthanc(folder: Path, *, authenticated: bool = False) -> Iterator[Orthanc]:
    """Run a PACS that keeps everything in `folder`, until the block ends."""
    program, plugin = _program()
    folder.mkdir(parents=True, exist_ok=True)
    http_port, dicom_port, receiver_port = free_ports(3)
    settings = {
        "StorageDirectory": str(folder / "store"),
        "IndexDirectory": str(folder / "store"),
        "HttpPort": http_port,
        "RemoteAccessAllowed": False,
        "AuthenticationEnabled": authenticated,
        "RegisteredUsers": {USER: PASSWORD},
        "DicomAet": TITLE,
        "DicomPort": dicom_port,
        "DicomModalities": {"hospital": [OWN_TITLE, HOST, receiver_port]},
        "DicomCheckCalledAet": True,
        "DicomCheckModalityHost": True,
        "DicomAlwaysAllowEcho": False,
        "DicomAlwaysAllowFind": False,
        "DicomAlwaysAllowGet": False,
        "DicomAlwaysAllowStore": False,
        "Plugins": [str(plugin)],
        "DicomWeb": {"Enable": True, "Root": "/dicom-web/"},
    }
    (folder / "orthanc.json").write_text(json.dumps(settings))
    command = [program, str(folder / "orthanc.json")]
    orthanc = Orthanc(folder, command, http_port, dicom_port, receiver_port, authenticated)
    try:
        orthanc.start()
        yield orthanc
    finally:
        orthanc.kill()


def study(patient: str, number: int, *, objects: int, modality: str = "MR", day: str = "20240131") -> list[Dataset]:
    """Return the objects of a made-up study of one series; UIDs follow from patient and number."""
    root = f"1.2.826.0.1.3680043.9.9999.{sum(patient.encode())}.{number}"
    return [_object(patient, root, index, modality, day) for index in range(1, objects + 1)]


def _object(patient: str, root: str, index: int, modality: str, day: str) -> Dataset:
    made = Dataset()
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    made.file_meta.MediaStorageSOPClassUID = made.SOPClassUID = SecondaryCaptureImageStorage
    made.file_meta.MediaStorageSOPInstanceUID = made.SOPInstanceUID = f"{root}.1.{index}"
    made.StudyInstanceUID, made.SeriesInstanceUID = root, f"{root}.1"
    made.PatientID, made.PatientName, made.PatientBirthDate = patient, f"Doe^{patient}", "19700101"
    made.StudyDate, made.StudyDescription, made.Modality = day, "Brain with contrast", modality
    made.InstanceNumber = index
    made.Rows = made.Columns = 8
    made.SamplesPerPixel, made.PhotometricInterpretation, made.PixelRepresentation = 1, "MONOCHROME2", 0
    made.BitsAllocated = made.BitsStored = 8
    made.HighBit = 7
    made.PixelData = bytes((index + pixel) % 256 for pixel in range(64))
    return made


def _program() -> tuple[str, Path]:
    program = shutil.which("Orthanc") or shutil.which("Orthanc", path="/usr/sbin")
    plugin = next((path for path in _PLUGINS if path.exists()), None)
    if program and plugin:
        return program, plugin
    pytest.skip("Orthanc is not installed: apt install orthanc orthanc-dicomweb")
