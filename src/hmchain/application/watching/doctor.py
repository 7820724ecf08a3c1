"""The examination of a hospital's folder and the machine that it is on: each check by itself, each with a way out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from hmchain.application.watching import findings
from hmchain.application.watching.checks import care, certificates, keys, machine, node, portal, stores
from hmchain.application.watching.findings import Examination, Finding, Subject
from hmchain.application.watching.place import Place
from hmchain.clock import now_ms
from hmchain.errors import HMChainError

Check = Callable[[Place], Iterator[Finding]]

CHECKS: tuple[tuple[Subject, Check], ...] = (
    (Subject.INSTALLATION, machine.installation),
    (Subject.SETTINGS, node.settings),
    (Subject.INSTALLATION, machine.cometbft),
    (Subject.KEYS, keys.keys),
    (Subject.CLOCK, node.clock),
    (Subject.PORTS, node.ports),
    (Subject.NETWORK, node.network),
    (Subject.ENGINE, node.engine),
    (Subject.LEDGER, node.ledger),
    (Subject.RULES, node.rules),
    (Subject.STORE, stores.stores),
    (Subject.DISK, machine.disk),
    (Subject.CERTIFICATES, certificates.of_store),
    (Subject.AGENT, care.agent),
    (Subject.PORTAL, portal.portal),
    (Subject.LOG, care.security_log),
    (Subject.BACKUP, care.backups),
)
"""In the order in which they are told."""


def examine(path: Path, passphrase: str | None = None) -> Examination:
    """Look at a node's folder, a hospital's, or one that holds neither; what is broken is a finding, never an error.

    An object is written into each store and deleted again; nothing else is changed. With the `passphrase` of the key
    files these are compared with the ledger.
    """
    place = Place(path, passphrase)
    found = _told_once([each for subject, check in CHECKS for each in _tried(subject, check, place)])
    return Examination(str(path), place.organisation, now_ms(), findings.worst(found), found)


def _tried(subject: Subject, check: Check, place: Place) -> Iterator[Finding]:
    """What a check finds, until something is wrong that it did not look for."""
    try:
        yield from check(place)
    except HMChainError as error:
        yield findings.failed(subject, error.code, error)
    except OSError as error:
        words = f"{error.filename or place.path}: {error.strerror or 'it cannot be read'}"
        yield findings.fail(subject, "unreadable", words, "check its owner, its mode, and the disk")


def _told_once(found: list[Finding]) -> tuple[Finding, ...]:
    """Without what several checks met: settings that cannot be read are told of once."""
    seen = dict[tuple[str, str], Finding]()
    for each in found:
        seen.setdefault((each.words, each.way_out), each)
    return tuple(seen.values())
