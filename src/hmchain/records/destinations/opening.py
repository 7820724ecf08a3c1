"""From the address that a steward gives to a destination."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from hmchain.records.destinations.destination import Destination
from hmchain.records.destinations.store import StoreDestination
from hmchain.records.destinations.stow import StowDestination
from hmchain.records.sources.addresses import UnknownSourceError, is_address, parse_address
from hmchain.records.sources.credentials import read_credential
from hmchain.records.sources.dicom.dimse_client import Pacs
from hmchain.records.sources.http import PATIENT, Patience, WebServer
from hmchain.records.sources.request import SourceRequest

FORMS = "dicomweb+https://HOST/PATH or dimse://TITLE@HOST:PORT"
_DIMSE_PORT = 104


@contextmanager
def open_destination(request: SourceRequest, patience: Patience = PATIENT) -> Iterator[Destination]:
    """The destination at an address, closed afterwards; it is asked nothing before the first object.

    What fails for a moment is tried again with `patience`.

    Raises `UnknownSourceError`, `CredentialError` or `DestinationError`.
    """
    if not is_address(request.place):
        raise UnknownSourceError("this is no address that objects can be sent to", f"give {FORMS}")
    address = parse_address(request.place)
    ca_file = Path(request.ca_file) if request.ca_file else None
    made: StowDestination | StoreDestination
    if address.protocol == "dicomweb" and address.over_http:
        credential = read_credential(request.credential) if request.credential else None
        server = WebServer(address.url, credential, ca_file, allow_plain=request.insecure_http, patience=patience)
        made = StowDestination(server)
    elif address.protocol == "dimse" and not address.over_http:
        title, port = address.user or "ANY-SCP", address.port or _DIMSE_PORT
        pacs = Pacs(address.host, port, title, own_title=request.own_title, ca_file=ca_file, patience=patience)
        made = StoreDestination(pacs)
    else:
        raise UnknownSourceError("objects are sent by DICOMweb or DIMSE", f"give {FORMS}")
    with closing(made):
        yield made
