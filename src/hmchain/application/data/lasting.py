"""Decisions that last: what was decided for contents and devices, by whom and when, and how it is taken back.

To take one back lets nothing through: what it was about waits for a person again. So one person is enough, as for a
rejection; to let it through takes as many people as the profile wants, again.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from hmchain.application.data.devices import device_rules
from hmchain.application.site.activity import Deed, What, recorded
from hmchain.application.site.hospital import Records
from hmchain.records.catalogue.decisions import LastingDecision
from hmchain.records.pipeline.devices import DeviceRule
from hmchain.records.pipeline.review import NotHeldError


@dataclass(frozen=True)
class Lasting:
    """The last decisions, and all devices."""

    decisions: tuple[LastingDecision, ...]
    """The latest first."""
    total: int
    """Decisions that there are."""
    devices: tuple[DeviceRule, ...]


def lasting(records: Records, limit: int = 100) -> Lasting:
    """What lasts."""
    known = records.catalogue.quarantine.decisions
    return Lasting(known.latest(limit), known.count(), device_rules(records))


def take_back(records: Records, prefixes: Iterable[str], person: str) -> int:
    """Take decisions back by the first letters of their ids; returns how many. Raises `NotHeldError` before any."""
    known = records.catalogue.quarantine.decisions
    contents = set()
    for prefix in prefixes:
        found = known.beginning(prefix)
        if len(found) != 1:
            what = f"{'several decisions begin' if found else 'no decision begins'} with {prefix!r}"
            raise NotHeldError(what, "`hmchain data quarantine decisions` shows them")
        contents.update(found)
    with recorded(records.folder.activity, Deed(What.TAKE_BACK, person=person)) as deed:
        count = known.forget(contents)
        deed.add(items=count)
    return count


def take_device_back(records: Records, number: int, person: str, since_ms: int | None = None) -> DeviceRule:
    """Take the device of this number, from 1, off the list: its images are held again.

    `since_ms` is that of the rule that is meant, if the list may have changed. Raises `NotHeldError`.
    """
    known = device_rules(records)
    if not 1 <= number <= len(known) or since_ms not in (None, known[number - 1].since_ms):
        raise NotHeldError(f"there is no device {number} on the list", "`hmchain data quarantine devices` shows them")
    with recorded(records.folder.activity, Deed(What.TAKE_BACK, person=person, kind="device")):
        records.catalogue.quarantine.decisions.drop_votes(known[number - 1].votes)
    return known[number - 1]
