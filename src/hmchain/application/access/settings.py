"""The settings of a hospital's portal, as they stand in `portal.toml`, each with its explanation."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Annotated
from urllib.parse import urlsplit

import msgspec

from hmchain import files
from hmchain.application.access.permissions import Operation
from hmchain.application.site.network import check_address
from hmchain.application.site.node import NodeFolder
from hmchain.application.site.outgoing import MailSettings, WebhookSettings, is_file_name, is_safe_way
from hmchain.application.site.settings import explained, says
from hmchain.errors import InputError
from hmchain.ledger.contracts.members.people import AUDITOR, OPERATOR, ROLES_OF_4
from hmchain.records.sources.http import is_loopback

DEFAULT_LISTEN = "127.0.0.1:8470"
LANGUAGES = ("en", "de")
VIEWS = (AUDITOR, OPERATOR)
"""Roles in which somebody may look whom the ledger does not know."""
HEAD = "A hospital's portal. It reads this file when it starts; every line may be left out."
_HOURS_MAX, _IDLE_MINUTES_MAX = 24, 120


class PortalSettingsError(InputError):
    """The settings of a portal cannot be used."""

    code = "portal_settings"


class OidcSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """An organisation's own sign-in, by OpenID Connect."""

    issuer: Annotated[
        str,
        says("""\
The address of the organisation's own sign-in, as its tokens name it. It answers over HTTPS, or on this machine; nothing
is asked of any other host."""),
    ]
    client_id: Annotated[str, says("The portal's name there. Its address for answers is ORIGIN/v1/oidc/callback.")]
    secret_file: Annotated[
        str, says("The file in keys/ that holds the portal's secret there, mode 600. Empty: it has none.")
    ] = ""
    person: Annotated[
        str,
        says("The claim that holds the person's name on the ledger. Choose one that people cannot change themselves."),
    ] = "preferred_username"
    groups: Annotated[str, says("The claim that holds the person's groups there.")] = "groups"
    roles: Annotated[
        dict[str, tuple[str, ...]],
        says("""\
Of each group the roles that its people act in when they sign in so, never more than the ledger gives them. Empty: all
that the ledger gives."""),
    ] = {}
    views: Annotated[
        dict[str, tuple[str, ...]],
        says("Of each group the roles in which its people may look, and do nothing else, though the ledger has none of "
             "them: auditor, operator."),
    ] = {}  # fmt: skip

    def __post_init__(self) -> None:
        url = urlsplit(self.issuer)
        if not url.hostname or not is_safe_way(url):
            raise PortalSettingsError(f"oidc.issuer is {self.issuer!r}", "an address that begins with https://")
        if url.query or url.fragment or url.username or not self.client_id or not self.person:
            raise PortalSettingsError(
                "oidc needs an issuer, a client_id and a claim of the person", "see the page above"
            )
        if not is_file_name(self.secret_file):
            raise PortalSettingsError("oidc.secret_file is no name of a file in keys/", 'such as "oidc.secret"')
        for what, given, known in (("roles", self.roles, ROLES_OF_4), ("views", self.views, VIEWS)):
            if any(not set(each) <= set(known) for each in given.values()):
                raise PortalSettingsError(f"oidc.{what} names what is no role", f"some of {', '.join(known)}")


class PortalSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A portal's settings, in the order in which `portal.toml` has them."""

    listen: Annotated[
        str,
        says("""\
Where the portal listens. Beyond this machine it speaks HTTPS alone: give certificate and key, or let a proxy on this
machine do that."""),
    ] = DEFAULT_LISTEN
    origin: Annotated[
        str,
        says("""\
Its address as people type it, such as "https://portal.hospital.example". Sign-ins are bound to it: after a change of it
people add their passkeys anew. Empty: http://localhost and the port above."""),
    ] = ""
    certificate: Annotated[str, says("The certificate, with those that it was issued by, and its key: PEM files.")] = ""
    key: str = ""
    trusted_proxy: Annotated[
        str,
        says("The address of a proxy whose word on where a request comes from (X-Forwarded-For) is taken."),
    ] = ""
    signs_here: Annotated[
        bool,
        says("""\
True: this process signs for people, with keys that lie in keys/. Whoever has this machine then decides for all of them,
and every page says so. False: people sign in their own browser, or with their key file or token."""),
    ] = False
    second_factor: Annotated[
        tuple[str, ...],
        says("Operations that take two of key, passkey and the organisation's own sign-in: "
             "view, ask, decide, change, operate."),
    ] = ()  # fmt: skip
    session_hours: Annotated[
        int, says("A session ends after so many hours, and after so many minutes without use.")
    ] = 12
    idle_minutes: int = 15
    language: Annotated[str, says("Of pages for people whose browser asks for none that there is: en or de.")] = "en"
    sources: Annotated[
        dict[str, str],
        says("""\
Where data may be taken from by who works in the portal, each by a name of your own: a source as an extraction takes it,
such as a folder, dicomweb+https://... or a .toml file. The portal takes nothing from anywhere else."""),
    ] = {}
    destinations: Annotated[
        dict[str, str],
        says("""\
Where records may go, by names too: a PACS or archive that objects are sent to, a folder for exports, a replica
of the vault (a directory, or s3://BUCKET/PREFIX)."""),
    ] = {}
    oidc: OidcSettings | None = None
    mail: MailSettings | None = None
    webhook: WebhookSettings | None = None

    def __post_init__(self) -> None:
        check_address(self.listen)
        if not set(self.second_factor) <= set(Operation):
            raise PortalSettingsError("second_factor names no operation", f"some of {', '.join(Operation)}")
        if not 1 <= self.session_hours <= _HOURS_MAX or not 1 <= self.idle_minutes <= _IDLE_MINUTES_MAX:
            raise PortalSettingsError("a session is too short or too long", "1 to 24 hours, idle for 1 to 120 minutes")
        if self.language not in LANGUAGES:
            raise PortalSettingsError(f"language is {self.language!r}", f"one of {', '.join(LANGUAGES)}")
        if self.trusted_proxy and not _is_ip(self.trusted_proxy):
            raise PortalSettingsError("trusted_proxy is no IP address", "give one, such as 127.0.0.1")
        self._require_safe_way()

    def _require_safe_way(self) -> None:
        """HTTPS, or this machine alone: what is signed in with, and shown, crosses no wire in clear."""
        if bool(self.certificate) != bool(self.key):
            raise PortalSettingsError("one of certificate and key is missing", "give both, or none")
        if not self.certificate and not is_loopback(self.host):
            what = f"the portal would listen at {self.listen} without HTTPS"
            raise PortalSettingsError(what, "give certificate and key, or listen at 127.0.0.1 behind a proxy")
        url = urlsplit(self.address)
        is_whole = url.hostname and (url.scheme, url.netloc, "", "", "") == tuple(url)
        if not is_whole or not is_safe_way(url):
            hint = "https://NAME without anything behind it; http:// for this machine alone"
            raise PortalSettingsError(f"origin is {self.origin!r}", hint)
        if self.certificate and not self.is_https:
            raise PortalSettingsError("origin begins with http://, and there is a certificate", "https://NAME")

    @property
    def host(self) -> str:
        """The host that it listens at."""
        return self.listen.rpartition(":")[0].strip("[]")

    @property
    def port(self) -> int:
        """The port that it listens at."""
        return int(self.listen.rpartition(":")[2])

    @property
    def address(self) -> str:
        """The origin, as browsers write it."""
        scheme = "https" if self.certificate else "http"
        return (self.origin or f"{scheme}://localhost:{self.port}").lower().rstrip("/")

    @property
    def is_https(self) -> bool:
        """Whether people come by HTTPS."""
        return self.address.startswith("https://")


def to_toml(settings: PortalSettings) -> str:
    """The text of a new `portal.toml`."""
    return explained(settings, HEAD)


def load(folder: NodeFolder) -> PortalSettings:
    """A node's `portal.toml`; where there is none, what holds without. Raises `PortalSettingsError`."""

    def wrong(reason: str) -> PortalSettingsError:
        return PortalSettingsError(f"{folder.portal_toml}: {reason}", "docs/reference/portal.md shows a whole one")

    try:
        return files.read_toml(folder.portal_toml, PortalSettings, wrong)
    except FileNotFoundError:
        return PortalSettings()
    except OSError as error:
        raise wrong("it cannot be read") from error


def _is_ip(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
