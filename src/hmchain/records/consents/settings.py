"""The hospital's own word on what its consents name: `consents.toml` in its folder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import msgspec

from hmchain.errors import InputError
from hmchain.files import read_toml

SETTINGS_FILE = "consents.toml"


class ConsentSettingsError(InputError):
    """The file that says whom consents name cannot be read."""

    code = "consent_settings"


class ConsentSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The settings; without the file nobody is known by another name than the network's."""

    organisations: dict[str, str] = {}
    """Members of the network by the names that consents give them, as `Organization/123`, `Group/staff` or an
    identifier's value."""


def read_organisations(folder: Path) -> Mapping[str, str]:
    """Whom consents name, from the hospital's folder; nobody if it does not say. Raises `ConsentSettingsError`."""
    path = folder / SETTINGS_FILE

    def wrong(reason: str) -> InputError:
        return ConsentSettingsError(f"{path} cannot be read: {reason}", 'write "Organization/123" = "west"')

    return read_toml(path, ConsentSettings, wrong).organisations if path.exists() else {}
