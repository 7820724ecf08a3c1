"""The portal beside a node: its settings, the secrets that they name, and its certificate."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

from hmchain.application.access.settings import PortalSettings, load
from hmchain.application.site.node import NodeFolder
from hmchain.application.watching.checks import certificates
from hmchain.application.watching.delivery import DeliverySecretError, secret_in
from hmchain.application.watching.findings import Finding, Subject, failed, ok, warn
from hmchain.application.watching.place import Place

_SUBJECT = Subject.PORTAL


def portal(place: Place) -> Iterator[Finding]:
    """What is wrong with the settings of a node's portal. Raises `PortalSettingsError`, or another error of theirs."""
    node = place.node
    if node is None or not node.portal_toml.exists():
        return
    settings = load(node)
    yield ok(_SUBJECT, "settings", f"the portal is to be reached at {settings.address}")
    yield from _secrets(node, settings)
    if settings.signs_here:
        words = "signs_here is set: whoever has this machine decides for all of the hospital's people"
        way_out = f"let people sign in their own browser: signs_here = false in {node.portal_toml}"
        yield warn(_SUBJECT, "signs", words, way_out)
    if settings.certificate:
        host = urlsplit(settings.address).hostname or ""
        yield from certificates.of_file(node.path / settings.certificate, node.path / settings.key, host)


def _secrets(node: NodeFolder, settings: PortalSettings) -> Iterator[Finding]:
    named = (
        settings.oidc.secret_file if settings.oidc else "",
        settings.mail.password_file if settings.mail else "",
        settings.webhook.secret_file if settings.webhook else "",
    )
    for name in filter(None, named):
        try:
            secret_in(node.keys / name)
        except DeliverySecretError as error:
            yield failed(_SUBJECT, "secret", error)
