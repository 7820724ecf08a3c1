"""Requests to a DICOMweb server (PS3.18), tried again when they fail for a moment.

httpx and not dicomweb-client: that one brings a second HTTP library, and keeps an object in memory while it reads it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any, BinaryIO, TypeVar

from hmchain.records.sources import http
from hmchain.records.sources.dicom.multipart import TruncatedError, first_part
from hmchain.records.sources.http import MomentaryError, WebConnection, WebServer, WebTrouble
from hmchain.records.sources.item import ItemUnavailableError, SourceError
from hmchain.records.sources.spool import spooled

if TYPE_CHECKING:
    import httpx

OBJECT_BYTES_MAX = 16 << 30

_JSON = "application/dicom+json"
# Any transfer syntax: the archive gives an object as it has it, instead of decoding it for us.
_OBJECT = 'multipart/related; type="application/dicom"; transfer-syntax=*'

_FAILING_HINT = "look into its log; then the same command goes on"

T = TypeVar("T")


class WebClient:
    """A connection to a DICOMweb server; safe to use from several threads."""

    def __init__(self, server: WebServer) -> None:
        self._server = server
        self._web = WebConnection(server, self._named)

    def close(self) -> None:
        """Close it for good."""
        self._web.close()

    def search(self, path: str, query: Mapping[str, str | list[str]]) -> list[dict[str, Any]]:
        """Return the matches of a QIDO-RS query. Raises `SourceError`."""

        def attempt() -> list[dict[str, Any]]:
            with self._answer(path, query, _JSON) as response:
                return self._matches(response)

        return self._insist(attempt)

    def retrieve(self, path: str) -> BinaryIO:
        """Return the object at a WADO-RS path, spooled, from its start.

        Raises `ItemUnavailableError` if the server cannot give this one, `SourceError` if it gives nothing at all.
        """

        def attempt() -> BinaryIO:
            with closing(self._pieces(path)) as pieces:
                return spooled(pieces)

        return self._insist(attempt, of_an_object=True)

    def _pieces(self, path: str) -> Generator[bytes, None, None]:
        size = 0
        with self._answer(path, {}, _OBJECT) as response:
            for piece in _object(response):
                size += len(piece)
                if size > OBJECT_BYTES_MAX:
                    raise ItemUnavailableError("an object is larger than is read", "extract it from a file")
                yield piece

    def _insist(self, attempt: Callable[[], T], *, of_an_object: bool = False) -> T:
        try:
            return self._server.patience.insist(attempt)
        except MomentaryError as error:
            what = f"{self._server.url} {error}"
            if of_an_object and error.status == 500:  # an archive that lost the file of one object says this
                raise ItemUnavailableError(what, _FAILING_HINT) from error
            hint = "once it answers again, the same command goes on; what was extracted stays"
            raise SourceError(what, _FAILING_HINT if error.status else hint) from error

    @contextmanager
    def _answer(self, path: str, query: Mapping[str, str | list[str]], accept: str) -> Iterator[httpx.Response]:
        with self._web.answer("GET", path, params=query, headers={"Accept": accept}) as response:
            self._check(response, of_an_object=accept == _OBJECT)
            yield response

    def _named(self, trouble: WebTrouble, where: str) -> Exception:
        match trouble:
            case WebTrouble.NO_ADDRESS:
                hint = "such as https://pacs.example.org/dicom"
                return SourceError("this is not the address of a DICOMweb server", hint)
            case WebTrouble.MORE_THAN_ADDRESS:
                return SourceError(
                    "the server's address holds more than an address", "give the credential apart from it"
                )
            case WebTrouble.IN_CLEAR:
                return SourceError(f"{where} would send patient data in clear", http.PLAIN_HINT)
            case WebTrouble.NO_AUTHORITY:
                return SourceError(f"{where} is not a certificate file", "give one in PEM form")
            case WebTrouble.UNTRUSTED:
                hint = "give the file of the authority that signed it"
                return SourceError(f"the certificate of {self._server.url} cannot be verified", hint)
            case WebTrouble.SILENT | WebTrouble.UNREACHABLE | WebTrouble.CUT_OFF:
                return http.passing(trouble, self._server.timeout_s)

    def _check(self, response: httpx.Response, *, of_an_object: bool) -> None:
        """Raise what an answer's status means. Its text is not repeated: it may hold what was asked for."""
        status, url = response.status_code, self._server.url
        if status in (200, 204):
            return
        if status == 401:
            hint = "check the credential" if self._server.credential else "give a credential: env:NAME or file:PATH"
            raise SourceError(f"{url} does not let us in (401)", hint)
        if status == 403:
            raise SourceError(f"{url} refuses this account (403)", "ask its administrator for the right to read")
        http.check_passing(response, f"fails ({status})")
        if of_an_object and status in (404, 406, 410):
            raise ItemUnavailableError(f"{url} lists an object that it does not give ({status})", "ask about it there")
        if status == 404:
            raise SourceError(f"{url} is no DICOMweb service (404)", "check the address, up to and with its path")
        raise SourceError(f"{url} answers with {status}", "look into its log, or check the address")

    def _matches(self, response: httpx.Response) -> list[dict[str, Any]]:
        if response.status_code == 204:
            return []
        too_long = SourceError(f"{self._server.url} sends too long an answer", "narrow down what is extracted")
        try:
            found = json.loads(http.whole(response, too_long))
        except ValueError as error:
            raise self._not_dicomweb() from error
        if not isinstance(found, list) or not all(isinstance(match, dict) for match in found):
            raise self._not_dicomweb()
        return found

    def _not_dicomweb(self) -> SourceError:
        return SourceError(f"{self._server.url} does not answer as DICOMweb does", "check the address and its path")


def _object(response: httpx.Response) -> Iterator[bytes]:
    """The pieces of the object in an answer, which some servers send without a multipart message around it."""
    from email.message import Message

    kind = Message()
    kind["Content-Type"] = response.headers.get("Content-Type", "")
    if kind.get_content_maintype() != "multipart":
        yield from response.iter_bytes()
        return
    boundary = kind.get_boundary()
    if not boundary:
        raise TruncatedError
    yield from first_part(response.iter_bytes(), boundary.encode())
