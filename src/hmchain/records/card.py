"""The dataset card: what a dataset version holds, how good it is, what was done to it, and what it is not fit for.

After Gebru et al., "Datasheets for Datasets" (CACM 64:12, 2021). It holds exact counts of a hospital's patients and is
for use inside the hospital; what may leave it is what the ledger allows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import msgspec

from hmchain import decoding
from hmchain.records.catalogue.entries import ActionCount
from hmchain.records.quality import Assessment

FORMAT = "hmchain dataset card 1"
BREAKDOWN = ("resource", "modality", "body part", "view", "laterality", "sex", "age", "manufacturer", "format")
"""Attributes by which a card counts records, where they have them."""
VALUES_MAX = 200


@dataclass(frozen=True)
class QuarantineCount:
    """Items that were held for one reason, and what was decided on them."""

    code: str
    reason: str
    pending: int = 0
    released: int = 0
    rejected: int = 0

    @property
    def count(self) -> int:
        """All of them."""
        return self.pending + self.released + self.rejected


@dataclass(frozen=True)
class TableAnonymity:
    """The measure in which the patients of a table hide among each other."""

    table: str
    k: int
    """Patients of the smallest class of rows that agree in every quasi-identifier."""
    l: int | None  # noqa: E741 - its name
    """Values of the sensitive column in the class with the fewest; None without such a column."""
    quasi: tuple[str, ...]
    suppressed: int = 0
    """Rows that were left out for it."""


@dataclass(frozen=True, kw_only=True)
class CardData:
    """The content of a card. Nothing in it may tell who a patient is."""

    title: str
    dataset: str
    version: int
    made: str
    """When the card was made: an ISO 8601 date."""
    records: int
    subjects: int
    """Patients, as far as pseudonyms tell them apart."""
    size: int
    """Bytes of plaintext."""
    organisation: str = ""
    description: str = ""
    root: str = ""
    """The version's Merkle root in hexadecimal digits, once it is closed."""
    kinds: Mapping[str, int] = field(default_factory=dict)
    """Records by kind: `dicom`, `image`, `fhir`, `hl7`, `table`."""
    breakdowns: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    """Records by the values of an attribute; `break_down` makes it."""
    assessment: Assessment = field(default_factory=Assessment)
    profile: str = ""
    """Of de-identification: its name and title."""
    actions: tuple[ActionCount, ...] = ()
    quarantine: tuple[QuarantineCount, ...] = ()
    anonymity: tuple[TableAnonymity, ...] = ()
    duplicates: int = 0
    """Records that came again, byte for byte, and were left out."""
    provenance: tuple[tuple[str, str], ...] = ()
    """What it was extracted from, with which software, when: (name, value)."""
    licence: str = ""
    credit: str = ""
    limitations: tuple[str, ...] = ()
    """What its steward says that it is not fit for."""


def break_down(
    attributes: Iterable[Mapping[str, str]], names: tuple[str, ...] = BREAKDOWN
) -> dict[str, dict[str, int]]:
    """Count records by each attribute of `names` that any of them has; the rarest values beyond 200 are joined."""
    counts: dict[str, Counter[str]] = {name: Counter() for name in names}
    for one in attributes:
        for name in names:
            if value := one.get(name):
                known = value in counts[name] or len(counts[name]) < VALUES_MAX
                counts[name][value if known else "others"] += 1
    return {name: dict(found.most_common()) for name, found in counts.items() if found}


def limitations(data: CardData) -> tuple[str, ...]:
    """List the limits that follow from the data themselves, before those that the steward adds."""
    found = []
    if data.assessment.images:
        found.append(
            "Pixels were not searched for writing: kinds of images that often carry it were held for a person's look."
        )
    if data.records and data.subjects == data.records and data.kinds.keys() != {"table"}:
        found.append(
            "Each record counts as a patient of its own: a patient of several may be on both sides of a split."
        )
    if data.assessment.labels:
        found.append("Labels are those of the source; nobody checked them here.")
    elif data.assessment.images:
        found.append("The images have no labels: a network cannot be taught from them as they are.")
    if data.assessment.near_copies:
        found.append("Some images are nearly the same: figures of a split that parts them would be too good.")
    for name in ("modality", "manufacturer", "sex"):
        if len(values := data.breakdowns.get(name, {})) == 1:
            found.append(f"All records have the {name} {next(iter(values))}: nothing is known of others.")
    if not data.licence:
        found.append("No licence is stated: use outside the organisation has to be agreed.")
    return tuple(found)


def to_json(data: CardData) -> bytes:
    """The card for programs: UTF-8 JSON with sorted keys. The fields are those of `CardData`."""
    content: dict[str, Any] = {"format": FORMAT} | asdict(data)
    content["assessment"]["sizes"] = [
        {"rows": rows, "columns": columns, "images": count}
        for (rows, columns), count in sorted(data.assessment.sizes.items())
    ]
    content["assessment"]["missing"] = {
        name: {"missing": missing, "of": total} for name, (missing, total) in data.assessment.missing.items()
    }
    content["limitations"] = [*limitations(data), *data.limitations]
    return msgspec.json.format(msgspec.json.encode(content, order="sorted"), indent=2) + b"\n"


def from_json(data: bytes) -> CardData:
    """A card from what `to_json` wrote. Raises `ValueError` for anything else."""
    content = decoding.from_json(data, dict[str, Any])
    try:
        if content.pop("format") != FORMAT:
            raise ValueError("it is of another form")
        found = content["assessment"]
        found["sizes"] = {(each["rows"], each["columns"]): each["images"] for each in found["sizes"]}
        found["missing"] = {name: (each["missing"], each["of"]) for name, each in found["missing"].items()}
        card = decoding.converted(content, CardData)
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError("it is no dataset card") from error
    own = set(limitations(card))
    return replace(card, limitations=tuple(each for each in card.limitations if each not in own))
