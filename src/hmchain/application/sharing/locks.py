"""Locks on what a hospital gives: one process sends at a time, and nobody clears what another counts on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from hmchain import files
from hmchain.application.site.hospital import HospitalFolder
from hmchain.errors import InputError


class GivingError(InputError):
    """Another process gives records of this hospital."""

    code = "giving"


@contextmanager
def alone(place: HospitalFolder) -> Iterator[None]:
    """Let nobody else give records of a hospital, or clear what was given. Raises `GivingError` if somebody does."""
    with files.hold(place.giving_lock, _refused(place)):
        yield


@contextmanager
def answering(place: HospitalFolder) -> Iterator[None]:
    """As `alone`, of emergencies, which wait for no other transfer: who clears what was given holds both."""
    with files.hold(place.answering_lock, _refused(place)):
        yield


def _refused(place: HospitalFolder) -> Callable[[str], GivingError]:
    def refused(holder: str) -> GivingError:
        what = f"{holder} gives records of {place.organisation}, or clears what was given"
        return GivingError(what, "wait for it to end, or stop it: the same command goes on where it stopped")

    return refused
