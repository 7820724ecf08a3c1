"""Security events of a hospital or its node, in the hospital's one log."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from hmchain import files
from hmchain.application.security import log
from hmchain.application.security.events import DONE, Event, Kind
from hmchain.application.site.hospital import HospitalFolder
from hmchain.application.site.node import NodeFolder
from hmchain.errors import HMChainError

Site = HospitalFolder | NodeFolder


def log_of(folder: Site) -> Path:
    """Where the log of a hospital lies, that of its node with it. Raises `NodeSettingsError`."""
    return folder.activity if isinstance(folder, HospitalFolder) else hospital_of(folder).activity


def hospital_of(node: NodeFolder) -> HospitalFolder:
    """The hospital of a node. Raises `NodeSettingsError`."""
    name = node.settings().organisation
    return HospitalFolder(name, node.hospital(name), node)


def record(folder: Site, event: Event) -> int:
    """Write an event down before what it tells of is done; returns its number.

    Raises `ActivityLogError`: then it is not to be done.
    """
    hospital = folder if isinstance(folder, HospitalFolder) else hospital_of(folder)
    files.make_folder(hospital.path, mode=0o700)
    return log.record(hospital.activity, event, hospital.organisation if hospital.is_named else "")


def note(folder: Site, event: Event) -> None:
    """Write an event down that has happened: where the log takes nothing, that undoes nothing."""
    with suppress(HMChainError, OSError):
        record(folder, event)


@contextmanager
def running(folder: Site, started: Kind, stopped: Kind, settings: str = "") -> Iterator[None]:
    """Note that a process runs, with the digest of the settings that it runs by, and how that ended."""
    note(folder, Event(started, digest=settings))
    outcome = DONE
    try:
        yield
    except BaseException as error:
        outcome = error.code if isinstance(error, HMChainError) else type(error).__name__
        raise
    finally:
        note(folder, Event(stopped, outcome=outcome))
