"""Addresses of sources: `PROTOCOL://HOST:PORT`, or `PROTOCOL+https://...` for what is spoken over HTTP."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

from hmchain.errors import InputError

FORMS = "a folder, a file, dicomweb+https://..., dimse://TITLE@HOST:PORT, fhir+https://... or mllp://127.0.0.1:PORT"

_HTTP = ("http", "https")
_NUMBER = re.compile(r"[0-9]{1,5}", re.ASCII)
_NO_HOST = re.compile(r"[\s\x00-\x1f\x7f/?#@\[\]]")


class UnknownSourceError(InputError):
    """A source is no path or address, or it cannot be told what it holds."""

    code = "unknown_source"


@dataclass(frozen=True)
class Address:
    """The address of a source."""

    protocol: str
    over_http: bool
    host: str
    port: int | None
    user: str
    """What stands before `@`; nothing over HTTP, where a credential does not belong into an address."""
    url: str
    """Without the protocol, where it is spoken over HTTP."""


def is_address(place: str) -> bool:
    """Tell whether a place is meant as an address, and not as a path."""
    return "://" in place


def parse_address(place: str) -> Address:
    """Read an address. Raises `UnknownSourceError`, which does not repeat it: it may hold a credential."""
    name, _, rest = place.partition("://")
    protocol, plus, transport = name.partition("+")
    if plus and transport not in _HTTP:
        raise _no_address()
    url = f"{transport}://{rest}" if plus else place
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise _no_address() from error
    if plus and (parts.username or parts.password):
        raise UnknownSourceError("an address of a server holds a credential", "give it with --credential")
    # A listener that is given no host listens to this machine alone.
    host, port = _host_and_port(parts, "127.0.0.1" if protocol == "mllp" else "")
    return Address(protocol, bool(plus), host, port, parts.username or "", url)


def parse_receiver(text: str) -> tuple[str, int]:
    """Host and port of `HOST:PORT`, where this machine listens. Raises `UnknownSourceError`."""
    try:
        host, port = _host_and_port(urlsplit(f"//{text}"))
    except (ValueError, UnknownSourceError) as error:
        raise UnknownSourceError(f"{text!r} is no address to receive at", "give HOST:PORT") from error
    if port is None:
        raise UnknownSourceError(f"{text!r} is no address to receive at", "give HOST:PORT")
    return host, port


def _host_and_port(parts: SplitResult, default: str = "") -> tuple[str, int | None]:
    """Both, checked; urllib takes any text for a host, and any digits of any script for a port."""
    host = parts.hostname or default
    if not host or _NO_HOST.search(host) or (":" in host) is not ("[" in parts.netloc):
        raise _no_address()
    try:
        host.removesuffix(".").encode("idna")  # as sockets do: no empty or long part between dots
    except UnicodeError as error:
        raise _no_address() from error
    _, colon, digits = parts.netloc.rpartition("@")[2].rpartition("]")[2].partition(":")
    if not colon:
        return host, None
    if not _NUMBER.fullmatch(digits) or not 0 < int(digits) < 65536:
        raise UnknownSourceError("the address names no port that can be", "a port is a number from 1 to 65535")
    return host, int(digits)


def _no_address() -> UnknownSourceError:
    return UnknownSourceError("this is no address of a source", f"give {FORMS}")
