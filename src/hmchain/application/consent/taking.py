"""Take consents in: each under the digest that stands for its patient, in all projects and under all numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hmchain.clock import now_ms
from hmchain.records.catalogue import Catalogue
from hmchain.records.consents.reading import Given
from hmchain.records.consents.register import Added


@dataclass(frozen=True)
class AddedConsents:
    """What became of consents that were given."""

    new: int = 0
    changed: int = 0
    same: int = 0
    older: int = 0
    """Earlier editions than those that are known: passed over."""
    undecided: int = 0
    """Consents that say something that is not understood: their patients' records are not used."""
    doubts: tuple[str, ...] = ()
    """What that is, each once; nothing of a patient is in it."""
    unread: int = 0
    """Consents among other resources that cannot be read, or do not say whose they are."""
    strangers: int = 0
    """Of a file: consents of patients by whose numbers nobody is known here."""

    def __add__(self, other: AddedConsents) -> AddedConsents:
        return AddedConsents(
            self.new + other.new, self.changed + other.changed, self.same + other.same, self.older + other.older,
            self.undecided + other.undecided, tuple(sorted({*self.doubts, *other.doubts})), self.unread + other.unread,
            self.strangers + other.strangers,
        )  # fmt: skip


def take(catalogue: Catalogue, given: Sequence[Given]) -> AddedConsents:
    """Put consents into the register, all or none."""
    pairs = [(catalogue.patients.persons_of(each.patient)[0], each.consent) for each in given]
    became = catalogue.consents.add(pairs, now_ms())
    doubtful = [each.consent for each in given if each.consent.doubts]
    return AddedConsents(
        new=became[Added.NEW],
        changed=became[Added.CHANGED],
        same=became[Added.SAME],
        older=became[Added.OLDER],
        undecided=len(doubtful),
        doubts=tuple(sorted({doubt for each in doubtful for doubt in each.doubts})),
    )
