"""The gate: every kind's canaries through every kind's de-identifier; `hmchain data selftest` and a test run it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from hmchain.keys import SecretKey
from hmchain.records.deidentification.canary.planting import PlantedItem
from hmchain.records.deidentification.canary.survivors import Survivor, survivors
from hmchain.records.deidentification.outcome import Clean, Deidentifier, Held, PassedOver
from hmchain.records.deidentification.profile import Profile, load_profile
from hmchain.records.deidentification.pseudonyms import Pseudonyms
from hmchain.records.sources.item import DICOM, FHIR, HL7, IMAGE, TABLE

STRICT = ("basic", "longitudinal")
"""The shipped profiles that keep nothing on purpose."""

BY_CHANCE = "identifier_suspected"
"""What an item is held as that has a short word or number of its patient's."""
PASSED_OVER = "passed_over"
"""What an item counts as of which nothing is ever taken."""


@dataclass(frozen=True)
class Trial:
    """The canaries of one kind of data, and the de-identifier that must take them out."""

    plant: Callable[[], list[PlantedItem]]
    deidentifier: Callable[[Profile, Pseudonyms], Deidentifier]


@dataclass
class KindReport:
    """The gate's findings for one kind of data."""

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
class GateReport:
    """The gate's findings."""

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
        """Tell whether nothing survived and everything went the way that it should."""
        return not any(kind.survivors or kind.surprises for kind in self.kinds.values())


def selftest(kinds: Sequence[str] = (DICOM, IMAGE, FHIR, HL7, TABLE), names: Sequence[str] = STRICT) -> GateReport:
    """Send all canaries of `kinds` through de-identification, under the profiles `names`.

    A profile that keeps something on purpose, the device's make for instance, lets the canaries that are planted there
    survive. Raises `ProfileError` if a profile cannot be read.
    """
    report = GateReport(profiles=tuple(names))
    for kind in kinds:
        trial = KINDS[kind]()
        planted = trial.plant()
        found = report.kinds[kind] = KindReport(
            items=len(planted), canaries=sum(len(entry.canaries) for entry in planted)
        )
        for name in names:
            deidentifier = trial.deidentifier(load_profile(name), Pseudonyms(SecretKey.generate(), "selftest"))
            for entry in planted:
                check(entry, deidentifier, name, found)
    return report


def check(planted: PlantedItem, deidentifier: Deidentifier, profile: str, found: KindReport) -> None:
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


def _send(planted: PlantedItem, deidentifier: Deidentifier, found: KindReport, *, reviewed: bool) -> Held | None:
    """Collect what survived; the last `Held` that came out, if any."""
    held, came_out, nothing = None, False, "nothing"
    for outcome in deidentifier.deidentify(planted.item, reviewed=reviewed):
        found.survivors += survivors(planted, (outcome,))
        held = outcome if isinstance(outcome, Held) else held
        came_out |= isinstance(outcome, Clean)
        nothing = PASSED_OVER if isinstance(outcome, PassedOver) else nothing
    return held or (None if came_out else Held(nothing, "nothing came out", False))


# Each kind has libraries of its own, which take time to load; loading a de-identifier keeps them from printing the
# values that are planted next.


def _dicom() -> Trial:
    from hmchain.records.deidentification.canary import dicom as canaries
    from hmchain.records.deidentification.dicom import DicomDeidentifier

    return Trial(canaries.plant, DicomDeidentifier)


def _images() -> Trial:
    from hmchain.records.deidentification.canary import images as canaries
    from hmchain.records.deidentification.pictures import ImageDeidentifier

    return Trial(canaries.plant, ImageDeidentifier)


def _fhir() -> Trial:
    from hmchain.records.deidentification.canary import fhir as canaries
    from hmchain.records.deidentification.fhir.deidentifier import FhirDeidentifier

    return Trial(canaries.plant, FhirDeidentifier)


def _hl7() -> Trial:
    from hmchain.records.deidentification.canary import hl7 as canaries
    from hmchain.records.deidentification.hl7.deidentifier import Hl7Deidentifier

    return Trial(canaries.plant, Hl7Deidentifier)


def _tables() -> Trial:
    from hmchain.records.deidentification.canary import tables as canaries
    from hmchain.records.deidentification.tables.deidentifier import TableDeidentifier

    return Trial(canaries.plant, lambda profile, pseudonyms: TableDeidentifier(profile, pseudonyms, canaries.SCHEMA))


KINDS: Mapping[str, Callable[[], Trial]] = {DICOM: _dicom, IMAGE: _images, FHIR: _fhir, HL7: _hl7, TABLE: _tables}
"""The trial of each kind of data."""
