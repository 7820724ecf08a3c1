"""From what a steward types to a source: a path, or the address of a PACS, a FHIR server or an HL7 listener."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import msgspec

from hmchain.errors import DataError, InputError
from hmchain.records.sources.addresses import (
    FORMS,
    Address,
    UnknownSourceError,
    is_address,
    parse_address,
    parse_receiver,
)
from hmchain.records.sources.credentials import Credential, read_credential
from hmchain.records.sources.dicom.selection import Selection, read_patients
from hmchain.records.sources.http import WebServer, is_loopback
from hmchain.records.sources.item import ARRAYS, DICOM, FHIR, HL7, IMAGE, TABLE, Item, Source
from hmchain.records.sources.skipped import Skipped

if TYPE_CHECKING:
    from hmchain.records.sources.pictures.patients import Patients

KINDS = (DICOM, IMAGE, ARRAYS, FHIR, HL7, TABLE)
"""What `--as` takes."""

FOLDERS = "folders"


class SourceFileError(InputError):
    """A file that describes a source cannot be used."""

    code = "source_file"


class EmptySourceError(DataError):
    """A source holds nothing that could be extracted: somebody may have named the wrong one, or an export failed."""

    code = "empty_source"


class Asked(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a steward says of a source, in a TOML file or on the command line."""

    place: str
    """A path, relative to the file that says so, or an address."""
    kind: str = ""
    """One of `KINDS`; nothing: find out."""
    modalities: tuple[str, ...] = ()
    """Of DICOM objects, for instance `MR`; none: all. The next four are of studies."""
    since: date | None = None
    """The first date that is taken; of FHIR resources the date of their last change."""
    until: date | None = None
    description: str = ""
    """With `*` and `?`."""
    patients: str = ""
    """Path of a list of patient IDs, one a line; nothing: all patients."""
    types: tuple[str, ...] = ()
    """FHIR resource types; none: the usual ones."""
    schema: str = ""
    """What the columns of tables are: the path of a schema, or the name of one that ships with the package."""
    credential: str = ""
    """Where the credential is: `env:NAME` or `file:PATH`."""
    ca_file: str = ""
    """Path of the authority of a server's certificate, where the system does not know it."""
    insecure_http: bool = False
    """Whether patient data may come without encryption from another machine (DICOMweb and FHIR)."""
    receiver: str = ""
    """HOST:PORT where a PACS sends objects to (C-MOVE); nothing: it sends them back as they are asked for (C-GET)."""
    own_title: str = "HMCHAIN"
    """Our AE title, which the PACS must allow."""
    labels_from: Literal["", "folders"] = ""
    """Of pictures: whether the folders they lie in are their classes. Else no name of a folder gets any further."""

    patients_from: str = ""
    """Of pictures: whose they are. `folders`: each folder is a patient's; or the path of a CSV file with the columns
    `file` and `patient`. Else each file is taken for a patient of its own."""

    def selection(self) -> Selection:
        """Which studies are taken. Raises `SelectionError`."""
        patients = read_patients(Path(self.patients)) if self.patients else None
        return Selection(frozenset(self.modalities), self.since, self.until, self.description, patients)


def asked(place: str) -> Asked:
    """What is asked for: a path or an address, or the path of a .toml file that says it all.

    Raises `SourceFileError`.
    """
    path = Path(place).expanduser()
    if is_address(place) or path.suffix != ".toml":
        return Asked(place=place)
    try:
        read = msgspec.toml.decode(path.read_bytes(), type=Asked)
    except OSError as error:
        raise SourceFileError(f"{path} cannot be read", "check the path") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise SourceFileError(f"{path} does not describe a source: {error}", "mend that entry") from error
    named = {name: getattr(read, name) for name in ("patients", "ca_file")}
    if not is_address(read.place):
        named["place"] = read.place
    if read.schema.endswith(".toml"):
        named["schema"] = read.schema
    if read.patients_from != FOLDERS:
        named["patients_from"] = read.patients_from
    # A path that is absolute already stays as it is.
    return msgspec.structs.replace(read, **{name: str(path.parent / given) for name, given in named.items() if given})


@dataclass(frozen=True)
class Opened:
    """A source, and what the catalogue says of it."""

    source: Source
    kind: str
    """Of its items."""
    described: str
    live: bool = False
    """Whether a sender waits for each item to be durable."""
    stop: Callable[[], None] | None = None
    """Ends a source that has no end of its own."""
    warning: str = ""
    """What should be known before it begins."""

    def filled(self) -> Source:
        """The source, once, with at least one item, so that nothing is made where there is nothing to extract.

        Raises `EmptySourceError`, or what the source raises before its first item. A sender is not waited for.
        """
        if self.live:
            return self.source
        begun = _Begun(self.source)
        if begun.is_empty:
            reasons = self.passed_over()
            passed = ", ".join(f"{count} ({reason})" for reason, count in reasons.items())
            hint = f"passed over were {passed}" if passed else "check the place, and what it is taken for (--as)"
            raise EmptySourceError(f"there is nothing to extract ({self.described})", hint)
        return begun

    def unlabelled_folders(self) -> int:
        """In how many folders pictures lie whose labels nobody asked for."""
        from hmchain.records.sources.pictures.files import ImageFiles

        if not isinstance(self.source, ImageFiles) or self.source.labelled or self.source.patients is not None:
            return 0
        return self.source.folders

    def passed_over(self) -> Mapping[str, int]:
        """How many things the last run found that are no data of this kind, by reason."""
        skipped = getattr(self.source, "skipped", None)
        return skipped.counts if isinstance(skipped, Skipped) else {}


class _Begun:
    """A source whose first item was asked for: what it costs to ask is not paid twice."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._done: Callable[[str], bool] = lambda mark: False
        self._items = source.items(lambda mark: self._done(mark))
        self._first = next(self._items, None)

    @property
    def is_empty(self) -> bool:
        return self._first is None

    def items(self, done: Callable[[str], bool]) -> Iterator[Item]:
        """The items, once."""
        self._done = done
        if self._first is not None and not done(self._first.known_by):
            yield self._first
        yield from self._items

    def count(self) -> int | None:
        """As the source says."""
        return self._source.count()


@contextmanager
def open_source(asked: Asked) -> Iterator[Opened]:
    """The source that is meant, closed afterwards.

    Raises `UnknownSourceError`, `SourceError` if it cannot be reached, or `CredentialError`.
    """
    if not is_address(asked.place):
        yield _on_disk(asked, Path(asked.place).expanduser())
        return
    address = parse_address(asked.place)
    opening = (_OVER_HTTP if address.over_http else _BY_ITSELF).get(address.protocol)
    if opening is None:
        raise UnknownSourceError("this is no protocol of a source", f"give {FORMS}")
    credential = read_credential(asked.credential) if asked.credential else None
    with opening(asked, address, credential) as opened:
        yield opened


def _on_disk(asked: Asked, path: Path) -> Opened:
    if not path.exists():
        raise UnknownSourceError(f"{path} does not exist", f"give {FORMS}")
    kind = asked.kind or _guess(path)
    if kind not in KINDS:
        raise UnknownSourceError(f"{kind!r} is no kind of data", f"kinds are {', '.join(KINDS)}")
    if (asked.labels_from or asked.patients_from) and kind != IMAGE:
        what = f"labels and patients come from folders and tables for pictures alone, and this is {kind}"
        raise UnknownSourceError(what, "leave labels_from and patients_from out")
    # Without the path's name: hospitals call folders after patients, and this is kept and shown in cards.
    return Opened(
        _open_path(asked, path, kind),
        IMAGE if kind == ARRAYS else kind,
        f"{kind}: a {'folder' if path.is_dir() else 'file'}",
    )


def _open_path(asked: Asked, path: Path, kind: str) -> Source:
    # Each kind has libraries of its own, which take time to load.
    if kind == DICOM:
        from hmchain.records.sources.dicom.files import DicomFiles

        return DicomFiles.at(path, asked.selection())
    if kind == IMAGE:
        from hmchain.records.sources.containers import open_container
        from hmchain.records.sources.pictures.files import ImageFiles

        labelled, patients = asked.labels_from == FOLDERS, _patients(asked.patients_from)
        return ImageFiles(open_container(path), labelled=labelled, patients=patients)
    if path.suffix.lower() == ".zip" and kind in (FHIR, HL7, TABLE):
        raise UnknownSourceError(f"{path} is an archive; of {kind} only files are read", "unpack it, give the folder")
    if kind == ARRAYS:
        if path.is_dir():
            raise UnknownSourceError(f"{path} is a folder of arrays", "give an .npz file itself")
        from hmchain.records.sources.pictures.arrays import ImageArrays

        return ImageArrays(path)
    if kind == FHIR:
        from hmchain.records.sources.fhir.files import FhirFiles

        return FhirFiles(path)
    if kind == HL7:
        from hmchain.records.sources.hl7.files import Hl7Files

        return Hl7Files(path)
    from hmchain.records.sources.tables import TableFiles, load_schema

    if not asked.schema:
        hint = "name its schema with --schema: a .toml file, or omop"
        raise UnknownSourceError(f"it is not said what the columns of {path.name} are", hint)
    return TableFiles(path, load_schema(asked.schema))


def _patients(said: str) -> Patients | None:
    from hmchain.records.sources.pictures.patients import Patients, read_patient_table

    if not said:
        return None
    return Patients() if said == FOLDERS else read_patient_table(Path(said))


def _guess(path: Path) -> str:
    """What a path holds, by its first files.

    Raises `UnknownSourceError`, `EmptySourceError`, or `SourceError` if it cannot be opened.
    """
    from hmchain.records.sources.recognition import kinds_in

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


@contextmanager
def _dicomweb(asked: Asked, address: Address, credential: Credential | None) -> Iterator[Opened]:
    from hmchain.records.sources.dicom.dicomweb import DicomWeb

    with closing(DicomWeb(_web_server(asked, address, credential), asked.selection())) as source:
        source.check()
        yield Opened(source, DICOM, f"DICOMweb: {address.host}")


@contextmanager
def _dimse(asked: Asked, address: Address, credential: Credential | None) -> Iterator[Opened]:
    from hmchain.records.sources.dicom.dimse import Dimse
    from hmchain.records.sources.dicom.dimse_client import Pacs, Receiver

    title = address.user or "ANY-SCP"
    receiver = Receiver(*parse_receiver(asked.receiver)) if asked.receiver else None
    port = address.port or 104
    pacs = Pacs(address.host, port, title, own_title=asked.own_title, receiver=receiver, ca_file=_path(asked.ca_file))
    with closing(Dimse(pacs, asked.selection())) as source:
        source.check()
        yield Opened(source, DICOM, f"PACS: {title}")


@contextmanager
def _fhir(asked: Asked, address: Address, credential: Credential | None) -> Iterator[Opened]:
    from hmchain.records.sources.fhir.client import PATIENCE, FhirClient
    from hmchain.records.sources.fhir.server import DEFAULT_TYPES, FhirExport, FhirSearch

    since = asked.since.isoformat() if asked.since else ""
    server = replace(_web_server(asked, address, credential), patience=PATIENCE)
    with FhirClient(server) as client:
        ask = FhirExport if address.protocol == "fhir-export" else FhirSearch
        yield Opened(ask(client, asked.types or DEFAULT_TYPES, since), FHIR, f"FHIR: {address.host}")


@contextmanager
def _mllp(asked: Asked, address: Address, credential: Credential | None) -> Iterator[Opened]:
    from hmchain.records.sources.hl7.mllp import MllpSource

    port = address.port or 2575
    source = MllpSource(address.host, port)
    warning = "" if is_loopback(address.host) else "Other machines can reach this listener, and MLLP is not encrypted."
    described = f"HL7: received at {address.host} port {port}"
    yield Opened(source, HL7, described, live=True, stop=source.stop, warning=warning)


_OVER_HTTP = {"dicomweb": _dicomweb, "fhir": _fhir, "fhir-export": _fhir}
_BY_ITSELF = {"dimse": _dimse, "mllp": _mllp}


def _web_server(asked: Asked, address: Address, credential: Credential | None) -> WebServer:
    return WebServer(address.url, credential, _path(asked.ca_file), allow_plain=asked.insecure_http)


def _path(text: str) -> Path | None:
    return Path(text) if text else None
