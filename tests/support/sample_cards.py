"""Dataset cards made up for tests: one of an empty version, one with every section filled."""

from __future__ import annotations

from hmchain.records.card import CardData, QuarantineCount, TableAnonymity
from hmchain.records.catalogue.entries import ActionCount
from hmchain.records.quality import Assessment, Finding

EMPTY = CardData(title="Nothing", dataset="nothing", version=1, made="2026-11-24", records=0, subjects=0, size=0)
FULL = CardData(
    title="Brain MRI",
    dataset="brain",
    version=3,
    made="2026-11-24",
    records=1200,
    subjects=900,
    size=5 << 30,
    organisation="north",
    description="Images of the head.",
    root="ab" * 32,
    kinds={"dicom": 1200},
    breakdowns={"modality": {"MR": 1200}, "sex": {"F": 700, "M": 500}},
    assessment=Assessment(
        records=1200,
        images=1100,
        labels={"tumour": 400, "no tumour": 800},
        sizes={(256, 256): 1000, (512, 512): 100},
        intensities=(50, 25, 25, 0),
        missing={"age": (300, 1200), "modality": (0, 1200)},
        copies=(("aa", "bb"),),
        near_copies=(("aa", "bb", "cc"), ("dd", "ee")),
        findings=(Finding("error", "damaged_image", "2 images do not decode", "leave them out", 2, ("aa", "bb")),),
    ),
    profile="basic: the strictest rules",
    actions=(ActionCount("(0010,0010) PatientName", "emptied", 1200),),
    quarantine=(QuarantineCount("burned_in_text", "may carry writing", 1, 20, 3),),
    anonymity=(TableAnonymity("person", 7, 2, ("gender", "year_of_birth"), 12),),
    duplicates=5,
    provenance=(("Source", "PACS NORTH"),),
    licence="internal",
    credit="Radiology",
    limitations=("One scanner only.",),
)
