"""The view of an account: what the files of a version's sources are now."""

from __future__ import annotations

from hmchain.interfaces.cli import output
from hmchain.records.catalogue.accounts import IN_PART, TAKEN, Account, Fate
from hmchain.records.sources.item import DICOM, FHIR, HL7, IMAGE, TABLE

_FATES: tuple[tuple[str, str, Fate | None], ...] = (
    ("written", TAKEN, Fate.WRITTEN),
    ("written, and some of it held", IN_PART, None),
    ("released by a reviewer, and written", Fate.RELEASED, Fate.RELEASED),
    ("rejected by a reviewer", Fate.REJECTED, Fate.REJECTED),
    ("erased", Fate.ERASED, Fate.ERASED),
    ("given twice", Fate.TWICE, Fate.TWICE),
    ("older editions", Fate.OLDER, Fate.OLDER),
    ("not had", Fate.NOT_HAD, Fate.NOT_HAD),
)
"""How a row is called, and what of files and of parts it counts; for each reason why some are held or passed over
there is a row too."""
_UNITS = {DICOM: "objects", IMAGE: "pictures", FHIR: "resources", HL7: "messages", TABLE: "rows"}
REASONS = {
    "anonymity": "too few patients are alike",
    "burned_in_text": "pixels show writing, or may",
    "conflicting_identifier": "another has its identifier",
    "damaged": "cut short, or not what it says",
    "identifier_left": "who it is about would stay",
    "identifier_suspected": "who it is about may stay",
    "no_pixel_data": "no pixels, more than numbers",
    "no_record": "no record is in it",
    "no_subject": "it does not say whose it is",
    "opted_out": "also of somebody who opted out",
    "schema": "not as the schema says",
    "several_patients": "of several patients",
    "too_large": "larger than is taken",
    "unknown_kind": "data of another kind",
    "unsupported_pixels": "pixels that are not read here",
    "unsupported_syntax": "a coding that is not read here",
    "unused_bits": "bits beyond those that count",
    "writing_suspected": "marks that may be letters",
}
"""Why something waits for a person, by the code of the reason."""


def show_account(account: Account, kind: str) -> None:
    """Say what became of the files that were found: the rows below the first add up to it."""
    found, files, parts = account.found, account.files, account.parts
    rows: list[tuple[str, int, int | str]] = [("found", found.files, found.parts)]
    rows += [
        (name, files.get(fate, 0), parts.get(part, 0) if part else "")
        for name, fate, part in _FATES
        if files.get(fate) or (part and parts.get(part))
    ]
    rows += [(f"held: {_reason(code)}", count.files, count.parts) for code, count in account.held.items()]
    rows += [(f"passed over: {why}", count.files, count.parts) for why, count in account.passed_over.items()]
    output.heading("What became of the files")
    output.table(("", "files#", f"{_UNITS.get(kind, 'parts')}#"), rows)


def _reason(code: str) -> str:
    return f"{code} ({REASONS[code]})" if code in REASONS else code
