"""The hospital's own list of devices whose images are blanked, instead of being held, since reviewers said so."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import msgspec

from hmchain.application.site import persons
from hmchain.application.site.hospital import Records
from hmchain.clock import now_ms
from hmchain.records.catalogue import Dataset
from hmchain.records.deidentification.profile import BlankedDevice
from hmchain.records.pipeline import devices
from hmchain.records.pipeline.decided import persons_of
from hmchain.records.pipeline.devices import DeviceRule
from hmchain.records.pipeline.review import Needs, Reviewer


def device_rules(records: Records, *beside: Dataset) -> tuple[DeviceRule, ...]:
    """The devices on the list, the oldest first, with those that wait for another person.

    A rule is about every dataset, so that it takes as many people as the strictest of them wants, or of those `beside`.
    """
    said = records.catalogue.quarantine.decisions.device_votes()
    if not said:
        return ()
    needed = max(persons_of(each) for each in (*records.catalogue.datasets(), *beside))
    people = frozenset(person.key.raw for person in persons.known(records.folder))
    return devices.rules(said, Needs(needed, people))


def blank_from_now_on(records: Records, device: BlankedDevice, who: Iterable[Reviewer]) -> bool:
    """Write down that people want images of a device blanked; returns whether that is enough of them."""
    said = devices.votes(device, who, now_ms())
    records.catalogue.quarantine.decisions.blank_from_now_on(said)
    return any(rule.in_force for rule in device_rules(records) if said[0] in rule.votes)


def blanking(records: Records, dataset: Dataset) -> Dataset:
    """The same with the devices in its profile that reviewers of this hospital have had blanked from then on."""
    own = tuple(rule.device for rule in device_rules(records, dataset) if rule.in_force)
    if not own:
        return dataset
    profile = dataset.profile
    dicom = msgspec.structs.replace(profile.dicom, blank=(*profile.dicom.blank, *own))
    return replace(dataset, profile=msgspec.structs.replace(profile, dicom=dicom))
