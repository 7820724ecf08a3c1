"""How many patients' consents are decided a second, before a use of a version?

A register holds a consent for each patient of a version: to research, to biomedical research alone, to care alone,
refused, withdrawn, with an exception by purpose, and one in a hundred with a rule about data, for which each record of
the patient is opened. What is measured is the whole question, as a round of a study asks it: the consents are read from
the catalogue's file, opened, matched to pseudonyms, and decided; and once more for a dataset that goes by consent. The
yardstick is the file's rows read and unsealed alone. Target: 10 000 patients/s, by processor time.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from msgspec.structs import replace
from rich.console import Console
from rich.table import Table

from hmchain.application.consent.usable import Usable, Use, UseKind, usable
from hmchain.application.site import hospital
from hmchain.application.site.hospital import Records
from hmchain.records.catalogue import Dataset
from hmchain.records.consents.consent import Coding, Consent, Provision, Status
from hmchain.records.consents.purposes import ACT_REASON
from hmchain.records.consents.register import Basis, DatasetBasis
from hmchain.records.deidentification.patients import Patient
from hmchain.records.deidentification.profile import load_profile

TARGET = 10_000
DATASET = "cohort"
NOW_MS = 1_800_000_000_000
USE = Use(UseKind.TRAIN, ("HRESCH",), ("north",))
DATA_EVERY = 100


def purpose(*codes: str) -> tuple[Coding, ...]:
    """Purposes of ActReason."""
    return tuple(Coding(ACT_REASON, code) for code in codes)


def given(number: int) -> Consent:
    """The consent of one patient."""
    research = Provision(permits=True, purposes=purpose("HRESCH"))
    rules = (
        research,
        Provision(permits=True, purposes=purpose("BIORCH")),
        Provision(permits=True, purposes=purpose("TREAT", "HPAYMT", "HOPERAT")),
        Provision(permits=False, purposes=purpose("HRESCH")),
        replace(research, exceptions=(Provision(permits=False, purposes=purpose("CLINTRCH")),)),
    )
    rule = rules[number % len(rules)]
    if number % DATA_EVERY == 0:
        rule = replace(research, exceptions=(Provision(permits=False, codes=(Coding("http://loinc.org", "1-8"),)),))
    status = Status.INACTIVE if number % 7 == 0 else Status.ACTIVE
    return Consent(f"Consent/{number}", status, rule, NOW_MS - 10**9, ("http://example.org/policy",))


def filled(records: Records, patients: int) -> None:
    """A version of a record a patient, and a consent of each."""
    catalogue = records.catalogue
    catalogue.add_dataset(Dataset(DATASET, "Cohort", DATASET, load_profile("basic"), 0))
    made, people = catalogue.projects.pseudonyms(DATASET), [Patient(f"p{number}") for number in range(patients)]
    persons = [made.person(each) for each in people]
    catalogue.consents.add(((person, given(number)) for number, person in enumerate(persons)), NOW_MS)
    with records.vault.writer(DATASET, 1) as writer:
        for number, person in enumerate(persons):
            writer.put(f"{number:06d}", b"{}", made.subject_of(person))


def seconds(work: Callable[[], object], repeats: int) -> float:
    """Best of `repeats`, by processor time."""
    best = float("inf")
    for _ in range(repeats):
        start = time.process_time()
        work()
        best = min(best, time.process_time() - start)
    return best


def measure(patients: int, repeats: int) -> dict[str, Any]:
    """Processor time of reading and unsealing all consents, and of the whole question by opt-out and by consent."""
    with tempfile.TemporaryDirectory() as folder, hospital.open_records(hospital.create(Path(folder) / "n")) as records:
        filled(records, patients)
        found: list[Usable] = []

        def ask() -> None:
            found.append(usable(records, DATASET, 1, USE, NOW_MS))

        read = seconds(lambda: sum(1 for _ in records.catalogue.consents.entries()), repeats)
        by_optout = seconds(ask, repeats)
        records.catalogue.consents.set_basis(DATASET, DatasetBasis(Basis.CONSENT))
        by_consent = seconds(ask, repeats)
    slowest = max(by_optout, by_consent)
    return {
        "name": "consent_decisions",
        "ratio": read / slowest,
        "unit": "time to read and unseal the consents alone, over the time to decide by them",
        "target_patients_per_s": TARGET,
        "patients_per_s": patients / slowest,
        "patients": patients,
        "seconds": {"read and unsealed": read, "by opt-out": by_optout, "by consent": by_consent},
        "may_be_used": {"by opt-out": len(found[0].records), "by consent": len(found[-1].records)},
        "cores": os.cpu_count(),
    }


def show(result: dict[str, Any]) -> None:
    """The same as a table."""
    patients, read = result["patients"], result["seconds"]["read and unsealed"]
    table = Table("", "patients/s", "of unsealing alone", title=f"{patients:,} patients, a consent each")
    for name, taken in result["seconds"].items():
        table.add_row(name, f"{patients / taken:,.0f}", f"{read / taken:.2f}")
    console = Console()
    console.print(table)
    console.print("may be used: " + ", ".join(f"{count:,} {way}" for way, count in result["may_be_used"].items()))


def main() -> None:
    """Measure, print, and fail below the target."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="20 000 patients, once")
    parser.add_argument("--json", action="store_true", help="print one object")
    options = parser.parse_args()
    result = measure(20_000, 1) if options.quick else measure(100_000, 3)
    if options.json:
        print(json.dumps(result))
    else:
        show(result)
    if result["patients_per_s"] < TARGET:
        raise SystemExit(f"{result['patients_per_s']:,.0f} patients/s, and {TARGET:,} are the target")


if __name__ == "__main__":
    main()
