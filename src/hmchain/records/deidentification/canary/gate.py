"""The gate: every kind's canaries through every kind's de-identifier; `hmchain data selftest` and a test run it."""

from __future__ import annotations

import importlib
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from hmchain.keys import SecretKey
from hmchain.records.deidentification.canary.planting import Planted
from hmchain.records.deidentification.canary.survivors import Survivor, survivors
from hmchain.records.deidentification.outcome import Clean, Deidentifier, Held
from hmchain.records.deidentification.profile import Profile, load_profile
from hmchain.records.deidentification.pseudonyms import Pseudonyms
from hmchain.records.sources.item import DICOM, FHIR, HL7, IMAGE, TABLE

KINDS: Mapping[str, tuple[str, str, str]] = {
    DICOM: ("dicom", "dicom", "DicomDeidentifier"),
    IMAGE: ("images", "pictures", "ImageDeidentifier"),
    FHIR: ("fhir", "fhir.deidentifier", "FhirDeidentifier"),
    HL7: ("hl7", "hl7.deidentifier", "Hl7Deidentifier"),
    TABLE: ("tables", "tables.deidentifier", "TableDeidentifier"),
}
"""Of each kind, the module of its canaries here, and that and the name of its de-identifier."""

STRICT = ("basic", "longitudinal")
"""The shipped profiles that keep nothing on purpose."""

BY_CHANCE = "identifier_suspected"
"""What an item is held as that has a short word or number of its patient's."""

_BASE = "hmchain.records.deidentification"


@dataclass
class KindReport:
    """What the gate found for one kind of data."""

    items: int = 0
    canaries: int = 0
    """Identifiers planted."""
    clean: int = 0
    """Items that came out de-identified, at once or after a review."""
    held: int = 0
    survivors: list[Survivor] = field(default_factory=list)
    surprises: list[str] = field(default_factory=list)
    """Items that were held and should not have been, or the other way round."""


@dataclass
class Report:
    """What the gate found."""

    kinds: dict[str, KindReport] = field(default_factory=dict)
    profiles: tuple[str, ...] = ()

    @property
    def canaries(self) -> int:
        """Identifiers planted, over all kinds."""
        return sum(kind.canaries for kind in self.kinds.values())

    @property
    def survivors(self) -> list[Survivor]:
        """The identifiers that came out, over all kinds."""
        return [survivor for kind in self.kinds.values() for survivor in kind.survivors]

    @property
    def passed(self) -> bool:
        """Whether nothing survived and everything went the way that it should."""
        return not any(kind.survivors or kind.surprises for kind in self.kinds.values())


def selftest(kinds: Sequence[str] = tuple(KINDS), names: Sequence[str] = STRICT) -> Report:
    """Send all canaries of `kinds` through de-identification, under the profiles `names`.

    A profile that keeps something on purpose, the device's make for instance, lets the canaries that are planted there
    survive. Raises `ProfileError` if a profile cannot be read.
    """
    report = Report(profiles=tuple(names))
    for kind in kinds:
        module, rules, _ = KINDS[kind]
        importlib.import_module(f"{_BASE}.{rules}")  # keeps libraries from printing the values that are planted next
        planted: list[Planted] = importlib.import_module(f"{_BASE}.canary.{module}").plant()
        found = report.kinds[kind] = KindReport(
            items=len(planted), canaries=sum(len(entry.canaries) for entry in planted)
        )
        for name in names:
            profile = load_profile(name)
            deidentifier = deidentifier_of(kind, profile, Pseudonyms(SecretKey(secrets.token_bytes(32)), "selftest"))
            for entry in planted:
                check(entry, deidentifier, name, found)
    return report


def check(planted: Planted, deidentifier: Deidentifier, profile: str, found: KindReport) -> None:
    """Send one item through, also after a review if it is held for one, and add to `found` what came of it."""
    held = _send(planted, deidentifier, found, reviewed=False)
    if (held.code if held else "") != planted.held:
        what = f"held: {held.code}" if held else "not held"
        found.surprises.append(f"{planted.item.name} under {profile}: {what}")
    if held is None:
        found.clean += 1
        return
    found.held += 1
    told = held.code == BY_CHANCE  # whoever releases it has seen that it is not the patient's
    if held.releasable and not told and _send(planted, deidentifier, found, reviewed=True) is None:
        found.clean += 1


def deidentifier_of(kind: str, profile: Profile, pseudonyms: Pseudonyms) -> Deidentifier:
    """The de-identifier of a kind of items, tables by the schema of the planted ones; loads the libraries it needs."""
    planting, module, name = KINDS[kind]
    schema = (importlib.import_module(f"{_BASE}.canary.{planting}").SCHEMA,) if kind == TABLE else ()
    made: Deidentifier = getattr(importlib.import_module(f"{_BASE}.{module}"), name)(profile, pseudonyms, *schema)
    return made


def _send(planted: Planted, deidentifier: Deidentifier, found: KindReport, *, reviewed: bool) -> Held | None:
    """Collect what survived; the last `Held` that came out, if any."""
    held, came_out = None, False
    for outcome in deidentifier.deidentify(planted.item, reviewed=reviewed):
        found.survivors += survivors(planted, (outcome,))
        held = outcome if isinstance(outcome, Held) else held
        came_out |= isinstance(outcome, Clean)
    return held or (None if came_out else Held("nothing", "nothing came out", False))
