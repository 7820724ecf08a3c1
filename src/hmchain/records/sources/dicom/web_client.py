"""Requests to a DICOMweb server (PS3.18), tried again when they fail for a moment.

httpx and not dicomweb-client: that one brings a second HTTP library, and keeps an object in memory while it reads it.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, TypeVar
from urllib.parse import urlsplit

from hmchain.records.sources.credentials import Credential
from hmchain.records.sources.dicom.multipart import TruncatedError, first_part
from hmchain.records.sources.item import ItemUnavailableError, SourceError
from hmchain.records.sources.loopback import PLAIN_HINT, is_loopback
from hmchain.records.sources.retry import PATIENT, MomentaryError, Patience
from hmchain.records.sources.spool import spooled

if TYPE_CHECKING:
    import httpx

JSON_BYTES_MAX = 64 << 20
OBJECT_BYTES_MAX = 16 << 30

_JSON = "application/dicom+json"
# Any transfer syntax: the archive gives an object as it has it, instead of decoding it for us.
_OBJECT = 'multipart/related; type="application/dicom"; transfer-syntax=*'
_MOMENTARY = {408, 425, 429, 500, 502, 503, 504}

T = TypeVar("T")


@dataclass(frozen=True)
class WebServer:
    """Where a DICOMweb server is, and how it is reached."""

    url: str
    """Its service root, for instance `https://pacs.example.org/dicom-web`."""
    credential: Credential | None = None
    ca_file: Path | None = None
    """The authority of the server's certificate, where it is none that the system knows."""
    timeout_s: float = 30.0
    """How long it may stay silent."""
    allow_plain: bool = False
    """Whether patient data may come without encryption from another machine."""
    patience: Patience = PATIENT

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise SourceError("this is not the address of a DICOMweb server", "such as https://pacs.example.org/dicom")
        if parts.username or parts.password or parts.query:
            raise SourceError("the server's address holds more than an address", "give the credential apart from it")
        if parts.scheme == "http" and not is_loopback(parts.hostname) and not self.allow_plain:
            raise SourceError(f"{parts.hostname} would send patient data in clear", PLAIN_HINT)


class WebClient:
    """A connection to a DICOMweb server; safe to use from several threads."""

    def __init__(self, server: WebServer) -> None:
        import httpx

        # Its log has every address in full, and a query names patients.
        logging.getLogger("httpx").setLevel(logging.WARNING)
        self._server = server
        headers = {"Authorization": server.credential.authorization} if server.credential else {}
        try:
            self._client = httpx.Client(
                base_url=server.url.rstrip("/") + "/",
                headers=headers,
                timeout=server.timeout_s,
                verify=_trust(server.ca_file),
                follow_redirects=False,  # the credential is for this server alone
                trust_env=False,  # a proxy would see whose data are asked for
            )
        except OSError as error:  # includes ssl.SSLError
            raise SourceError(f"{server.ca_file} is not a certificate file", "give one in PEM form") from error

    def close(self) -> None:
        """Close it; it opens again when it is used."""
        self._client.close()

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

        return self._insist(attempt)

    def _pieces(self, path: str) -> Generator[bytes, None, None]:
        size = 0
        with self._answer(path, {}, _OBJECT) as response:
            for piece in _object(response):
                size += len(piece)
                if size > OBJECT_BYTES_MAX:
                    raise ItemUnavailableError("an object is larger than is read", "extract it from a file")
                yield piece

    def _insist(self, attempt: Callable[[], T]) -> T:
        try:
            return self._server.patience.insist(attempt)
        except _ServerError as error:
            if error.of_an_object and error.status == 500:  # an archive that lost the file of one object says this
                raise ItemUnavailableError(*error.told) from error
            raise SourceError(*error.told) from error
        except MomentaryError as error:
            hint = "once it answers again, the same command goes on; what was extracted stays"
            raise SourceError(f"{self._server.url} {error}", hint) from error

    @contextmanager
    def _answer(self, path: str, query: Mapping[str, str | list[str]], accept: str) -> Iterator[httpx.Response]:
        import httpx

        try:
            with self._client.stream("GET", path, params=dict(query), headers={"Accept": accept}) as response:
                self._check(response, of_an_object=accept == _OBJECT)
                yield response
        except httpx.TimeoutException as error:
            raise MomentaryError(f"was silent for {self._server.timeout_s:g} s") from error
        except httpx.ConnectError as error:
            if "CERTIFICATE" in str(error).upper():
                hint = "give the file of the authority that signed it"
                raise SourceError(f"the certificate of {self._server.url} cannot be verified", hint) from error
            raise MomentaryError("cannot be reached") from error
        except (httpx.TransportError, TruncatedError) as error:
            raise MomentaryError("broke off the connection") from error

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
        if status in _MOMENTARY:
            raise _ServerError(url, status, of_an_object)
        if of_an_object and status in (404, 406, 410):
            raise ItemUnavailableError(f"{url} lists an object that it does not give ({status})", "ask about it there")
        if status == 404:
            raise SourceError(f"{url} is no DICOMweb service (404)", "check the address, up to and with its path")
        raise SourceError(f"{url} answers with {status}", "look into its log, or check the address")

    def _matches(self, response: httpx.Response) -> list[dict[str, Any]]:
        if response.status_code == 204:
            return []
        text = bytearray()
        for piece in response.iter_bytes():
            text += piece
            if len(text) > JSON_BYTES_MAX:
                raise SourceError(f"{self._server.url} sends too long an answer", "narrow down what is extracted")
        try:
            found = json.loads(bytes(text))
        except ValueError as error:
            raise self._not_dicomweb() from error
        if not isinstance(found, list) or not all(isinstance(match, dict) for match in found):
            raise self._not_dicomweb()
        return found

    def _not_dicomweb(self) -> SourceError:
        return SourceError(f"{self._server.url} does not answer as DICOMweb does", "check the address and its path")


class _ServerError(MomentaryError):
    """The server says that it fails."""

    def __init__(self, url: str, status: int, of_an_object: bool) -> None:
        self.told = (f"{url} fails ({status})", "look into its log; then the same command goes on")
        self.status = status
        self.of_an_object = of_an_object
        super().__init__(self.told[0])


def _trust(ca_file: Path | None) -> Any:
    import ssl

    return ssl.create_default_context(cafile=str(ca_file)) if ca_file else ssl.create_default_context()


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
