"""What does extraction of FHIR cost: reading NDJSON, de-identifying and writing it again, over bare parsing alone?

Bare parsing is that of fhir.resources (R4B), the usual library, into its models and nothing more. Ours reads the same
file in blocks, applies the allow list with keyed pseudonyms and shifted dates, and writes canonical JSON. One thread
each; the ratio is our records/s over theirs, so above 1 means that the whole costs less than the usual parsing. The
canaries that are planted in FHIR go through the same rules; none may come out.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from fhir.resources.R4B import get_fhir_model_class
from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from hmchain.records.deidentification.canary import fhir as canaries
from hmchain.records.deidentification.canary.survivors import survivors
from hmchain.records.deidentification.fhir.deidentifier import FhirDeidentifier
from hmchain.records.deidentification.outcome import Clean
from hmchain.records.sources.fhir.files import FhirFiles
from support.health_records import ndjson, profile, pseudonyms, resources

TARGET = 1.0
OBSERVATIONS = 12
"""For each patient, beside an encounter and a condition."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer records and repetitions")
    parser.add_argument("--json", action="store_true", help="print one object")
    options = parser.parse_args()
    patients, repetitions = (400, 3) if options.quick else (4000, 5)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "all.ndjson"
        path.write_bytes(ndjson(resources(patients, OBSERVATIONS)))
        result = measure(path, repetitions)
    if options.json:
        print(json.dumps(result))
    else:
        show(result)


def measure(path: Path, repetitions: int) -> dict[str, object]:
    """Time both sides in turn, so that a busy machine disturbs both, and keep the best of each."""
    rules = {name: FhirDeidentifier(profile(name), pseudonyms()) for name in ("basic", "longitudinal")}
    sides: dict[str, Callable[[], int]] = {
        "parse": lambda: parse(path),
        "basic": lambda: extract(path, rules["basic"]),
        "longitudinal": lambda: extract(path, rules["longitudinal"]),
    }
    records = len(path.read_bytes().splitlines())
    best = dict.fromkeys(sides, float("inf"))
    for _ in range(repetitions):
        for name, side in sides.items():
            start = time.perf_counter()
            if side() != records:
                raise SystemExit(f"{name} did not get all {records} records")
            best[name] = min(best[name], time.perf_counter() - start)
    planted = canaries.plant()
    rates = {name: round(records / seconds) for name, seconds in best.items()}
    return {
        "name": "fhir_extraction",
        "ratio": round(rates["longitudinal"] / rates["parse"], 2),
        "unit": "records/s of extraction with shifted dates over bare parsing with fhir.resources",
        "target": TARGET,
        "records": records,
        "mib": round(path.stat().st_size / (1 << 20), 1),
        **{f"{name}_records_s": rate for name, rate in rates.items()},
        "canaries": sum(len(each.canaries) for each in planted),
        "survivors": sum(
            len(survivors(each, side.deidentify(each.item))) for each in planted for side in rules.values()
        ),
    }


def parse(path: Path) -> int:
    """Every line into its model."""
    count = 0
    with path.open("rb") as file:
        for line in file:
            kind = line[18 : line.index(b'"', 18)].decode()  # {"resourceType": "
            get_fhir_model_class(kind).model_validate_json(line)
            count += 1
    return count


def extract(path: Path, rules: FhirDeidentifier) -> int:
    """Every line de-identified, and its bytes made."""
    count = 0
    for item in FhirFiles(path).items(lambda name: False):
        for outcome in rules.deidentify(item):
            if isinstance(outcome, Clean):
                count += sum(1 for _ in outcome.pieces())
    return count


def show(result: dict[str, object]) -> None:
    table = Table(title=f"{result['records']:,} FHIR resources, {result['mib']} MiB")
    table.add_column("one thread")
    table.add_column("records/s", justify="right")
    for name, what in (
        ("parse", "fhir.resources, parsing alone"),
        ("basic", "extraction, profile basic"),
        ("longitudinal", "extraction, profile longitudinal"),
    ):
        table.add_row(what, f"{result[f'{name}_records_s']:,}")
    console = Console()
    console.print(table)
    console.print(f"{result['ratio']} times bare parsing; the target is at least {TARGET}.")
    console.print(f"{result['survivors']} of {result['canaries']} planted identifiers came out.")


if __name__ == "__main__":
    main()
