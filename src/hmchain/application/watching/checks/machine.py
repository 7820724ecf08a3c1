"""The machine and what is installed on it: the program, its parts, CometBFT, room on the disk."""

from __future__ import annotations

import os
import platform
import shutil
import sys
from collections.abc import Iterator
from importlib import metadata, util

from hmchain.application.watching.findings import Finding, Subject, fail, failed, ok, warn
from hmchain.application.watching.place import Place
from hmchain.clock import DAY_MS, now_ms
from hmchain.ledger.engines.cometbft.process import CometBFTMissingError, find_binary
from hmchain.plain import size

EXTRAS = {
    "cometbft": ("httpx", "google.protobuf", "websockets"),
    "learning": ("torch", "safetensors", "PIL"),
    "data": ("pydicom", "pynetdicom", "polars", "gdcm"),
    "portal": ("fastapi", "uvicorn", "prometheus_client", "webauthn"),
}
"""The parts that may be left out, each with libraries that tell whether it is there."""
_NEEDED_FOR = {
    "cometbft": "a node does not run",
    "learning": "the agent trains nothing",
    "data": "no records are extracted",
    "portal": "API and pages are not served",
}
PYTHONS = ((3, 11), (3, 14))
"""From the first on, and before the second, as `pyproject.toml` says."""
FREE_BYTES_MIN, FREE_BYTES_FEW = 1 << 30, 5 << 30
DAYS_FEW = 30
_DAYS_TELLING = 2
"""A ledger that is younger tells nothing of how it grows."""


def installation(place: Place) -> Iterator[Finding]:
    """Python, this program, and the parts that this folder needs."""
    subject, here = Subject.INSTALLATION, sys.version_info[:2]
    words = f"hmchain {metadata.version('hmchain')} on Python {platform.python_version()}"
    if PYTHONS[0] <= here < PYTHONS[1]:
        yield ok(subject, "program", words)
    else:
        yield warn(subject, "program", f"{words}, which it is not tried on", "install it for Python 3.11 to 3.13")
    missing = [name for name, libraries in EXTRAS.items() if not all(map(_is_there, libraries))]
    for name in missing:
        needed = name == "cometbft" and place.network is not None
        tell = fail if needed else warn
        what = f"the part {name} is not installed: {_NEEDED_FOR[name]}"
        yield tell(subject, f"part.{name}", what, f"pip install 'hmchain[{name}]'")
    if not missing:
        yield ok(subject, "parts", f"all parts are installed: {', '.join(EXTRAS)}")


def _is_there(library: str) -> bool:
    try:
        return util.find_spec(library) is not None
    except ModuleNotFoundError:  # not even the package that it is in
        return False


def cometbft(place: Place) -> Iterator[Finding]:
    """The program that a node runs."""
    if place.settings is None:
        return
    try:
        found = find_binary(place.settings.cometbft)
    except CometBFTMissingError as error:
        yield failed(Subject.INSTALLATION, "cometbft", error)
    else:
        yield ok(Subject.INSTALLATION, "cometbft", f"CometBFT is {found}")


def disk(place: Place) -> Iterator[Finding]:
    """Room for what is to come, as fast as the ledger has grown."""
    subject = Subject.DISK
    usage = shutil.disk_usage(place.path if place.path.is_dir() else place.path.absolute().parent)
    words = f"{size(usage.free)} of {size(usage.total)} are free"
    if (days := _days_left(place, usage.free)) is not None:
        words += f", for {days} days as the ledger grows" if days < 10_000 else ""
    way_out = "free some, or move the folder to a larger disk while nothing runs in it"
    if usage.free < FREE_BYTES_MIN:
        yield fail(subject, "room", words, way_out)
    elif usage.free < FREE_BYTES_FEW or (days is not None and days < DAYS_FEW):
        yield warn(subject, "room", words, way_out)
    else:
        yield ok(subject, "room", words)
    if place.path.is_dir() and not os.access(place.path, os.W_OK | os.X_OK):
        what = f"{place.path} cannot be written by this user"
        yield fail(subject, "writable", what, "act as the user whose it is, or give it to this one")


def _days_left(place: Place, free: int) -> int | None:
    """None where nothing tells: there is no ledger, or a young one."""
    if place.node is None or place.network is None:
        return None
    days = (now_ms() - place.network.genesis.time_ms) / DAY_MS
    folders = (place.node.ledger, place.node.engine)
    grown = sum(each.lstat().st_size for folder in folders for each in folder.rglob("*") if each.is_file())
    return int(free / (grown / days)) if days >= _DAYS_TELLING and grown else None
