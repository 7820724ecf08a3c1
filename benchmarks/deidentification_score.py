"""How much of what must become of a collection does de-identification do, by the ten actions of the MIDI-B challenge?

The collection is composed: 320 patients in ten modalities with names of many languages, descriptions as vendors and
technicians write them, and writing in the pixels of some; its key says of each element what must become of it. What
protects and is not done is a leak; what is removed without need counts as well. The ratio is the share of required
actions that is done under the profile `tcia`, over the 99.9 % that we want.
"""

from __future__ import annotations

import argparse
import json
import time

from rich.console import Console
from rich.table import Table

from hmchain.application.data import scoring
from hmchain.records.deidentification.score.score import as_table

WANTED = 0.999
QUICK_PATIENTS = 60


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--quick", action="store_true", help="fewer patients; ends within 45 s")
    arguments.add_argument("--json", action="store_true", help="print one JSON object")
    arguments.add_argument("--profile", default=scoring.PROFILE)
    given = arguments.parse_args()
    patients, begun = QUICK_PATIENTS if given.quick else scoring.PATIENTS, time.perf_counter()
    score = scoring.score_composed(patients, given.profile).score
    seconds = time.perf_counter() - begun
    found = {
        "name": "deidentification_score",
        "ratio": round(score.share / WANTED, 5),
        "unit": "share of required actions done, over 99.9 %",
        "patients": patients,
        "profile": given.profile,
        "share": score.share,
        "leaks": score.leaks,
        "actions": {name: {"done": done, "required": of} for name, (done, of) in as_table(score).items()},
        "objects": score.objects,
        "reviewed": score.reviewed,
        "missing": dict(score.missing),
        "seconds": round(seconds, 1),
    }
    if given.json:
        print(json.dumps(found))
        return
    table = Table("required", "done", "of", "share", title=f"{patients} composed patients, profile {given.profile}")
    for name, (done, of) in as_table(score).items():
        if of:
            table.add_row(name, str(done), str(of), f"{done / of:.2%}")
    console = Console()
    console.print(table)
    for action, path, count in list(scoring.failures(score))[:20]:
        console.print(f"{action} of {path}: not done {count} times")
    console.print(
        f"{score.share:.3%} of {score.required.total()} required actions, {score.leaks} leaks; ratio {found['ratio']};"
        f" {score.objects} objects, {score.reviewed} past a reviewer, {seconds:.0f} s"
    )


if __name__ == "__main__":
    main()
