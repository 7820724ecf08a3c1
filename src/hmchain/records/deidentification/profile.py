"""Profiles: what is kept beyond the strictest rules, chosen by a steward and written down in TOML.

A profile ships with the package (`basic`, `longitudinal`, ...) or is the hospital's own file. Each kind of data has
a section; what a profile does not say is as strict as the standard knows.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from hmchain.errors import InputError

_SHIPPED = Path(__file__).parent / "profiles"


class ProfileError(InputError):
    """A de-identification profile does not exist or cannot be read."""

    code = "profile"


class Section(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Base of a profile's tables."""


class DicomRules(Section, frozen=True):
    """DICOM objects (PS3.15 E.1)."""


class FhirRules(Section, frozen=True):
    """FHIR resources."""


class Hl7Rules(Section, frozen=True):
    """HL7 v2 messages."""


class TableRules(Section, frozen=True):
    """Tables."""


class Profile(Section, frozen=True):
    """One profile."""

    name: str
    title: str
    """One line for people."""
    dates: str = "remove"
    """`remove`, or `shift` by a number of days of the patient's own."""
    dicom: DicomRules = DicomRules()
    fhir: FhirRules = FhirRules()
    hl7: Hl7Rules = Hl7Rules()
    table: TableRules = TableRules()

    def __post_init__(self) -> None:
        if self.dates not in ("remove", "shift"):
            raise ValueError("dates must be 'remove' or 'shift'")


def profiles() -> list[str]:
    """The names of the profiles that ship with the package."""
    return sorted(path.stem for path in _SHIPPED.glob("*.toml"))


def load_profile(name: str) -> Profile:
    """Read a profile: the name of a shipped one, or the path of a TOML file.

    Raises `ProfileError` if there is none, or saying which entry is wrong.
    """
    path = Path(name) if name.endswith(".toml") else _SHIPPED / f"{name}.toml"
    try:
        return msgspec.toml.decode(path.read_bytes(), type=Profile)
    except OSError as error:
        hint = f"give {', '.join(profiles())}, or the path of a .toml file"
        raise ProfileError(f"there is no profile {name}", hint) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ProfileError(f"profile {name} cannot be read: {error}", "mend that entry") from error
