"""What an agent asks beside its open vault: which records a study may have, and whose they are.

The catalogue is opened for the question alone: commands of people change it meanwhile.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from hmchain.application.consent.persons import persons_of
from hmchain.application.consent.study_cohorts import StudyCohorts
from hmchain.application.consent.usable import Usable, Use, usable
from hmchain.application.site.hospital import HospitalFolder, Records
from hmchain.errors import DataError
from hmchain.keys import SecretKey
from hmchain.records.catalogue import Catalogue
from hmchain.records.consents.register import Basis
from hmchain.records.deidentification.patients import read_rule
from hmchain.records.vault import Vault


class ConsentsGoneError(DataError):
    """Records are of patients, and there is no catalogue that could say who of them objects."""

    code = "consents_gone"


class AtWork:
    """The records of one hospital as its agent has them."""

    def __init__(self, folder: HospitalFolder, vault: Vault, local: SecretKey) -> None:
        self._folder, self._vault, self._local = folder, vault, local

    def usable(self, dataset: str, version: int, use: Use, at_ms: int) -> Usable:
        """Which records a use may have now. Raises `ConsentsGoneError`, and as `usable`."""
        if not self._folder.catalogue.exists():
            return self._without_catalogue(dataset, version)
        with self._records() as records:
            return usable(records, dataset, version, use, at_ms)

    def note(self, study: str, round_: int, found: Usable, at_ms: int) -> None:
        """Write down whose records a round of a study uses, before it does. Raises `StudyCohortsError`."""
        cohorts = StudyCohorts(self._folder.study_cohorts)
        try:
            persons: Mapping[bytes, frozenset[bytes]] = {}
            if not cohorts.knows(found.stamp):
                with self._records() as records:
                    persons = persons_of(records, found)
            cohorts.note(study, round_, found.stamp, persons, found.dataset, found.version, at_ms)
        finally:
            cohorts.close()

    def _without_catalogue(self, dataset: str, version: int) -> Usable:
        """Records that a program put into the vault, as long as they are nobody's."""
        owners = self._vault.owners(dataset, version)
        if any(owners.values()):
            what = f"the records of dataset {dataset} are of patients, and the hospital's catalogue is gone"
            raise ConsentsGoneError(what, "restore the catalogue from a backup: it says who objects")
        return Usable(dataset, version, Basis.OPT_OUT, frozenset(owners), frozenset(), frozenset(), len(owners))

    @contextmanager
    def _records(self) -> Iterator[Records]:
        rule = read_rule(self._folder.path)
        with Catalogue(self._folder.catalogue, self._local, rule) as catalogue:
            yield Records(self._folder, self._vault, catalogue)
