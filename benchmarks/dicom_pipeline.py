"""How fast are DICOM files extracted, de-identified, encrypted and catalogued, over dicom-anonymizer alone?

Both sides read the same CT slices (512 x 512, 16 bits, a header of 258 elements, as a scanner writes it) and write to
the same medium. dicom-anonymizer only rewrites each file. The pipeline also finds the files, screens them, keys their
UIDs, encrypts them, makes them durable and enters them into the catalogue. The sides take turns, each in a process of
its own, so that a busy machine disturbs both; the rated figure is with one worker and in memory (`/dev/shm`), where no
disk decides. Memory is the greatest that a process ever held, after few files, after all, and after one large one: its
pixels are more than 2 GiB, every byte is written, and what the vault gives back is compared with them.

The sides above do not look for writing in pixels; one more does, on fewer files, since it takes several times as long.

The canaries of the gate go through both sides too, and through `deid` and `dicognito` if `--peers` names an interpreter
that has them: how many identifiers come out of each?
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import resource
import shutil
import struct
import subprocess
import tempfile
import time
import warnings
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from pydicom.data import get_testdata_file
from pydicom.uid import generate_uid
from rich.console import Console
from rich.table import Table

TARGET = 0.8
SIDE = 512
MEMORY = Path("/dev/shm")
LARGE_BYTES = (2 << 30) + (32 << 20)
"""More than 31 bits can count."""
FRAME_BYTES = 2 << 20
_ORIGIN = 1_700_000_000_000

PEER_SCRIPTS = {
    "deid": """
import sys, pathlib
from deid.config import DeidRecipe
from deid.dicom import replace_identifiers
files = [str(path) for path in sorted(pathlib.Path(sys.argv[1]).iterdir())]
for file in files:
    try:
        replace_identifiers(dicom_files=[file], deid=DeidRecipe(), output_folder=sys.argv[2], overwrite=True, save=True,
                            strip_sequences=False, remove_private=True)
    except Exception:
        pass
""",
    "dicognito": """
import sys, pathlib, pydicom
from dicognito.anonymizer import Anonymizer
anonymizer = Anonymizer()
for path in sorted(pathlib.Path(sys.argv[1]).iterdir()):
    try:
        dataset = pydicom.dcmread(path)
        anonymizer.anonymize(dataset)
        dataset.save_as(pathlib.Path(sys.argv[2]) / path.name)
    except Exception:
        pass
""",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer files")
    parser.add_argument("--json", action="store_true", help="print one object")
    parser.add_argument("--peers", metavar="PYTHON", help="an interpreter that has deid and dicognito")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    files, rounds, large = (120, 3, LARGE_BYTES // 8) if options.quick else (1000, 3, LARGE_BYTES)
    cores = len(os.sched_getaffinity(0))
    room = (files << 21) + 3 * large
    parent = MEMORY if MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > room else None
    with tempfile.TemporaryDirectory(prefix="dicom-benchmark-", dir=parent) as name:
        folder = Path(name)
        make_files(folder / "in", files)
        few = link(folder, max(files // 10, 1))
        speeds = measure(folder, rounds, cores)
        speeds["searching_pixels_1"] = speed(searching, few, folder, 1)
        memory = memory_of(folder, few, large)
        survivors = canaries(folder, options.peers)
    one = speeds["pipeline_1"] / speeds["dicom_anonymizer"]
    result = {
        "name": "dicom_pipeline",
        "ratio": round(one, 3),
        "unit": "files/s of the whole pipeline, one worker, over dicom-anonymizer alone",
        "target": TARGET,
        "files": files,
        "files_s": {side: round(speed, 1) for side, speed in speeds.items()},
        "scaling": round(speeds[f"pipeline_{cores}"] / speeds["pipeline_1"], 2),
        "cores": cores,
        "memory_mib": memory,
        "canaries": survivors,
        "where": "memory" if parent else "disk",
    }
    if options.json:
        print(json.dumps(result))
    else:
        show(result)


def make_files(folder: Path, count: int) -> None:
    """Slices of a phantom with noise, each with UIDs of its own."""
    folder.mkdir()
    dataset = pydicom.dcmread(get_testdata_file("CT_small.dcm"))
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    dataset.Rows = dataset.Columns = SIDE
    random = np.random.default_rng(1)
    row, column = np.mgrid[-1 : 1 : SIDE * 1j, -1 : 1 : SIDE * 1j]
    body = np.where(row**2 + column**2 < 0.7, 1040, 24)
    for number in range(count):
        noisy = body + random.integers(-20, 20, (SIDE, SIDE))
        dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = generate_uid(entropy_srcs=[str(number)])
        dataset.InstanceNumber = number
        dataset.PixelData = noisy.astype("<i2").tobytes()
        dataset.save_as(folder / f"{number:04}.dcm")


def measure(folder: Path, rounds: int, cores: int) -> dict[str, float]:
    """Files/s of each side: the best of its turns."""
    best: dict[str, float] = {}
    sides = {"dicom_anonymizer": 0, "pipeline_1": 1, f"pipeline_{cores}": cores}
    for _ in range(rounds):
        for side, workers in sides.items():
            found = speed(pipeline if workers else anonymizer, folder / "in", folder, workers)
            best[side] = max(best.get(side, 0.0), found)
    return best


def speed(work: Any, source: Path, folder: Path, workers: int) -> float:
    seconds, count, _ = alone(work, source, folder, workers)
    return count / seconds


def link(folder: Path, count: int) -> Path:
    """A folder with the first of the files."""
    few = folder / "few"
    few.mkdir()
    for path in sorted((folder / "in").iterdir())[:count]:
        os.link(path, few / path.name)
    return few


def memory_of(folder: Path, few: Path, large: int) -> dict[str, float]:
    """The greatest resident memory in MiB after a tenth of the files, after all, and after one large file."""
    big = folder / "large"
    big.mkdir()
    make_large(big / "large.dcm", large)
    found = {}
    for name, source in (("few_files", few), ("all_files", folder / "in"), (f"one_of_{large >> 20}_mib", big)):
        found[name] = alone(pipeline, source, folder, 1)[2]
    found["searching_few_files"] = alone(searching, few, folder, 1)[2]
    return found


def make_large(path: Path, size: int) -> None:
    """A multi-frame object; its frames are noise, no two alike, and no hole in the file."""
    dataset = pydicom.dcmread(get_testdata_file("CT_small.dcm"))
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    dataset.Rows = dataset.Columns = 1024
    dataset.NumberOfFrames = size // FRAME_BYTES
    dataset.PixelData = b""
    del dataset[0xFFFCFFFC]
    dataset.save_as(path)
    head = path.read_bytes()
    noise = np.random.default_rng(2).bytes(FRAME_BYTES)
    with path.open("wb") as file:
        file.write(head[:-4] + struct.pack("<L", size))
        for number in range(size // FRAME_BYTES):
            file.write(struct.pack("<Q", number) + noise[8:])


def alone(work: Any, source: Path, folder: Path, workers: int) -> tuple[float, int, float]:
    """Run one side in a new process, into a new folder: seconds, files, and the process's greatest memory in MiB."""
    with (
        tempfile.TemporaryDirectory(dir=folder) as out,
        ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool,
    ):
        result: tuple[float, int, float] = pool.submit(work, source, Path(out), workers).result()
        return result


def anonymizer(source: Path, out: Path, _: int) -> tuple[float, int, float]:
    from dicomanonymizer.simpledicomanonymizer import anonymize_dicom_file

    warnings.simplefilter("ignore")
    paths = sorted(source.iterdir())
    anonymize_dicom_file(str(paths[0]), str(out / "warm"))
    begin = time.perf_counter()
    for path in paths:
        anonymize_dicom_file(str(path), str(out / path.name))
    return time.perf_counter() - begin, len(paths), peak_mib()


def searching(source: Path, out: Path, workers: int) -> tuple[float, int, float]:
    return pipeline(source, out, workers, "basic")


def pipeline(source: Path, out: Path, workers: int, profile_name: str = "published") -> tuple[float, int, float]:
    from hmchain.keys import SecretKey
    from hmchain.records.catalogue import Catalogue, Dataset
    from hmchain.records.deidentification.dicom import DicomDeidentifier
    from hmchain.records.deidentification.profile import load_profile
    from hmchain.records.deidentification.pseudonyms import Pseudonyms
    from hmchain.records.objects import ObjectStore
    from hmchain.records.pipeline.extraction import Extraction
    from hmchain.records.sources.dicom.files import DicomFiles
    from hmchain.records.sources.item import DICOM
    from hmchain.records.vault import SecretKeyProvider, Vault

    profile = load_profile(profile_name)
    rules = {DICOM: DicomDeidentifier(profile, Pseudonyms(SecretKey.generate(), "benchmark"))}
    store = ObjectStore.directory(out / "objects")
    vault = Vault.create(out / "vault", store, SecretKeyProvider(SecretKey.generate()))
    with Catalogue(out / "catalogue.db", SecretKey.generate()) as catalogue:
        dataset = Dataset("ct", "CT", "benchmark", profile, _ORIGIN)
        catalogue.add_dataset(dataset)
        version = catalogue.open_version("ct", str(source), _ORIGIN)
        extraction = Extraction(catalogue, vault, dataset, version.number, rules)
        begin = time.perf_counter()
        tally = extraction.run(DicomFiles.at(source), workers=workers)
        seconds = time.perf_counter() - begin
        if tally.items == 1:
            (entry,) = catalogue.records("ct", 1)
            compare(next(source.iterdir()), vault.get_stream("ct", 1, entry.record), entry.size)
    if tally.held or tally.records != tally.items:
        raise SystemExit(f"{tally.held} of {tally.items} files were held")
    return seconds, tally.items, peak_mib()


def compare(path: Path, pieces: Iterable[Any], size: int) -> None:
    """See that a record of `size` bytes ends in the same pixels as the file that it was made of."""
    pixels = int(pydicom.dcmread(path, stop_before_pixels=True).NumberOfFrames) * FRAME_BYTES
    with path.open("rb") as file:
        file.seek(-pixels, os.SEEK_END)
        at = pixels - size  # of the next piece, counted from the first pixel
        for piece in pieces:
            mine = memoryview(piece)[max(-at, 0) :]
            at += len(piece)
            if file.read(len(mine)) != mine:
                raise SystemExit("the large object came back changed")
    if at != pixels:
        raise SystemExit("the large object came back cut short")


def peak_mib() -> float:
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1)


def canaries(folder: Path, peers: str | None) -> dict[str, int]:
    """Planted identifiers, and how many of them each tool lets through, of those objects that must come out clean."""
    from hmchain.records.deidentification.canary import selftest
    from hmchain.records.deidentification.canary.dicom import plant
    from hmchain.records.sources.item import DICOM

    planted = [entry for entry in plant() if not entry.held]
    source = folder / "planted"
    source.mkdir()
    for entry in planted:
        (source / f"{entry.item.name}.dcm").write_bytes(entry.item.open().read())
    found = {"planted": sum(len(entry.canaries) for entry in planted)}
    found["pipeline"] = len({(entry.item, entry.canary.place) for entry in selftest((DICOM,), ("basic",)).survivors})
    found["dicom_anonymizer"] = left(planted, source, anonymized(source, folder / "by dicom-anonymizer"))
    for name, script in PEER_SCRIPTS.items() if peers else ():
        out = folder / f"by {name}"
        out.mkdir()
        subprocess.run([peers, "-W", "ignore", "-c", script, source, out], check=True, capture_output=True, timeout=120)
        found[name] = left(planted, source, out)
    return found


def anonymized(source: Path, out: Path) -> Path:
    from dicomanonymizer.simpledicomanonymizer import anonymize_dicom_file

    out.mkdir()
    for path in source.iterdir():
        try:
            anonymize_dicom_file(str(path), str(out / path.name))
        except Exception as error:  # it does not read every object
            Console(stderr=True).print(f"dicom-anonymizer gives up on {path.name}: {type(error).__name__}")
            (out / path.name).unlink(missing_ok=True)
    return out


def left(planted: list[Any], source: Path, out: Path) -> int:
    """Canaries in a tool's files; an object that it gave nothing for counts as clean."""
    from hmchain.records.deidentification.canary.survivors import scan

    count = 0
    for entry in planted:
        path = out / f"{entry.item.name}.dcm"
        if path.exists():
            count += len(scan(path.read_bytes(), entry.canaries))
    return count


def show(result: dict[str, Any]) -> None:
    table = Table(title=f"{result['files']} CT files, in {result['where']}, files/s")
    for heading in ("side", "files/s", "over dicom-anonymizer"):
        table.add_column(heading, justify="right")
    base = result["files_s"]["dicom_anonymizer"]
    for side, speed in result["files_s"].items():
        table.add_row(side.replace("_", " "), f"{speed:.0f}", f"{speed / base:.2f}")
    console = Console()
    console.print(table)
    console.print(
        f"ratio {result['ratio']} (target {result['target']}), scaling {result['scaling']} on {result['cores']}"
    )
    console.print(
        "memory, MiB: " + ", ".join(f"{name.replace('_', ' ')} {mib}" for name, mib in result["memory_mib"].items())
    )
    console.print(
        "identifiers: " + ", ".join(f"{name.replace('_', ' ')} {count}" for name, count in result["canaries"].items())
    )


if __name__ == "__main__":
    main()
