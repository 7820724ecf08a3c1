"""STOW-RS: objects to a DICOMweb archive, one a request (PS3.18 10.5)."""

from __future__ import annotations

import secrets

from hmchain.records.destinations.destination import DestinationError, ObjectRefusedError
from hmchain.records.sources import http
from hmchain.records.sources.http import MomentaryError, WebConnection, WebServer, WebTrouble

_TAKEN, _TAKEN_IN_PART, _CONFLICT = 200, 202, 409


class StowDestination:
    """An archive that is sent objects over HTTP."""

    def __init__(self, server: WebServer) -> None:
        """Raises `DestinationError` if it cannot be told where to send."""
        self._server = server
        self._web = WebConnection(server, self._named)

    def send(self, data: bytes) -> None:
        """Send one object, again if it fails for a moment."""
        try:
            self._server.patience.insist(lambda: self._post(data))
        except MomentaryError as error:
            hint = "once it answers again, the same command sends everything again"
            raise DestinationError(f"{self._server.url} {error}", hint) from error

    def close(self) -> None:
        """Close the connection."""
        self._web.close()

    def _post(self, data: bytes) -> None:
        boundary = secrets.token_hex(16)
        kind = f'multipart/related; type="application/dicom"; boundary={boundary}'
        start = f"--{boundary}\r\nContent-Type: application/dicom\r\n\r\n".encode()
        content = b"".join((start, data, f"\r\n--{boundary}--\r\n".encode()))
        headers = {"Content-Type": kind, "Accept": "application/dicom+json"}
        with self._web.answer("POST", "studies", headers=headers, content=content) as response:
            status = response.status_code
            http.check_passing(response, f"fails ({status})")
        if status == _TAKEN:
            return
        if status in (_TAKEN_IN_PART, _CONFLICT, 400, 413, 415):
            what = f"{self._server.url} does not take an object ({status})"
            raise ObjectRefusedError(what, "its log says why: class, size or transfer syntax")
        if status in (401, 403):
            hint = "check the credential, and its right to store: --credential env:NAME or file:PATH"
            raise DestinationError(f"{self._server.url} does not let us store ({status})", hint)
        hint = "check the address, up to and with its path"
        raise DestinationError(f"{self._server.url} is no DICOMweb service that stores ({status})", hint)

    def _named(self, trouble: WebTrouble, where: str) -> Exception:
        match trouble:
            case WebTrouble.NO_ADDRESS | WebTrouble.MORE_THAN_ADDRESS:
                hint = "such as https://pacs.example.org/dicom-web; a credential is given apart from it"
                return DestinationError("this is not the address of a DICOMweb server", hint)
            case WebTrouble.IN_CLEAR:
                return DestinationError(f"{where} would be sent patient data in clear", http.PLAIN_HINT)
            case WebTrouble.NO_AUTHORITY:
                return DestinationError(f"{where} is not a certificate file", "give one in PEM form")
            case WebTrouble.UNTRUSTED:
                hint = "give the file of the authority that signed it: --ca-file"
                return DestinationError(f"the certificate of {self._server.url} cannot be verified", hint)
            case WebTrouble.SILENT | WebTrouble.UNREACHABLE | WebTrouble.CUT_OFF:
                return http.passing(trouble, self._server.timeout_s)
