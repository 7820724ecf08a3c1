"""Recognition of what files hold, by their beginnings; by their names only where their beginning tells nothing."""

from __future__ import annotations

from collections import Counter
from itertools import islice
from pathlib import Path, PurePosixPath

from hmchain.records.sources.addresses import UnknownSourceError
from hmchain.records.sources.containers import open_container
from hmchain.records.sources.dicom.header import why_not_dicom
from hmchain.records.sources.finds import Finds
from hmchain.records.sources.item import ARRAYS, DICOM, FHIR, HL7, IMAGE, TABLE, EmptySourceError
from hmchain.records.sources.pictures.files import SUFFIXES as IMAGE_SUFFIXES
from hmchain.records.sources.pictures.files import begins_image

KINDS = (DICOM, IMAGE, ARRAYS, FHIR, HL7, TABLE)
"""What `--as` takes."""

LOOKED_AT = 200
"""Files of a folder, to find out what it holds."""

HEAD_BYTES = 4096
"""Of a file, to tell its kind."""
_GZIP, _ZIP, _PARQUET = b"\x1f\x8b", b"PK", b"PAR1"
_MESSAGES = (b"MSH", b"FHS", b"BHS")
_BEFORE_TEXT = b"\xef\xbb\xbf\x0b \t\r\n"
_NAMED = {
    ".npz": ARRAYS, ".parquet": TABLE, ".csv": TABLE, ".ndjson": FHIR, ".hl7": HL7, ".dcm": DICOM,
    **dict.fromkeys(IMAGE_SUFFIXES, IMAGE),
}  # fmt: skip


def recognised(path: Path) -> str:
    """The kind of what a path holds, by its first files.

    Raises `UnknownSourceError`, `EmptySourceError`, or `SourceError` if it cannot be opened.
    """
    found = kinds_in(path)
    if len(found) == 1:
        return next(iter(found))
    if found:
        hint = f"say with --as which of them is to be taken: {', '.join(found)}"
        mixture = " and ".join(f"{count} {kind}" for kind, count in found.most_common())
        raise UnknownSourceError(f"{path} holds files of several kinds: among the first, {mixture}", hint)
    if path.is_dir() and not any(each.is_file() for each in path.rglob("*")):
        raise EmptySourceError(f"{path} holds no files", "check the place: an export may have failed")
    raise UnknownSourceError(f"it cannot be told what {path} holds", f"say so with --as: {', '.join(KINDS)}")


def kinds_in(path: Path) -> Counter[str]:
    """Count the files of each kind among the first ones of a folder or archive, or in a file.

    A table is often only a list beside the data: .csv files count where nothing else is found. Raises `SourceError`.
    """
    if path.suffix.lower() == ".npz":
        return Counter([ARRAYS])
    found: Counter[str] = Counter()
    tables = 0
    for entry in islice(open_container(path).entries(Finds()), LOOKED_AT):
        kind = kind_of(entry.name, entry.head(HEAD_BYTES))
        if kind == TABLE and entry.name.lower().endswith(".csv"):
            tables += 1
        elif kind:
            found[kind] += 1
    return found or Counter({TABLE: tables} if tables else {})


def kind_of(name: str, head: bytes) -> str:
    """The kind of a file of that name which begins with `head` (`HEAD_BYTES` of it); nothing if it cannot be told."""
    suffixes = [suffix.lower() for suffix in PurePosixPath(name).suffixes]
    text = head.lstrip(_BEFORE_TEXT)
    if head[128:132] == b"DICM":  # first: the 128 bytes before may be those of a TIFF file (PS3.10, 7.1)
        return DICOM
    if begins_image(head):
        return IMAGE
    if head.startswith(_PARQUET):
        return TABLE
    if text.startswith(_MESSAGES):
        return HL7
    if text.startswith(b"{"):
        return FHIR if b'"resourceType"' in text or ".ndjson" in suffixes else ""
    if head.startswith(_GZIP) and ".ndjson" in suffixes:
        return FHIR
    if not head.startswith((_GZIP, _ZIP)) and not why_not_dicom(head):
        return DICOM
    return _NAMED.get(suffixes[-1], "") if suffixes else ""
