"""Whose records a study used at a hospital, over all its rounds."""

from __future__ import annotations

from hmchain.application.consent.study_cohorts import cohorts_used
from hmchain.application.site.hospital import HospitalFolder


def persons_used(place: HospitalFolder, study: str) -> frozenset[bytes]:
    """All persons, by keyed digest; nobody of a study that used no record."""
    return frozenset().union(*cohorts_used(place, study).cohorts)
