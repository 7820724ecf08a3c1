"""`portal.toml`: what holds without it, what is refused, and that it is documented as it is."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from hmchain import decoding
from hmchain.application.access.settings import OidcSettings, PortalSettings, PortalSettingsError, load, to_toml
from hmchain.application.site.network import BadAddressError
from hmchain.application.site.node import NodeFolder
from hmchain.application.site.outgoing import MailSettings, WebhookSettings
from support.paths import REPOSITORY

OIDC = OidcSettings(
    issuer="https://login.hospital.example/realms/staff", client_id="hmchain-portal", secret_file="oidc.secret",
    roles={"research": ("scientist",)}, views={"audit": ("auditor",)},
)  # fmt: skip

MAIL = MailSettings(
    host="mail.hospital.example", sender="hmchain@hospital.example", user="hmchain", password_file="mail.password",
    people={"steward": "data@hospital.example", "erin": "erin@hospital.example"},
)  # fmt: skip
WEBHOOK = WebhookSettings(url="https://chat.hospital.example/hooks/hmchain", secret_file="webhook.secret", private=True)


def test_the_reference_shows_a_whole_one_as_it_is_written() -> None:
    (shown,) = re.findall(r"```toml\n(.*?)```", (REPOSITORY / "docs/reference/portal.md").read_text(), re.DOTALL)
    places = {"mri": "/srv/mri"}, {"pacs": "dimse://RESEARCH@pacs.hospital.example:104"}
    whole = PortalSettings(sources=places[0], destinations=places[1], oidc=OIDC, mail=MAIL, webhook=WEBHOOK)
    written = to_toml(whole)
    assert shown == written
    assert decoding.from_toml(written, PortalSettings) == whole


def test_without_a_file_the_portal_is_for_this_machine(tmp_path: Path) -> None:
    found = load(NodeFolder(tmp_path))
    assert (found.host, found.port, found.address, found.is_https) == (
        "127.0.0.1",
        8470,
        "http://localhost:8470",
        False,
    )
    assert not found.signs_here and found.second_factor == () and found.oidc is None


@pytest.mark.parametrize(
    ("settings", "address"),
    [
        ({"listen": "[::1]:80"}, "http://localhost:80"),
        ({"listen": "0.0.0.0:443", "certificate": "c", "key": "k"}, "https://localhost:443"),
        ({"listen": "0.0.0.0:443", "certificate": "c", "key": "k", "origin": "https://P.example"}, "https://p.example"),
        ({"origin": "https://portal.example"}, "https://portal.example"),
        ({"origin": "http://127.0.0.1:8470"}, "http://127.0.0.1:8470"),
    ],
)
def test_its_address_is_https_or_this_machine(settings: dict[str, Any], address: str) -> None:
    assert PortalSettings(**settings).address == address


@pytest.mark.parametrize(
    "settings",
    [
        {"listen": "0.0.0.0:8470"}, {"listen": "192.0.2.1:8470", "origin": "https://portal.example"},
        {"listen": "0.0.0.0:8470", "certificate": "c"}, {"listen": "portal.example:8470"},
        {"origin": "http://portal.example"}, {"origin": "https://portal.example/x"}, {"origin": "ftp://localhost"},
        {"origin": "https://u:p@portal.example", "listen": "0.0.0.0:1"}, {"origin": "https://"}, {"origin": "portal"},
        {"certificate": "c", "key": "k", "origin": "http://localhost:8470"},
        {"second_factor": ("everything",)}, {"session_hours": 0}, {"session_hours": 25}, {"idle_minutes": 0},
        {"language": "fr"}, {"trusted_proxy": "proxy"},
    ],
    ids=str,
)  # fmt: skip
def test_what_lets_people_in_without_https_or_makes_no_sense_is_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(PortalSettingsError):
        PortalSettings(**settings)


@pytest.mark.parametrize(
    "changed",
    [
        {"issuer": "http://login.example"}, {"issuer": "file:///etc/passwd"}, {"issuer": "https://login.example?x"},
        {"issuer": ""}, {"client_id": ""}, {"person": ""}, {"secret_file": "../steward.key"}, {"secret_file": "/etc/x"},
        {"roles": {"all": ("root",)}}, {"views": {"all": ("steward",)}}, {"issuer": "https://u:p@login.example"},
    ],
    ids=str,
)  # fmt: skip
def test_a_sign_in_that_is_not_safe_is_refused(changed: dict[str, Any]) -> None:
    with pytest.raises(PortalSettingsError):
        OidcSettings(**({"issuer": "https://login.example", "client_id": "portal"} | changed))


def test_a_file_that_cannot_be_used_says_why(tmp_path: Path) -> None:
    (tmp_path / "portal.toml").write_text("liten = '127.0.0.1:1'\n")
    with pytest.raises(PortalSettingsError, match="did you mean `listen`"):
        load(NodeFolder(tmp_path))
    (tmp_path / "portal.toml").write_text("listen = 'here'\n")
    with pytest.raises(BadAddressError):
        load(NodeFolder(tmp_path))
