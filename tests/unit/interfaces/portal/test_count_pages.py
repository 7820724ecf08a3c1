"""A count that waits for a person: looked at in the hospital's own records, then decided on its request's page."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from msgspec.structs import replace

from hmchain.application.data import publication
from hmchain.application.site.hospital import open_records
from hmchain.ledger.contracts.data.policies import SetPolicy
from hmchain.ledger.contracts.data.requests import DatasetVersion
from support import cohort_bed, consent_bed
from support.cohort_bed import BUDGET, FIRST
from support.health_records import patient
from support.policy_bed import TERMS
from support.portal_bed import PortalBed
from support.request_bed import RequestBed

STEWARD, SCIENTIST = "north/steward", "north/scientist"
PAGE = f"/scientist/counts/{FIRST}"
PEOPLE = 6


@pytest.fixture(scope="module")
def portal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PortalBed]:
    place = tmp_path_factory.mktemp("counts")
    asking = RequestBed(cohort_bed.found(place / "run"), place)
    file = place / "export.ndjson"
    file.write_text("\n".join(json.dumps(patient(number)) for number in range(PEOPLE)))
    own = asking.bed.consortium.hospitals["north"].folder
    consent_bed.extract(own, file)
    with open_records(own) as records:
        version = publication.fix(records, consent_bed.DATASET)
        publication.publish(asking.user(STEWARD), version, publication.schema_of(records, version))
    asking.user(STEWARD).send(SetPolicy(consent_bed.DATASET, replace(TERMS, epsilon_max_millionths=BUDGET)))
    others = [DatasetVersion(name, cohort_bed.DATASET, 1) for name in ("east", "west")]
    asked = (others[0], DatasetVersion("north", consent_bed.DATASET, 1), others[1])
    cohort_bed.ask(asking.bed, FIRST, "female or male", approved_by=(), datasets=asked)
    made = PortalBed(asking, place / "nodes")
    yield made
    made.close()


@pytest.mark.network
def test_a_steward_looks_and_allows_it(portal: PortalBed) -> None:
    assert "what this hospital would answer" in portal.page(STEWARD, f"/requests/{FIRST}")
    assert "See what this hospital would answer" in portal.page(STEWARD, PAGE)
    assert "See what this hospital would answer" not in portal.page(SCIENTIST, PAGE)
    portal.send(SCIENTIST, f"{PAGE}/check", status=403)
    told = portal.send(STEWARD, f"{PAGE}/check", status=200).text
    assert f"<b>{PEOPLE}</b>" in told and "too few: it sits out" in told
    portal.act(STEWARD, f"/requests/{FIRST}/approve", {"version": 1, "unread": "yes"})
    assert "allowed by north" in portal.page(STEWARD, PAGE)
