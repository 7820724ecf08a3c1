"""Requests of a steward: a path or an address, and all that can be said of a source beside it."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Literal

import msgspec

from hmchain.errors import InputError
from hmchain.files import read_toml
from hmchain.records.sources.addresses import is_address
from hmchain.records.sources.dicom.selection import Selection, read_patients

FOLDERS = "folders"


class SourceFileError(InputError):
    """A file that describes a source cannot be used."""

    code = "source_file"


class SourceRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A source as a steward describes it, in a TOML file or on the command line."""

    place: str
    """A path, relative to the file that says so, or an address."""
    kind: str = ""
    """One of `recognition.KINDS`; nothing: find out."""
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
        """Select the studies that are taken. Raises `SelectionError`."""
        patients = read_patients(Path(self.patients)) if self.patients else None
        return Selection(frozenset(self.modalities), self.since, self.until, self.description, patients)


def read_request(place: str) -> SourceRequest:
    """Read what is asked for: a path or an address, or the path of a .toml file that says it all.

    Raises `SourceFileError`.
    """
    path = Path(place).expanduser()
    if is_address(place) or path.suffix != ".toml":
        return SourceRequest(place=place)

    def wrong(reason: str) -> SourceFileError:
        return SourceFileError(f"{path} does not describe a source: {reason}", "mend that entry")

    try:
        read = read_toml(path, SourceRequest, wrong)
    except OSError as error:
        raise SourceFileError(f"{path} cannot be read", "check the path") from error
    named = {name: getattr(read, name) for name in ("patients", "ca_file")}
    if not is_address(read.place):
        named["place"] = read.place
    if read.schema.endswith(".toml"):
        named["schema"] = read.schema
    if read.patients_from != FOLDERS:
        named["patients_from"] = read.patients_from
    # A path that is absolute already stays as it is.
    return msgspec.structs.replace(read, **{name: str(path.parent / given) for name, given in named.items() if given})
