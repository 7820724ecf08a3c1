"""Asks a FHIR server: tries again what may pass, says what will not, and keeps the credential within the server."""

from __future__ import annotations

import logging
import ssl
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from types import TracebackType

import httpx

from hmchain.errors import InputError
from hmchain.records.sources.credentials import Credential
from hmchain.records.sources.fhir.files import LINE_BYTES_MAX
from hmchain.records.sources.item import SourceError
from hmchain.records.sources.loopback import PLAIN_HINT, is_loopback

ANSWER_BYTES_MAX = 64 << 20
"""A larger page is refused: ask for smaller ones."""
WAIT_SECONDS_MAX = 300.0
"""If the server wants to be left alone for longer, it is the user who waits."""
BACKOFF_SECONDS = (0.5, 30.0)
"""Between two tries: doubled from the first to the second, unless the server says how long."""

_PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})


class FhirRequestError(InputError):
    """The address, the types or the time that a FHIR server is to be asked for cannot be."""

    code = "fhir_request"


@dataclass(frozen=True)
class Answer:
    """What a server answered with a success."""

    status: int
    headers: httpx.Headers
    body: bytes


class FhirClient:
    """A connection to the FHIR server at `base`, such as `https://fhir.example.org/r4`; close it after use.

    Raises `FhirRequestError` for an address that is none, or without `allow_plain` neither `https` nor on this machine.
    """

    def __init__(
        self,
        base: str,
        *,
        credential: Credential | None = None,
        ca_file: Path | None = None,
        allow_plain: bool = False,
        timeout_seconds: float = 30.0,
        attempts: int = 5,
        transport: httpx.BaseTransport | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """`ca_file` is the authority of its certificate, if the system knows none; each request has `attempts`.

        `allow_plain` says that patient data may come without encryption from another machine.
        """
        self.base = _checked(base, allow_plain)
        self._credential, self._attempts, self._sleep = credential, attempts, sleep
        logging.getLogger("httpx").setLevel(logging.WARNING)  # its log has addresses in full, which name patients
        self._http = httpx.Client(
            timeout=timeout_seconds,
            transport=transport,
            verify=_trust(ca_file),
            trust_env=False,
            follow_redirects=False,  # the credential is for this server alone
            headers={"Accept": "application/fhir+json"},
        )

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
        self._http.close()

    def pause(self, seconds: float) -> None:
        """Wait, as the server asked."""
        self._sleep(seconds)

    def address(self, path: str, **parameters: str) -> httpx.URL:
        """The URL of a path below the server's base."""
        return self.base.join(path).copy_merge_params(parameters)

    def is_own(self, url: httpx.URL) -> bool:
        """Whether a URL that the server gave leads to the server itself, so that the credential may go there."""
        return (url.scheme, url.host, url.port) == (self.base.scheme, self.base.host, self.base.port)

    def follow(self, link: str) -> httpx.URL:
        """The URL of a link that the server gave. Raises `SourceError` if it leads away from the server."""
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
        return self._retried(lambda: self._once("GET", url, headers))

    def delete(self, url: httpx.URL) -> None:
        """DELETE, once; raises `SourceError` as `get`."""
        try:
            self._once("DELETE", url, None)
        except (httpx.RequestError, _Passing) as error:
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
            with self._http.stream("GET", url, headers=self._headers(with_credential, None)) as response:
                self._check(response)
                yield from _split(response.iter_bytes())
        except (httpx.RequestError, _Passing) as error:
            hint = "run it again: it goes on after the last resource that was kept"
            raise SourceError(f"a file from {self.base.host} broke off", hint) from error

    def _retried(self, attempt: Callable[[], Answer]) -> Answer:
        wait, longest = BACKOFF_SECONDS
        for left in reversed(range(self._attempts)):
            asked: float | None = None
            try:
                return attempt()
            except _Passing as passing:
                problem, asked = f"it answers {passing.status}", passing.wait_seconds
            except httpx.TimeoutException:
                problem = "it does not answer in time"
            except httpx.RequestError:
                problem = "it cannot be reached"
            if left == 0 or (asked or 0) > WAIT_SECONDS_MAX:
                break
            self._sleep(asked if asked is not None else wait)
            wait = min(2 * wait, longest)
        later = f"it asks for {asked:.0f} s" if asked else "run it again later"
        raise SourceError(f"{self.base.host}: {problem}", f"{later}; what was extracted is kept")

    def _once(self, method: str, url: httpx.URL, headers: dict[str, str] | None) -> Answer:
        with self._http.stream(method, url, headers=self._headers(True, headers)) as response:
            self._check(response)
            body = bytearray()
            for piece in response.iter_bytes():
                body += piece
                if len(body) > ANSWER_BYTES_MAX:
                    what = f"{self.base.host} sends an answer of more than {ANSWER_BYTES_MAX >> 20} MiB"
                    raise SourceError(what, "ask for smaller pages")
            return Answer(response.status_code, response.headers, bytes(body))

    def _headers(self, with_credential: bool, more: dict[str, str] | None) -> dict[str, str]:
        headers = dict(more or {})
        if self._credential is not None and with_credential:
            headers["Authorization"] = self._credential.authorization
        return headers

    def _check(self, response: httpx.Response) -> None:
        status = response.status_code
        if status < 300:
            return
        if status in _PASSING:
            raise _Passing(status, _retry_after(response.headers.get("Retry-After", "")))
        if status in (401, 403):
            hint = "check the credential, and that it may read these types"
            raise SourceError(f"{self.base.host} refuses access ({status})", hint)
        if status < 400:
            raise SourceError(f"{self.base.host} redirects ({status})", "give the address that it redirects to")
        raise SourceError(f"{self.base.host} answers {status}", "check the address, and that it serves these types")


def _trust(ca_file: Path | None) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=ca_file)
    except OSError as error:  # ssl.SSLError is one
        raise FhirRequestError(f"{ca_file} is no file of certificates", "give one in PEM form") from error


class _Passing(Exception):
    """A refusal that may pass, and after how many seconds if the server says so."""

    def __init__(self, status: int, wait_seconds: float | None) -> None:
        self.status, self.wait_seconds = status, wait_seconds


def _checked(base: str, allow_plain: bool) -> httpx.URL:
    try:
        url = httpx.URL(base.rstrip("/") + "/")
    except httpx.InvalidURL as error:
        raise FhirRequestError("the FHIR server's address cannot be read", "write it as https://host/path") from error
    if url.scheme not in ("http", "https") or not url.host or url.userinfo or url.query:
        raise FhirRequestError("this is no FHIR server's address", "write it as https://host/path")
    if url.scheme == "http" and not is_loopback(url.host) and not allow_plain:
        raise FhirRequestError(f"{url.host} would send patient data in clear", PLAIN_HINT)
    return url


def _retry_after(value: str) -> float | None:
    """Seconds from now, of a number of seconds or a date (RFC 9110, 10.2.3); None if it says neither."""
    if value.isascii() and value.isdigit():
        return float(value)
    try:
        until = parsedate_to_datetime(value)
    except ValueError:
        return None
    if until.tzinfo is None:
        until = until.replace(tzinfo=UTC)
    return max(0.0, (until - datetime.now(UTC)).total_seconds())


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
