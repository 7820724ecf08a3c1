"""From what a steward asks for to a source: a path, or the address of a PACS, a FHIR server or an HL7 listener."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

from hmchain.records.sources.addresses import (
    FORMS,
    Address,
    UnknownSourceError,
    is_address,
    parse_address,
    parse_receiver,
)
from hmchain.records.sources.credentials import Credential, read_credential
from hmchain.records.sources.dicom.dicomweb import DicomWeb
from hmchain.records.sources.dicom.dimse import Dimse
from hmchain.records.sources.dicom.dimse_client import Pacs, Receiver
from hmchain.records.sources.fhir.client import PATIENCE, FhirClient
from hmchain.records.sources.fhir.server import DEFAULT_TYPES, FhirExport, FhirSearch
from hmchain.records.sources.hl7.mllp import MllpSource
from hmchain.records.sources.http import WebServer, is_loopback
from hmchain.records.sources.item import DICOM, FHIR, HL7
from hmchain.records.sources.on_disk import open_path
from hmchain.records.sources.open_source import OpenSource
from hmchain.records.sources.request import SourceRequest


@contextmanager
def open_source(request: SourceRequest) -> Iterator[OpenSource]:
    """The source that is meant, closed afterwards.

    Raises `UnknownSourceError`, `SourceError` if it cannot be reached, or `CredentialError`.
    """
    if not is_address(request.place):
        yield open_path(request, Path(request.place).expanduser())
        return
    address = parse_address(request.place)
    opening = (_OVER_HTTP if address.over_http else _BY_ITSELF).get(address.protocol)
    if opening is None:
        raise UnknownSourceError("this is no protocol of a source", f"give {FORMS}")
    credential = read_credential(request.credential) if request.credential else None
    with opening(request, address, credential) as source:
        yield source


def listens(request: SourceRequest) -> bool:
    """Whether a source has no end: it takes what others send while it is open. Raises `UnknownSourceError`."""
    return is_address(request.place) and parse_address(request.place).protocol == "mllp"


@contextmanager
def _dicomweb(request: SourceRequest, address: Address, credential: Credential | None) -> Iterator[OpenSource]:
    with closing(DicomWeb(_web_server(request, address, credential), request.selection())) as source:
        source.check()
        yield OpenSource(source, DICOM, f"DICOMweb: {address.host}")


@contextmanager
def _dimse(request: SourceRequest, address: Address, credential: Credential | None) -> Iterator[OpenSource]:
    title = address.user or "ANY-SCP"
    receiver = Receiver(*parse_receiver(request.receiver)) if request.receiver else None
    port, ca_file = address.port or 104, _path(request.ca_file)
    pacs = Pacs(address.host, port, title, own_title=request.own_title, receiver=receiver, ca_file=ca_file)
    with closing(Dimse(pacs, request.selection())) as source:
        source.check()
        yield OpenSource(source, DICOM, f"PACS: {title}")


@contextmanager
def _fhir(request: SourceRequest, address: Address, credential: Credential | None) -> Iterator[OpenSource]:
    since = request.since.isoformat() if request.since else ""
    with FhirClient(replace(_web_server(request, address, credential), patience=PATIENCE)) as client:
        ask = FhirExport if address.protocol == "fhir-export" else FhirSearch
        yield OpenSource(ask(client, request.types or DEFAULT_TYPES, since), FHIR, f"FHIR: {address.host}")


@contextmanager
def _mllp(request: SourceRequest, address: Address, credential: Credential | None) -> Iterator[OpenSource]:
    port = address.port or 2575
    source = MllpSource(address.host, port)
    warning = "" if is_loopback(address.host) else "Other machines can reach this listener, and MLLP is not encrypted."
    described = f"HL7: received at {address.host} port {port}"
    yield OpenSource(source, HL7, described, live=True, stop=source.stop, warning=warning)


_OVER_HTTP = {"dicomweb": _dicomweb, "fhir": _fhir, "fhir-export": _fhir}
_BY_ITSELF = {"dimse": _dimse, "mllp": _mllp}


def _web_server(request: SourceRequest, address: Address, credential: Credential | None) -> WebServer:
    return WebServer(address.url, credential, _path(request.ca_file), allow_plain=request.insecure_http)


def _path(text: str) -> Path | None:
    return Path(text) if text else None
