"""How long does a steward wait with a hundred thousand items in quarantine, and how many decisions are made a second?

Listed is a page, with how many there are of each sort, from a catalogue that is opened for it; chosen are the items of
a series, of a device, of a patient. Decided are ultrasound images of 512 x 512: released (de-identified, encrypted,
made durable, the copies erased), released with a part blanked, and rejected, each as `hmchain data quarantine` does it.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from pydicom.data import get_testdata_file
from rich.console import Console
from rich.table import Table

from hmchain.application.data import extraction, quarantine
from hmchain.application.data.quarantine import Choice
from hmchain.application.site import hospital
from hmchain.keys import SecretKey
from hmchain.records.catalogue import Catalogue, Dataset, HeldItem, ItemDone
from hmchain.records.catalogue.entries import PENDING
from hmchain.records.catalogue.held_filter import WAITING, HeldFilter
from hmchain.records.deidentification.profile import load_profile
from hmchain.records.pipeline.review import Reviewer
from hmchain.records.sources.opening import open_source
from hmchain.records.sources.request import SourceRequest

LIST_SECONDS_MAX, DECISIONS_MIN = 1.0, 50.0
LOOKED_AT = "blanked"
"""What comes out is looked at once more for writing, which takes as long as that takes."""
SIDE = 512
_ROWS = 5000


def fill(path: Path, local: SecretKey, count: int) -> None:
    """A catalogue in which so many items wait: 100 of a series, 20 devices, a patient in 500."""
    with Catalogue(path, local) as catalogue:
        catalogue.add_dataset(Dataset("scans", "Scans", "scans", load_profile("basic"), 0))
        catalogue.open_version("scans", "a folder", 0)
        for start in range(0, count, _ROWS):
            catalogue.add_items("scans", 1, [waiting(catalogue, start + number) for number in range(min(_ROWS, count))])


def waiting(catalogue: Catalogue, number: int) -> ItemDone:
    name = catalogue.projects.item_digest("scans", str(number))
    patient = f"{number // 500:032x}"
    code = ("burned_in_text", "no_pixel_data", "damaged")[number % 20 // 9]
    held = HeldItem(
        name, "scans", 1, "dicom", "", code, "its pixels may show a name", code != "damaged",
        series=f"{number // 100:032x}", modality=("US", "MR", "CT")[number % 3], device=f"{number % 20:032x}",
        patient=patient, content=name,
    )  # fmt: skip
    return ItemDone(name, held=held, held_subjects=(patient,))


def seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def list_times(folder: Path, count: int) -> dict[str, float]:
    local = SecretKey.generate()
    path = folder / "catalogue.db"
    fill(path, local, count)

    def ask(wanted: HeldFilter) -> None:
        with Catalogue(path, local) as catalogue:
            known = catalogue.quarantine
            known.count(wanted)
            known.page(wanted, quarantine.SHOWN)
            known.counts(wanted, 20)

    wanted = {
        "all": WAITING,
        "of a reason": HeldFilter(code="no_pixel_data", state=PENDING),
        "of a series": HeldFilter(series=f"{count // 200:032x}"[:32], state=PENDING),
        "of a device": HeldFilter(device=f"{7:032x}", state=PENDING),
        "of a patient": HeldFilter(patient=f"{count // 1000:032x}", state=PENDING),
    }
    return {name: min(seconds(lambda chosen=chosen: ask(chosen)) for _ in range(3)) for name, chosen in wanted.items()}


def screens(folder: Path, count: int) -> None:
    """Ultrasound images as a device writes them."""
    folder.mkdir()
    image = pydicom.dcmread(get_testdata_file("CT_small.dcm"))
    slope = np.add.outer(np.arange(SIDE), np.arange(SIDE)) // 8
    image.Modality, image.Rows, image.Columns = "US", SIDE, SIDE
    image.BitsAllocated, image.BitsStored, image.HighBit, image.PixelRepresentation = 8, 8, 7, 0
    image.BurnedInAnnotation = "YES"
    for number in range(count):
        image.SOPInstanceUID = image.file_meta.MediaStorageSOPInstanceUID = f"1.2.4.{number}"
        image.PixelData = ((slope + number % 100) % 256).astype(np.uint8).tobytes()
        image.save_as(folder / f"{number}.dcm")


def decisions(folder: Path, count: int) -> dict[str, float]:
    screens(folder / "export", 3 * count)
    place = hospital.create(folder / "north")
    with hospital.open_records(place) as records, open_source(SourceRequest(place=str(folder / "export"))) as source:
        found = extraction.extract_into(records, "scans", source)
        assert found.tally.held == 3 * count, found.tally
        ids = [held.item.hex() for held in records.catalogue.quarantine.items("scans")]
        who = [Reviewer("A reviewer")]
        parts = [Choice(tuple(ids[start : start + count])) for start in range(0, 3 * count, count)]
        taken = {
            "released": seconds(lambda: quarantine.release(records, parts[0], who)),
            LOOKED_AT: seconds(lambda: quarantine.release(records, parts[1], who, blank=lambda _: ((0, 0, 200, 20),))),
            "rejected": seconds(lambda: quarantine.reject(records, parts[2], who)),
        }
        left = records.catalogue.quarantine.count(WAITING)
        assert left == 0, f"{left} items still wait"
    return {name: count / each for name, each in taken.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a fifth of the items")
    parser.add_argument("--json", action="store_true", help="print one object")
    chosen = parser.parse_args()
    items, decided = (20_000, 100) if chosen.quick else (100_000, 500)
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as two:
        listed, made = list_times(Path(one), items), decisions(Path(two), decided)
    slowest, fewest = max(listed.values()), min(rate for name, rate in made.items() if name != LOOKED_AT)
    result = {
        "name": "quarantine",
        "ratio": round(min(LIST_SECONDS_MAX / slowest, fewest / DECISIONS_MIN), 3),
        "unit": f"the lesser of {LIST_SECONDS_MAX:.0f} s over a page, and decisions over {DECISIONS_MIN:.0f} a second",
        "target": 1.0,
        "items": items,
        "decided": decided,
        "list_seconds": listed,
        "decisions_per_second": made,
    }
    print(json.dumps(result)) if chosen.json else show(result)
    assert slowest < LIST_SECONDS_MAX and fewest >= DECISIONS_MIN


def show(result: dict[str, Any]) -> None:
    table = Table("what", "figure", "wanted")
    for name, value in result["list_seconds"].items():
        what, most = f"a page of {result['items']:,} items, {name}", f"< {LIST_SECONDS_MAX * 1000:.0f} ms"
        table.add_row(what, f"{value * 1000:.0f} ms", most)
    for name, value in result["decisions_per_second"].items():
        least = "" if name == LOOKED_AT else f">= {DECISIONS_MIN:.0f}"
        table.add_row(f"{name} of {result['decided']}", f"{value:.0f} a second", least)
    Console().print(table)


if __name__ == "__main__":
    main()
