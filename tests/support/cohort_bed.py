"""Four hospitals with people in FHIR, and counts of them: asked, allowed and run."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from msgspec.structs import replace

from hmchain.application.cohort.grammar import parse
from hmchain.application.models import counts
from hmchain.canonical import encode
from hmchain.ledger.contracts.data.applying import CreateRequest, SaveDraft, SubmitRequest
from hmchain.ledger.contracts.data.datasets import PublishVersion, RecordSchema, RegisterDataset
from hmchain.ledger.contracts.data.deciding import ApproveRequest
from hmchain.ledger.contracts.data.policies import SetPolicy
from hmchain.ledger.contracts.data.queries import CountPlan
from hmchain.ledger.contracts.data.requests import Content, DatasetVersion, Kind, Resources
from hmchain.ledger.contracts.learning import rounds, studies
from hmchain.ledger.contracts.learning.counting import ProposeCount
from hmchain.ledger.contracts.learning.studies import Status
from hmchain.records.catalogue import Catalogue
from support.policy_bed import TERMS
from support.study_bed import DEADLINES, START_MS, YEAR_MS, Bed

DATASET = "people"
SCHEMA = RecordSchema(("fhir",), ("application/fhir+json",))
WOMEN = {"centre": 20, "east": 30, "north": 40, "south": 4, "west": 50}
"""So many women each hospital has, and 60 men."""
MEN = 60
FIRST = "women"
BUDGET = 5_000_000


def found(directory: Path) -> Bed:
    """The consortium, with people in every hospital's vault and on the ledger."""
    bed = Bed.found(directory, 4)
    for name, hospital in bed.consortium.hospitals.items():
        people = ["female"] * WOMEN[name] + ["male"] * MEN
        records = {
            f"{number:04}": json.dumps({"resourceType": "Patient", "id": f"p{number}", "gender": sex}).encode()
            for number, sex in enumerate(people)
        }
        hospital.vault.put_many(DATASET, 1, records, subjects={record: f"subject {record}" for record in records})
        Catalogue(hospital.folder.catalogue, hospital.keys.local).close()
        root = hospital.vault.commit(DATASET, 1).root
        bed.consortium.require(hospital.as_steward(RegisterDataset(DATASET, SCHEMA)))
        bed.consortium.require(hospital.as_steward(PublishVersion(DATASET, 1, root, 64)))
        set_terms(bed, name)
    return bed


def set_terms(bed: Bed, name: str, **changes: object) -> None:
    """A hospital's own policy for its people."""
    bed.require(name, "steward", SetPolicy(DATASET, replace(TERMS, **({"epsilon_max_millionths": BUDGET} | changes))))


def plan_of(query: str, epsilon_millionths: int = 500_000) -> bytes:
    return encode(CountPlan(parse(query, 2026), epsilon_millionths))


def content_of(query: str, names: Sequence[str], **changes: object) -> Content:
    """What is asked for."""
    content = Content(
        kind=Kind.COUNT, purposes=("DUO:0000006",), diseases=(),
        datasets=tuple(DatasetVersion(each, DATASET, 1) for each in names), fields=(), labels=(), plan=plan_of(query),
        code=b"", colluders=1, resources=Resources(0, 1, 1), regions=(), commercial=False, publishes=False,
        until_ms=START_MS + YEAR_MS, documents=(),
    )  # fmt: skip
    return replace(content, **changes)


def ask(
    bed: Bed,
    name: str,
    query: str,
    names: Sequence[str] = (),
    *,
    by: str = "",
    approved_by: Sequence[str] | None = None,
    **changes: object,
) -> Content:
    """Ask all hospitals, or some; all of those that are asked allow it, or some."""
    asked, by = names or bed.names, by or bed.names[0]
    content = content_of(query, asked, **changes)
    for body in (CreateRequest(name), SaveDraft(name, content), SubmitRequest(name, content.digest)):
        bed.require(by, "scientist", body)
    for each in asked if approved_by is None else approved_by:
        bed.require(each, "steward", ApproveRequest(name, 1, content.digest, DATASET, content.until_ms))
    return content


def propose(bed: Bed, name: str, request: str = "", by: str = "") -> str:
    """The code with which a count of a request's name is taken."""
    return bed.submit(by or bed.names[0], "scientist", ProposeCount(name, request or name, DEADLINES))


def run(bed: Bed, name: str) -> int | None:
    """Run a count to its end; the people of all hospitals that took part, None if it has no sum."""
    for _ in range(1_000):
        if studies.require_study(bed.state, name).status in (*studies.OVER, Status.PAUSED):
            bed.step()
            return result(bed, name)
        bed.step()
    raise AssertionError(f"nothing came of count {name}: {studies.require_study(bed.state, name).progress}")


def result(bed: Bed, name: str) -> int | None:
    """The sum of a count, as an agent that took part opens it."""
    study = studies.require_study(bed.state, name)
    entry = rounds.round_(bed.state, name, 0)
    if entry is None or entry.posted is None or study.status is not Status.FINISHED:
        return None
    agent = bed.agent(entry.frozen[0])
    key = agent.study_key(name)
    assert key is not None
    mean = counts.opened_mean(study, entry, agent.exchange(name), key)
    return counts.of_mean(bed.state, study, mean).people
