"""HTTP to a hospital's server: who is believed, what is sent to whom, how much is taken, how often it is asked again.

Each protocol names in its own words what goes wrong. What is tried again is so for DIMSE too, which is no HTTP.
"""

from __future__ import annotations

import ipaddress
import logging
import ssl
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from hmchain.records.sources.credentials import Credential
from hmchain.records.sources.item import SourceError
from hmchain.tls import trusted_here

if TYPE_CHECKING:
    import httpx

ANSWER_BYTES_MAX = 64 << 20
"""A longer answer is not held in memory."""
WAIT_SECONDS_MAX = 300.0
"""If a server wants to be left alone for longer, it is the user who waits."""
PLAIN_HINT = "use https; --insecure-http takes http in a network where nobody else listens"
"""The way out where another machine would send in clear."""

_MOMENTARY = frozenset({408, 425, 429, 500, 502, 503, 504})

T = TypeVar("T")


class MomentaryError(Exception):
    """A failure that may pass; its text is fit for people."""

    def __init__(self, problem: str, wait_s: float | None = None, status: int = 0) -> None:
        super().__init__(problem)
        self.wait_s = wait_s
        """After how long it may have passed, if the other side says so."""
        self.status = status
        """What an HTTP server answered, if it did."""


@dataclass(frozen=True)
class Patience:
    """The times that something is tried again, each after a while. `pause` waits: a test's does not."""

    # Not by stamina or tenacity: their clock cannot be handed in, and they log whatever text a failure has.

    delays_s: tuple[float, ...] = (1.0, 2.0, 4.0, 8.0, 16.0)
    """Unless the other side says how long."""
    pause: Callable[[float], None] = time.sleep

    def insist(self, attempt: Callable[[], T]) -> T:
        """Return what `attempt` gives, however many `MomentaryError` it raises first; the last one goes through."""
        for delay in self.delays_s:
            try:
                return attempt()
            except MomentaryError as error:
                if (error.wait_s or 0.0) > WAIT_SECONDS_MAX:
                    raise
                self.pause(delay if error.wait_s is None else error.wait_s)
        return attempt()


PATIENT = Patience()


class WebTrouble(Enum):
    """The troubles with a server, or with what is said of it."""

    NO_ADDRESS = "this is no address of a server"
    MORE_THAN_ADDRESS = "the address holds a credential or a query"
    IN_CLEAR = "patient data would come in clear"
    NO_AUTHORITY = "the file of its authority holds no certificates"
    UNTRUSTED = "its certificate cannot be verified"
    SILENT = "it does not answer in time"
    UNREACHABLE = "it cannot be reached"
    CUT_OFF = "the connection broke off"


Named = Callable[[WebTrouble, str], Exception]
"""Says in a protocol's own words what is wrong with a host, or with a file: a `MomentaryError` where it may pass."""


def passing(trouble: WebTrouble, silent_s: float) -> MomentaryError:
    """Say of a server of DICOMweb what may pass: that it was silent for so long, could not be reached or broke off."""
    match trouble:
        case WebTrouble.SILENT:
            return MomentaryError(f"was silent for {silent_s:g} s")
        case WebTrouble.CUT_OFF:
            return MomentaryError("broke off the connection")
        case _:
            return MomentaryError("cannot be reached")


@dataclass(frozen=True)
class WebServer:
    """The address of a server, and the way to reach it."""

    url: str
    """What its paths are below, for instance `https://pacs.example.org/dicom-web`."""
    credential: Credential | None = None
    ca_file: Path | None = None
    """The authority of the server's certificate, where it is none that the system knows."""
    timeout_s: float = 30.0
    """How long it may stay silent."""
    allow_plain: bool = False
    """Whether patient data may come without encryption from another machine."""
    patience: Patience = PATIENT
    transport: httpx.BaseTransport | None = None
    """What carries the requests in place of the network."""


class WebConnection:
    """A connection to a server; safe to use from several threads. Raises what `named` gives."""

    def __init__(self, server: WebServer, named: Named) -> None:
        import httpx

        self.server, self._named = server, named
        self.base = _checked(server, named)
        logging.getLogger("httpx").setLevel(logging.WARNING)  # its log has addresses in full, which name patients
        try:
            verify = trust(server.ca_file)
        except OSError as error:
            raise named(WebTrouble.NO_AUTHORITY, str(server.ca_file)) from error
        self._client = httpx.Client(
            base_url=self.base,
            timeout=server.timeout_s,
            verify=verify,
            transport=server.transport,
            follow_redirects=False,  # the credential is for this server alone
            trust_env=False,  # a proxy would see whose data are asked for
        )

    def close(self) -> None:
        """Close it for good."""
        self._client.close()

    @contextmanager
    def answer(
        self,
        method: str,
        url: httpx.URL | str,
        *,
        params: Mapping[str, str | list[str]] | None = None,
        headers: Mapping[str, str] | None = None,
        content: bytes | None = None,
        with_credential: bool = True,
    ) -> Iterator[httpx.Response]:
        """The answer to a request, whatever its status, to be read piece by piece; `url` may be below the base."""
        import httpx

        sent = dict(headers or {})
        if self.server.credential is not None and with_credential:
            sent["Authorization"] = self.server.credential.authorization
        try:
            asked = dict(params) if params else None
            with self._client.stream(method, url, params=asked, headers=sent, content=content) as response:
                yield response
        except httpx.TimeoutException as error:
            raise self._named(WebTrouble.SILENT, self.base.host) from error
        except httpx.ConnectError as error:
            untrusted = "CERTIFICATE" in str(error).upper()
            raise self._named(WebTrouble.UNTRUSTED if untrusted else WebTrouble.UNREACHABLE, self.base.host) from error
        except httpx.RequestError as error:
            raise self._named(WebTrouble.CUT_OFF, self.base.host) from error


def whole(response: httpx.Response, too_long: SourceError) -> bytes:
    """All of an answer. Raises `too_long` if it has more than `ANSWER_BYTES_MAX`."""
    body = bytearray()
    for piece in response.iter_bytes():
        body += piece
        if len(body) > ANSWER_BYTES_MAX:
            raise too_long
    return bytes(body)


def check_passing(response: httpx.Response, problem: str) -> None:
    """Raise `MomentaryError` if an answer's status says that the same request may succeed in a while."""
    if response.status_code in _MOMENTARY:
        raise MomentaryError(problem, _retry_after(response.headers.get("Retry-After", "")), response.status_code)


def trust(ca_file: Path | None) -> ssl.SSLContext:
    """Make what verifies certificates: by the authorities in a PEM file, or by the system's. Raises `OSError`."""
    if ca_file is None:
        return trusted_here()
    return ssl.create_default_context(cafile=ca_file)  # ssl.SSLError is an OSError


def is_loopback(host: str) -> bool:
    """Tell whether a host, as an address has it, is this machine: what is sent there in clear crosses no network."""
    try:
        return host.lower() == "localhost" or ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _checked(server: WebServer, named: Named) -> httpx.URL:
    import httpx

    try:
        url = httpx.URL(server.url.rstrip("/") + "/")
    except httpx.InvalidURL as error:
        raise named(WebTrouble.NO_ADDRESS, "") from error
    if url.scheme not in ("http", "https") or not url.host:
        raise named(WebTrouble.NO_ADDRESS, url.host)
    if url.userinfo or url.query:
        raise named(WebTrouble.MORE_THAN_ADDRESS, url.host)
    if url.scheme == "http" and not is_loopback(url.host) and not server.allow_plain:
        raise named(WebTrouble.IN_CLEAR, url.host)
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
