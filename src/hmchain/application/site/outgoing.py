"""Settings of what leaves a portal for people who are not looking at it: mail, and a webhook. In `portal.toml`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import SplitResult, urlsplit

import msgspec

from hmchain.application.site.settings import says
from hmchain.errors import InputError
from hmchain.records.sources.http import is_loopback

_ADDRESS = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]{1,64}@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*", re.ASCII)


class OutgoingSettingsError(InputError):
    """The settings of mail or webhook cannot be used."""

    code = "outgoing_settings"


class MailSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The hospital's mail server, and where its people's mail goes."""

    host: Annotated[str, says("The hospital's mail server.")]
    port: int = 587
    security: Annotated[
        Literal["starttls", "tls", "none"],
        says("How the connection is encrypted; none is for a server on this machine alone."),
    ] = "starttls"
    ca_file: Annotated[str, says("The authority of its certificate, where the system does not know it.")] = ""
    sender: Annotated[str, says("Whom mails come from.")]
    user: Annotated[str, says("Who signs in there; the password is in a file in keys/, mode 600. Empty: nobody.")] = ""
    password_file: str = ""
    timeout_seconds: Annotated[int, says("So long the server may take to answer.")] = 30
    people: Annotated[
        dict[str, str],
        says("""\
The address of each person or office who wants mail: erin = "erin@hospital.example". A mail says that something waits,
and where, never what."""),
    ] = {}

    def __post_init__(self) -> None:
        if self.security == "none" and not is_loopback(self.host):
            raise OutgoingSettingsError("mail would leave this machine in clear", 'security = "starttls" or "tls"')
        if bool(self.user) != bool(self.password_file) or not is_file_name(self.password_file):
            hint = "give both, the file by its name in keys/"
            raise OutgoingSettingsError("mail needs a user and a password_file, or neither", hint)
        for address in (self.sender, *self.people.values()):
            if not _ADDRESS.fullmatch(address):
                raise OutgoingSettingsError(f"{address!r} is no mail address", "NAME@HOST, in ASCII")


class WebhookSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A server that is told that something waits for the hospital."""

    url: Annotated[str, says("Where it is told, over HTTPS; over HTTP on this machine alone.")]
    secret_file: Annotated[
        str, says("The file in keys/, mode 600, with the secret that each message is signed with (HMAC-SHA-256).")
    ]
    private: Annotated[
        bool, says("Whether the server may be one of the hospital's own network, which the internet does not reach.")
    ] = False
    ca_file: Annotated[str, says("The authority of its certificate, where the system does not know it.")] = ""
    timeout_seconds: Annotated[int, says("So long the server may take to answer.")] = 15

    def __post_init__(self) -> None:
        url = urlsplit(self.url)
        try:
            host, _ = url.hostname or "", url.port
        except ValueError:
            host = ""
        if not host or not is_safe_way(url):
            raise OutgoingSettingsError("webhook.url is no address that may be told", "https://HOST/PATH")
        if url.username or url.password or url.fragment:
            raise OutgoingSettingsError("webhook.url holds more than an address", "the secret goes into its own file")
        if not self.secret_file or not is_file_name(self.secret_file):
            raise OutgoingSettingsError("webhook.secret_file is no name of a file in keys/", 'such as "webhook.secret"')


def is_safe_way(url: SplitResult) -> bool:
    """Whether what goes to an address crosses no wire in clear: over HTTPS, or over HTTP to this machine."""
    return url.scheme == "https" or (url.scheme == "http" and is_loopback(url.hostname or ""))


def is_file_name(text: str) -> bool:
    """Whether a text names a file in a folder that is known, or is empty."""
    return text == Path(text).name
