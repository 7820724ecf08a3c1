"""Privacy and proof: what left the hospitals, and what the ledger shows of the run."""

from __future__ import annotations

import base64
import binascii

from hmchain.interfaces.report.parts.base import Count, Part, SummaryError

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"


class Departure(Part, frozen=True, kw_only=True):
    """Images and bytes that left one hospital during the run."""

    hospital: str
    update_bytes: int
    """Masked model updates."""
    transaction_bytes: int = 0
    images: int = 0


class Exposure(Part, frozen=True, kw_only=True):
    """One image as its hospital, the object store and the master see it: base64 of three PNG files.

    The original appears in the user's own report only; it is never part of the software.
    """

    original: str
    store: str
    master: str
    caption: str = ""

    def __post_init__(self) -> None:
        for name, text in (("original", self.original), ("store", self.store), ("master", self.master)):
            if not _is_png(text):
                raise SummaryError(f"the {name} picture is not a base64 PNG", "encode the PNG file's bytes with base64")


class Check(Part, frozen=True, kw_only=True):
    """One thing the audit looked at, and how many of it."""

    name: str
    count: int
    passed: bool = True


class TamperTest(Part, frozen=True, kw_only=True):
    """A copy of the ledger with one flipped bit: was it noticed, and named?"""

    where: str
    found: bool
    finding: str


class Audit(Part, frozen=True, kw_only=True):
    """The offline replay of the ledger."""

    passed: bool
    anchor: str
    """Digest that the replay was held against."""
    checks: tuple[Check, ...]
    not_proven: tuple[str, ...]
    seconds: float | None = None
    tamper: TamperTest | None = None
    command: str = ""


class LineageDataset(Part, frozen=True, kw_only=True):
    """A dataset version that went into the model, on whose permission."""

    hospital: str
    digest: str
    approval: str
    """Hash of the approving transaction."""
    withdrawn: str = ""
    """Hash of the transaction that withdrew the version since, because records of it were erased."""


class Lineage(Part, frozen=True, kw_only=True):
    """The origin of the model, read back from the ledger alone."""

    study: str
    datasets: tuple[LineageDataset, ...]
    code_digest: str
    rounds_accepted: int
    masters: tuple[Count, ...]
    model_digest: str
    model_transaction: str = ""


class LedgerStatistics(Part, frozen=True, kw_only=True):
    """The size of the ledger."""

    blocks: int
    transactions: int
    bytes: int
    validators: int
    tolerated: int
    """Dishonest validators that it withstands."""
    refused: int = 0
    kinds: tuple[Count, ...] = ()
    """Transactions of each kind."""


class Timing(Part, frozen=True, kw_only=True):
    """The duration of one stage."""

    stage: str
    seconds: float


def _is_png(text: str) -> bool:
    try:
        return base64.b64decode(text, validate=True).startswith(PNG_SIGNATURE)
    except (binascii.Error, ValueError):
        return False
