"""Requests to a FHIR server: what may pass is tried again, what will not is said, and the credential stays with it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING

from hmchain.errors import InputError
from hmchain.records.sources import http
from hmchain.records.sources.fhir.files import LINE_BYTES_MAX
from hmchain.records.sources.http import MomentaryError, Patience, WebConnection, WebServer, WebTrouble
from hmchain.records.sources.item import SourceError

if TYPE_CHECKING:
    import httpx

PATIENCE = Patience((0.5, 1.0, 2.0, 4.0))

_FHIR = {"Accept": "application/fhir+json"}

_NOT_SERVED = (400, 404, 405, 422, 501)


class FhirRequestError(InputError):
    """The address, the types or the time that a FHIR server is to be asked for cannot be."""

    code = "fhir_request"


class NotServedError(SourceError):
    """A server does not have what it was asked for, such as a type of resources."""


@dataclass(frozen=True)
class Answer:
    """A server's successful answer."""

    status: int
    headers: httpx.Headers
    body: bytes


class FhirClient:
    """A connection to the FHIR server at `https://fhir.example.org/r4`, say; close it after use.

    Raises `FhirRequestError` for an address that is none, or is neither `https`, nor on this machine, nor allowed.
    """

    def __init__(self, server: WebServer) -> None:
        self._web = WebConnection(server, _named)
        self.base = self._web.base

    def __repr__(self) -> str:
        return f"FhirClient({str(self.base)!r})"

    def __enter__(self) -> FhirClient:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close all connections."""
        self._web.close()

    def pause(self, seconds: float) -> None:
        """Wait, as the server asked."""
        self._web.server.patience.pause(seconds)

    def address(self, path: str, **parameters: str) -> httpx.URL:
        """The URL of a path below the server's base."""
        return self.base.join(path).copy_merge_params(parameters)

    def is_own(self, url: httpx.URL) -> bool:
        """Tell whether a URL that the server gave leads to the server itself, so that the credential may go there."""
        return (url.scheme, url.host, url.port) == (self.base.scheme, self.base.host, self.base.port)

    def follow(self, link: str) -> httpx.URL:
        """The URL of a link that the server gave. Raises `SourceError` if it leads away from the server."""
        import httpx

        try:
            url = self.base.join(link)
        except httpx.InvalidURL as error:
            raise SourceError(f"{self.base.host} gives a link that is no address") from error
        if not self.is_own(url):
            hint = "give the address under which the server knows itself"
            raise SourceError(f"{self.base.host} gives a link that leads to another server", hint)
        return url

    def get(self, url: httpx.URL, *, headers: dict[str, str] | None = None) -> Answer:
        """GET, and try again after what may pass: 429, 5xx, a time-out, a lost connection.

        Raises `SourceError`, at once for what will not pass, such as 401 and 403.
        """
        try:
            return self._web.server.patience.insist(lambda: self._once("GET", url, headers))
        except MomentaryError as error:
            later = f"it asks for {error.wait_s:.0f} s" if error.wait_s else "run it again later"
            raise SourceError(f"{self.base.host}: {error}", f"{later}; what was extracted is kept") from error

    def delete(self, url: httpx.URL) -> None:
        """DELETE, once; raises `SourceError` as `get`."""
        try:
            self._once("DELETE", url, None)
        except MomentaryError as error:
            raise SourceError(f"{self.base.host} does not answer") from error

    def lines(self, url: httpx.URL, *, with_credential: bool) -> Iterator[bytes]:
        """The lines of a file, without their ends, in the memory of one line.

        Without the credential, the file may lie on another server that takes https. Raises as `get`; a file that breaks
        off is not asked for again.
        """
        if not self.is_own(url) and (with_credential or url.scheme != "https"):
            raise SourceError(
                f"{self.base.host} names a file on another server that wants its credential, or has no TLS"
            )
        try:
            with self._web.answer("GET", url, headers=_FHIR, with_credential=with_credential) as response:
                self._check(response)
                yield from _split(response.iter_bytes())
        except MomentaryError as error:
            hint = "run it again: it goes on after the last resource that was kept"
            raise SourceError(f"a file from {self.base.host} broke off", hint) from error

    def _once(self, method: str, url: httpx.URL, headers: Mapping[str, str] | None) -> Answer:
        with self._web.answer(method, url, headers={**_FHIR, **(headers or {})}) as response:
            self._check(response)
            what = f"{self.base.host} sends an answer of more than {http.ANSWER_BYTES_MAX >> 20} MiB"
            body = http.whole(response, SourceError(what, "ask for smaller pages"))
            return Answer(response.status_code, response.headers, body)

    def _check(self, response: httpx.Response) -> None:
        status = response.status_code
        if status < 300:
            return
        http.check_passing(response, f"it answers {status}")
        if status in (401, 403):
            hint = "check the credential, and that it may read these types"
            raise SourceError(f"{self.base.host} refuses access ({status})", hint)
        if status < 400:
            raise SourceError(f"{self.base.host} redirects ({status})", "give the address that it redirects to")
        kind = NotServedError if status in _NOT_SERVED else SourceError
        raise kind(f"{self.base.host} answers {status}", "check the address, and that it serves these types")


def _named(trouble: WebTrouble, where: str) -> Exception:
    match trouble:
        case WebTrouble.NO_ADDRESS | WebTrouble.MORE_THAN_ADDRESS:
            return FhirRequestError("this is no FHIR server's address", "write it as https://host/path")
        case WebTrouble.IN_CLEAR:
            return FhirRequestError(f"{where} would send patient data in clear", http.PLAIN_HINT)
        case WebTrouble.NO_AUTHORITY:
            return FhirRequestError(f"{where} is no file of certificates", "give one in PEM form")
        case WebTrouble.UNTRUSTED:
            hint = "give the file of the authority that signed it"
            return SourceError(f"the certificate of {where} cannot be verified", hint)
        case WebTrouble.SILENT:
            return MomentaryError("it does not answer in time")
        case WebTrouble.UNREACHABLE | WebTrouble.CUT_OFF:
            return MomentaryError("it cannot be reached")


def _split(pieces: Iterator[bytes]) -> Iterator[bytes]:
    rest = bytearray()
    for piece in pieces:
        rest += piece
        if b"\n" in piece:
            *lines, last = rest.split(b"\n")
            yield from (bytes(line) for line in lines if line.strip())
            rest = bytearray(last)
        if len(rest) > LINE_BYTES_MAX:
            raise SourceError("a file has a line that is too long for a resource", "leave out attachments (Binary)")
    if rest.strip():
        yield bytes(rest)
