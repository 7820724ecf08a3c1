"""A webhook: a server of the hospital's choice is told that something waits, signed, and nothing else of it.

The address that a name has is looked up once and connected to: a name that answers with an inner address, now or at the
second time, reaches nothing in the hospital's network unless the settings say so.
"""

from __future__ import annotations

import hashlib
import hmac
import http.client
import socket
import ssl
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from hmchain.application.site.outgoing import WebhookSettings
from hmchain.application.watching.delivery import DeliveryError, secret_in
from hmchain.application.watching.notifications import Notification
from hmchain.records.sources.http import is_loopback

SIGNATURE, KEY = "X-HMChain-Signature", "Idempotency-Key"
_OK = range(200, 300)


class Told(msgspec.Struct, frozen=True):
    """The body: what kind of thing waits, and where to look."""

    id: str
    kind: str
    urgent: bool
    overdue: bool
    organisation: str
    link: str
    at_ms: int


@dataclass(frozen=True)
class Webhook:
    """The way to a server. Prints without its secret."""

    settings: WebhookSettings
    secret: str = field(repr=False)

    @classmethod
    def of(cls, settings: WebhookSettings, keys: Path) -> Webhook:
        """With the secret in its file. Raises `DeliverySecretError`."""
        return cls(settings, secret_in(keys / settings.secret_file))

    def send(self, body: bytes, key: str, at_ms: int) -> None:
        """Tell the server; it has taken it when this returns. Raises `DeliveryError`."""
        url = urlsplit(self.settings.url)
        headers = {
            "Content-Type": "application/json", "User-Agent": "hmchain", KEY: key,
            SIGNATURE: f"t={at_ms},v1={signature(self.secret, at_ms, body)}",
        }  # fmt: skip
        connection = self._connection(url.hostname or "", url.port, is_https=url.scheme == "https")
        try:
            connection.request("POST", f"{url.path or '/'}{f'?{url.query}' if url.query else ''}", body, headers)
            status = connection.getresponse().status  # its words are not read, nor is another place that it names
        except (OSError, http.client.HTTPException) as error:
            raise DeliveryError(f"the webhook did not answer: {type(error).__name__}", _HINT) from error
        finally:
            connection.close()
        if status not in _OK:
            raise DeliveryError(f"the webhook answered with status {status}", _HINT)

    def _connection(self, host: str, port: int | None, *, is_https: bool) -> http.client.HTTPConnection:
        address = resolved(host, port or (443 if is_https else 80), private=self.settings.private)
        seconds = self.settings.timeout_seconds
        if not is_https:
            return _Pinned(address, host, port, timeout=seconds)
        trust = ssl.create_default_context(cafile=self.settings.ca_file or None)
        return _PinnedSecure(address, host, port, timeout=seconds, context=trust)


_TRANSLATED = tuple(map(IPv6Network, ("64:ff9b::/96", "64:ff9b:1::/48", "::/96")))
"""The last 32 bits are an IPv4 address: those of NAT64, the well-known and local ones, and the old compatible ones."""
_LOCAL = (IPv6Network("64:ff9b:1::/48"), IPv6Network("fec0::/10"))
"""Not of the internet, whatever a library says."""
_TOLD_BY_CLOUDS = frozenset(map(ip_address, ("fd00:ec2::254", "100.100.100.200", "192.0.0.192")))
"""Where clouds tell their machines secrets, beside link-local addresses."""

_HINT = "see url, secret_file and private under [webhook] in portal.toml"


def told(found: Notification, organisation: str, origin: str, at_ms: int) -> bytes:
    """The body that tells of a notification: none of its words."""
    link = f"{origin}/notifications"
    body = Told(found.id, found.kind.value, found.urgent, found.overdue, organisation, link, at_ms)
    return msgspec.json.encode(body)


def signature(secret: str, at_ms: int, body: bytes) -> str:
    """HMAC-SHA-256, in hex, of the time and the body; a receiver refuses what is old."""
    return hmac.new(secret.encode(), f"{at_ms}.".encode() + body, hashlib.sha256).hexdigest()


def resolved(host: str, port: int, *, private: bool) -> str:
    """The address that a host has, one that may be told. Raises `DeliveryError`.

    All addresses of a name must be such: which of them a connection takes would be chance.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise DeliveryError("the webhook's host has no address", _HINT) from error
    addresses = [str(each[4][0]) for each in found]
    if not all(_may_be_told(ip_address(each.partition("%")[0]), host, private=private) for each in addresses):
        raise DeliveryError("the webhook's host is inside of a network that it may not be in", _HINT)
    return addresses[0]


def _may_be_told(address: IPv4Address | IPv6Address, host: str, *, private: bool) -> bool:
    if is_loopback(host):
        return address.is_loopback or (
            address.version == 6 and bool(address.ipv4_mapped and address.ipv4_mapped.is_loopback)
        )
    return all(_is_meant(each, private=private) for each in (address, _carried(address)) if each is not None)


def _is_meant(address: IPv4Address | IPv6Address, *, private: bool) -> bool:
    if address.is_loopback or address.is_link_local or address.is_multicast or address.is_unspecified:
        return False  # this machine, and what clouds tell their machines, are never meant by a name
    if address in _TOLD_BY_CLOUDS:
        return False
    return private or (address.is_global and not any(address in each for each in _LOCAL))


def _carried(address: IPv4Address | IPv6Address) -> IPv4Address | None:
    """The IPv4 address that an IPv6 one leads to: mapped, by NAT64 (RFC 6052, 8215), 6to4 or Teredo."""
    if not isinstance(address, IPv6Address):
        return None
    if any(address in each for each in _TRANSLATED):
        return IPv4Address(int(address) & 0xFFFFFFFF)
    teredo = address.teredo
    return address.ipv4_mapped or address.sixtofour or (teredo[1] if teredo else None)


class _Pinned(http.client.HTTPConnection):
    """A connection to an address that was looked at."""

    def __init__(self, address: str, host: str, port: int | None, timeout: float) -> None:
        super().__init__(host, port, timeout=timeout)
        self._address = address

    def connect(self) -> None:
        self.sock = socket.create_connection((self._address, self.port), self.timeout)


class _PinnedSecure(http.client.HTTPSConnection):
    """The same over TLS; the certificate is that of the name."""

    def __init__(self, address: str, host: str, port: int | None, timeout: float, context: ssl.SSLContext) -> None:
        super().__init__(host, port, timeout=timeout, context=context)
        self._address, self._trust = address, context

    def connect(self) -> None:
        plain = socket.create_connection((self._address, self.port), self.timeout)
        try:
            self.sock = self._trust.wrap_socket(plain, server_hostname=self.host)
        except BaseException:
            plain.close()
            raise
