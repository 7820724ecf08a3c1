"""A steward's and a scientist's pages of a finished run: all that they link to is there, in both languages."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from starlette.testclient import TestClient

__all__ = ["run_directory"]
from support.finished_run import REFUSED_STUDY, STUDY, run_directory
from support.portal_client import Links, main_of, portal_of

BEGINS = (
    "/inbox", "/requests", "/steward/datasets", "/steward/quarantine", "/steward/consents", "/steward/log",
    "/steward/transfers", "/steward/emergencies", "/scientist/catalogue", "/scientist/counts", "/studies",
    "/studies-compared", "/models", "/releases",
)  # fmt: skip
PAGES_MAX = 120


@pytest.fixture(scope="module")
def portal(run_directory: Path) -> Iterator[TestClient]:
    with portal_of(run_directory) as found:
        yield found


def seen(portal: TestClient, path: str) -> str:
    found = portal.get(path)
    assert found.status_code == 200, main_of(found.text)
    return main_of(found.text)


@pytest.mark.parametrize("language", ["en", "de"])
def test_every_link_leads_somewhere(run_directory: Path, language: str) -> None:
    with portal_of(run_directory, language) as portal:
        waiting, done = list(BEGINS), set[str]()
        while waiting and len(done) < PAGES_MAX:
            path = waiting.pop()
            page = portal.get(path)
            assert page.status_code == 200, (path, main_of(page.text))
            ids = re.findall(r' id="([^"]*)"', page.text)
            assert len(ids) == len(set(ids)), (path, sorted(ids))
            assert "style=" not in page.text and "javascript:" not in page.text, path
            if language == "de":
                assert not (left := re.findall(r'<span lang="en">[^<]*', page.text)), (path, left)
            done.add(path)
            found = Links(page.text[page.text.index("<main") :]).found
            waiting += sorted(
                each for each in found if each not in done and each not in waiting and "/auditor" not in each
            )
        assert not waiting
        assert f"/studies/{STUDY}" in done and f"/requests/{STUDY}" in done and f"/models/{STUDY}" in done


def test_a_request_is_told_with_its_worst_and_each_hospitals_word(portal: TestClient) -> None:
    told = seen(portal, f"/requests/{REFUSED_STUDY}")
    assert "at worst" in told and "ethics" in told and "What you can do" not in told


def test_a_study_says_who_led_and_why(portal: TestClient) -> None:
    told = seen(portal, f"/studies/{STUDY}")
    assert "leads round 2" in told and "drawn again here: the same" in told and "Rounds it led" in told


@pytest.mark.network
def test_a_model_answers_with_what_its_answer_rests_on(portal: TestClient) -> None:
    card = seen(portal, f"/models/{STUDY}")
    assert "not a medical device" in card and "it has not left its hospitals" in card
    picture = BytesIO()
    Image.fromarray(np.full((40, 40), 90, np.uint8)).save(picture, "PNG")
    told = portal.post(f"/models/{STUDY}/ask", files={"image": ("scan.png", picture.getvalue(), "image/png")})
    assert told.status_code == 200, main_of(told.text)
    assert "Likeliest:" in main_of(told.text) and "not a medical device" in told.text
    sent = base64.b64decode(told.text.split("data:image/png;base64,")[1].split('"')[0])
    assert Image.open(BytesIO(sent)).size == (16, 16)
    refused = portal.post(f"/models/{STUDY}/ask", files={"image": ("scan.png", b"<svg/>", "image/png")})
    assert refused.status_code == 400 and "not an image" in main_of(refused.text)


def test_nothing_can_be_done_in_a_run(portal: TestClient) -> None:
    for path in (
        f"/requests/{STUDY}/approve",
        f"/releases/{STUDY}/grant",
        "/scientist/editor/new",
        "/steward/quarantine/begin",
    ):
        assert portal.post(path, data={}).status_code == 403, path
