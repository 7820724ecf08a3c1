"""FHIR Provenance of what was done to records: written beside a version's card, and beside clean files."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from importlib.metadata import version as installed
from pathlib import Path
from typing import Any

import msgspec

from hmchain.application.data.trial import PROVENANCE, Trial
from hmchain.application.site.hospital import HospitalFolder, Records
from hmchain.files import make_folder
from hmchain.records.catalogue import Received, Version
from hmchain.records.deidentification.profile import Profile
from hmchain.records.deidentification.report import LIFECYCLE, DeidentificationReport, agent
from hmchain.records.pipeline import clean_files


def write_of_version(records: Records, version: Version) -> Path:
    """Write the Provenance of a fixed version beside its card; returns its path. Raises `DiskFullError`."""
    return _write(records.folder.provenance(version.dataset, version.number), _of_version(records, version))


def _write(path: Path, made: dict[str, Any]) -> Path:
    with clean_files.writing(path):
        make_folder(path.parent, mode=0o700)
    clean_files.write(path, [_json(made)], durable=True)
    return path


def write_of_received(records: Records, version: Version, by: Received, root: bytes) -> Path:
    """The same of records that another hospital gave: whose they are, of which version by its root, by which grant.

    Raises `DiskFullError`.
    """
    made = _of_version(records, version)
    made["policy"].append(f"urn:hmchain:transfer:{by.chain_id}:{by.transfer}")
    made["activity"] = {"coding": [{"system": LIFECYCLE, "code": "receive", "display": "Receive/Retain"}]}
    made["agent"].append(agent("author", {"type": "Organization", "display": by.giver}))
    source = {"system": f"urn:hmchain:root:{by.chain_id}", "value": root.hex()}
    named = f"{by.giver}/{by.dataset} version {by.version}"
    made["entity"].append({"role": "source", "what": {"identifier": source, "display": named}})
    return _write(records.folder.provenance(version.dataset, version.number), made)


def write_of_trial(trial: Trial, folder: Path, profile: Profile, project: str, place: HospitalFolder) -> None:
    """Write the Provenance of clean files into their folder. Raises `DiskFullError`."""
    held = Counter[str]()
    for (code, _, _), count in trial.held.items():
        held[code] += count
    counts = trial.records.total(), held, trial.actions, trial.account.as_json()
    report = DeidentificationReport(profile, project, "", *counts)
    clean_files.write(
        folder / PROVENANCE,
        [_json(_provenance(report, f"clean files of {project}", place.organisation, datetime.now(UTC)))],
    )


def _of_version(records: Records, version: Version) -> dict[str, Any]:
    catalogue, name, number = records.catalogue, version.dataset, version.number
    dataset = catalogue.dataset(name)
    assert dataset is not None, "a version belongs to a dataset"
    held = Counter(item.code for item in catalogue.quarantine.items(name) if item.version == number)
    actions = Counter({(each.element, each.done): each.count for each in catalogue.actions(name, number)})
    root = version.root.hex() if version.root else ""
    account = catalogue.account(name, number)
    counts = version.records, held, actions, account.as_json() if account.files else {}
    report = DeidentificationReport(dataset.profile, dataset.project, root, *counts)
    fixed = datetime.fromtimestamp((version.closed_ms or version.created_ms) / 1000, UTC)
    return _provenance(report, f"{name}/{number}", records.folder.organisation, fixed)


def _provenance(report: DeidentificationReport, dataset: str, organisation: str, recorded: datetime) -> dict[str, Any]:
    return report.as_provenance(dataset, organisation, f"FL-HMChain {installed('hmchain')}", recorded)


def _json(resource: dict[str, Any]) -> bytes:
    return msgspec.json.format(msgspec.json.encode(resource), indent=2) + b"\n"
