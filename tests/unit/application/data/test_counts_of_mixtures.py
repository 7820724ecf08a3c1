"""Whatever lies in a folder, of whatever kind: what is found is counted by itself, and every file is accounted for."""

from __future__ import annotations

import csv
import gzip
import io
import json
import os
import socket
import tarfile
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import chdir
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hmchain.application.data import deidentification, extraction
from hmchain.application.data.listing import listing
from hmchain.application.site import hospital
from hmchain.records.catalogue.accounts import Account
from hmchain.records.sources.item import DICOM, FHIR, HL7, IMAGE, TABLE
from hmchain.records.sources.opening import open_source
from hmchain.records.sources.request import SourceRequest
from support.dicom_objects import ct, written
from support.health_records import bundle, ndjson, observation, patient
from support.steward import message

ACK = b"MSH|^~\\&|||||20240101||ACK^R01|7|P|2.5\rMSA|AA|1\r"
SCHEMA = (
    'title = "L"\n[tables.labs.columns]\npatient = { type = "text", role = "subject" }\n'
    'glucose = { type = "number", role = "value" }\n'
)


def _dicom() -> dict[str, bytes]:
    some = {f"IM{n}": written(ct(PatientID=f"P{n}", SOPInstanceUID=f"1.2.3.{n}")) for n in range(3)}
    other = written(ct(PatientID="P9", PatientName="Other^One", SOPInstanceUID="1.2.3.0"))
    report = written(ct(SOPClassUID="1.2.840.10008.5.1.4.1.1.88.11", SOPInstanceUID="1.2.3.7"))
    return {**some, "same uid.dcm": other, "cut.dcm": some["IM0"][:300], "report": report}


def _pictures() -> dict[str, bytes]:
    def picture(seed: int, frames: int = 1) -> bytes:
        pages = [Image.fromarray(np.full((8, 8), 10 * seed + n, np.uint8)) for n in range(frames)]
        with io.BytesIO() as file:
            pages[0].save(file, "TIFF", save_all=True, append_images=pages[1:])
            return file.getvalue()

    return {"a.tif": picture(1), "b.tiff": picture(2, frames=3), "c": picture(3), "cut.png": b"\x89PNG\r\n\x1a\n"}


def _fhir() -> dict[str, bytes]:
    later = patient(1) | {"meta": {"versionId": "2"}}
    earlier = patient(1) | {"meta": {"versionId": "1"}, "gender": "other"}
    nested = bundle([patient(3), {"resourceType": "Task"}])
    nested["entry"] += [{"resource": bundle([observation(1, 3)])}, {"request": {"method": "DELETE", "url": "Task/1"}}]
    return {
        "old.json": json.dumps(earlier).encode(), "Patient.ndjson": ndjson([later, patient(2), {"id": "x"}]),
        "more.ndjson.gz": gzip.compress(ndjson([patient(2), {"resourceType": "Claim"}])),
        "all.bundle": json.dumps(nested).encode(), "damaged.fhir": b'{"resourceType": "Patient"',
    }  # fmt: skip


def _hl7() -> dict[str, bytes]:
    return {
        "log.hl7": message(1) + b"\r" + ACK + message(2) + b"\r", "one": message(3), "again.er7": message(1) + b"\r",
        "acks.hl7": ACK + ACK, "none.txt": b"no message", "damaged.hl7": b"none either",
    }  # fmt: skip


def _tables() -> dict[str, bytes]:
    rows = "".join(f"MRN-{n % 4},{n}\n" for n in range(20))
    return {"labs.csv": f"patient,glucose\n{rows}".encode(), "more/labs/1.csv": b"patient,glucose\nMRN-1,high\n",
            "staff.csv": b"name\nQuince\n"}  # fmt: skip


KINDS: dict[str, Callable[[], dict[str, bytes]]] = {
    DICOM: _dicom, IMAGE: _pictures, FHIR: _fhir, HL7: _hl7, TABLE: _tables,
}  # fmt: skip


def compose(folder: Path, files: dict[str, bytes]) -> int:
    """A folder as hospitals have them; returns how many files are in it, archives opened."""
    for place in (folder, folder / "again", folder.joinpath(*["deep"] * 60), folder / ".trash"):
        for name, data in files.items():
            path = place / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as outer:
        for name, data in files.items():
            outer.writestr(f"cd/{name}", data)
        outer.writestr("__MACOSX/._x", b"x")
    (folder / "cd.zip").write_bytes(packed.getvalue())
    with tarfile.open(folder / "backup.tgz", "w:gz") as tar:
        tar.add(folder / "cd.zip", "./inside.zip")
    strange = {
        "Thumbs.db": b"x",
        "empty": b"",
        "letter.pdf": b"%PDF",
        ".DS_Store": b"x",
        "brain.nii": b"x",
        "photo.heic": b"\0\0\0\x18ftypheic",
        "cut.zip": packed.getvalue()[:-30],
        "old.rar": b"Rar!\x1a\x07",
    }
    for name, data in strange.items():  # fmt: skip
        (folder / name).write_bytes(data)
    (Path(os.fsdecode(os.fsencode(folder) + b"/\xff\xfe name"))).write_bytes(b"?")
    os.mkfifo(folder / "pipe")
    with socket.socket(socket.AF_UNIX) as listener, chdir(folder):  # the path of a socket must be short
        listener.bind("socket")
    (folder / "loop").symlink_to(folder, target_is_directory=True)
    (folder / "round").symlink_to("round")
    (folder / "out").symlink_to(folder.parent)
    (folder / "here").symlink_to(next(iter(files)))
    return 4 * len(files) + 2 * (len(files) + 1) + len(strange) + 7


def at_the_end(folder: Path) -> Iterator[bytes]:
    return (path.read_bytes() for path in sorted(folder.iterdir()) if len(path.stem) == 32)


def adds_up(account: Account, lines: list[dict[str, str]]) -> None:
    """See that the list says of the same files and parts what the account says."""
    assert account.found.files == len({line["file"] for line in lines})
    became = Counter[str]()
    for line in lines:
        became["older" if line["became"] == "updated" else line["became"]] += int(line["parts"])
    assert {fate: count for fate, count in became.items() if count} == account.parts
    assert account.found.parts == sum(became.values())


@pytest.mark.network
@pytest.mark.parametrize("kind", KINDS)
def test_every_file_of_a_mixture_is_accounted_for_at_both_ends(tmp_path: Path, kind: str) -> None:
    source, place, schema = tmp_path / "export", tmp_path / "north", tmp_path / "labs.toml"
    schema.write_text(SCHEMA)
    there = compose(source, KINDS[kind]())
    wanted = SourceRequest(place=str(source), kind=kind, schema=str(schema) if kind == TABLE else "")
    accounts, contents = [], []
    folder = hospital.create(place)
    with hospital.open_records(folder) as records:
        for run in ("first", "again"):
            with open_source(wanted) as opened, listing(tmp_path / run) as told:
                found = extraction.extract_into(records, "mixed", opened, schema=wanted.schema, told=told)
                accounts.append(found.account)
        contents.append(sorted(content for _, content in records.vault.read("mixed", 1)))
        with open_source(wanted) as opened, listing(tmp_path / "clean.csv") as told:
            made = deidentification.deidentify(
                records, opened, tmp_path / "clean", "mixed", schema=wanted.schema, told=told
            )
        accounts.append(made.trial.account)
        contents.append(sorted(at_the_end(tmp_path / "clean")))
        with open_source(wanted) as opened:
            accounts.append(deidentification.inspect(opened, schema=wanted.schema).trial.account)
    assert accounts[0].found.files == there
    assert accounts[1:] == accounts[:1] * 3, "again, as clean files and to look at"
    assert contents[0] == contents[1] and len(contents[0]) == made.trial.records.total() > 0
    for name in ("first", "again", "clean.csv"):
        with (tmp_path / name).open(encoding="utf-8") as file:
            adds_up(accounts[0], list(csv.DictReader(file)))
    assert accounts[0].passed_over["in a hidden folder"].files == len(KINDS[kind]())
    assert accounts[0].passed_over["a link to nothing"].files == 1
