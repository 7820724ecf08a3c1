"""Every error a user can meet: one hierarchy, one code each, and the way out.

An error carries *public* text only: it names the thing (a file, a dataset, a block height), never a patient's data and
never a secret. `code` is stable and documented in `docs/errors.md`; `exit_code` is what a command ends with.
"""

from __future__ import annotations

from typing import ClassVar


class HMChainError(Exception):
    """Base of all errors of FL-HMChain.

    `what` names the thing that is wrong, `hint` is the way out.
    """

    code: ClassVar[str] = "hmchain"
    exit_code: ClassVar[int] = 1

    def __init__(self, what: str, hint: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.what} ({self.hint})" if self.hint else self.what


class InputError(HMChainError):
    """What the user gave cannot be used (exit 2)."""

    code = "input"
    exit_code = 2


class DataError(HMChainError):
    """The medical data cannot be used as it is (exit 3)."""

    code = "data"
    exit_code = 3


class StorageError(HMChainError):
    """An object is missing, altered or cannot be written (exit 4)."""

    code = "storage"
    exit_code = 4


class KeyMaterialError(HMChainError):
    """A key file cannot be opened or does not fit (exit 5)."""

    code = "key"
    exit_code = 5


class LedgerError(HMChainError):
    """The ledger cannot be opened, read or written (exit 6)."""

    code = "ledger"
    exit_code = 6


class AuditError(HMChainError):
    """An audit found that something does not hold (exit 7)."""

    code = "audit"
    exit_code = 7


class StudyError(HMChainError):
    """A study cannot go on (exit 8)."""

    code = "study"
    exit_code = 8


class UndecidedError(HMChainError):
    """What was sent to the ledger is not decided yet: it may still come about (exit 9)."""

    code = "undecided"
    exit_code = 9
