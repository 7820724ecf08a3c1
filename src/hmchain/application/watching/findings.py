"""What was found when a hospital's machine was looked at: a line a check, with the way out."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from hmchain.errors import (
    HMChainError,
    InputError,
    KeyMaterialError,
    LedgerError,
    StorageError,
)


class Verdict(StrEnum):
    """How it stands with what was looked at."""

    OK = "ok"
    WARN = "warn"
    """It works, and somebody should see to it."""
    FAIL = "fail"
    """Something does not work, or will not for long."""


class Subject(StrEnum):
    """What checks are about, in the order in which they are told."""

    INSTALLATION = "installation"
    SETTINGS = "settings"
    KEYS = "keys"
    CLOCK = "clock"
    PORTS = "ports"
    NETWORK = "network"
    ENGINE = "engine"
    LEDGER = "ledger"
    RULES = "rules"
    STORE = "store"
    DISK = "disk"
    CERTIFICATES = "certificates"
    AGENT = "agent"
    PORTAL = "portal"
    LOG = "log"
    BACKUP = "backup"


_FAMILIES: dict[Subject, type[HMChainError]] = {
    Subject.INSTALLATION: HMChainError,
    Subject.SETTINGS: InputError,
    Subject.KEYS: KeyMaterialError,
    Subject.PORTS: InputError,
    Subject.STORE: StorageError,
    Subject.DISK: StorageError,
    Subject.CERTIFICATES: InputError,
    Subject.PORTAL: InputError,
    Subject.LOG: StorageError,
    Subject.BACKUP: StorageError,
}
"""The family of errors that a failure is of; what stands not here is the ledger's."""


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at."""

    subject: Subject
    name: str
    """Of the check: the same in every version, for programs."""
    verdict: Verdict
    words: str
    way_out: str = ""
    """How to mend it, with the command; empty where nothing is to be done."""

    @property
    def exit_code(self) -> int:
        """What a command ends with over it."""
        return _FAMILIES.get(self.subject, LedgerError).exit_code if self.verdict is Verdict.FAIL else 0

    def __str__(self) -> str:
        return f"{self.words} ({self.way_out})" if self.way_out else self.words


@dataclass(frozen=True)
class Examination:
    """All that was looked at in one folder."""

    place: str
    organisation: str
    """Empty where the folder names none."""
    at_ms: int
    verdict: Verdict
    """The worst of all findings."""
    findings: tuple[Finding, ...]

    @property
    def exit_code(self) -> int:
        """That of the first failure; 0 if nothing failed."""
        return next((each.exit_code for each in self.findings if each.verdict is Verdict.FAIL), 0)

    def of(self, verdict: Verdict) -> tuple[Finding, ...]:
        """The findings of one verdict."""
        return tuple(each for each in self.findings if each.verdict is verdict)


def ok(subject: Subject, name: str, words: str) -> Finding:
    """Nothing is to be done."""
    return Finding(subject, name, Verdict.OK, words)


def warn(subject: Subject, name: str, words: str, way_out: str) -> Finding:
    """Somebody should see to it."""
    return Finding(subject, name, Verdict.WARN, words, way_out)


def fail(subject: Subject, name: str, words: str, way_out: str) -> Finding:
    """Something does not work."""
    return Finding(subject, name, Verdict.FAIL, words, way_out)


def failed(subject: Subject, name: str, error: HMChainError) -> Finding:
    """What an error of ours says."""
    return Finding(subject, name, Verdict.FAIL, error.what, error.hint)


def worst(findings: tuple[Finding, ...]) -> Verdict:
    """The worst verdict of them."""
    found = {each.verdict for each in findings}
    return next((each for each in (Verdict.FAIL, Verdict.WARN) if each in found), Verdict.OK)
