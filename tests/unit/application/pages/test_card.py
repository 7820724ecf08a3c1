"""The dataset card: complete, self-contained, escaped, and honest about what follows from the data."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hmchain.application.pages.card import to_html
from hmchain.records.card import (
    break_down,
    limitations,
    to_json,
)
from support.html_page import Page
from support.sample_cards import EMPTY, FULL


def test_everything_that_is_known_is_on_the_page() -> None:
    words = Page(to_html(FULL)).text.replace("\N{NARROW NO-BREAK SPACE}", " ")
    for text in (
        "Brain MRI", "brain, version 3, north", "1 200", "5.4 GB", "MR (all)", "tumour", "256 × 256", "Missing values",
        "2 images do not decode", "Groups of nearly the same images 2", "3 images", "(0010,0010) PatientName",
        "may carry writing", "year_of_birth", "PACS NORTH", "ab" * 32, "internal", "Radiology", "One scanner only.",
        "not a medical device", "for use inside the organisation",
    ):  # fmt: skip
        assert text in words, text


def test_an_empty_dataset_has_a_card_too() -> None:
    page = Page(to_html(EMPTY))
    assert "Nothing stands out." in page.text and page.all("svg") == []
    assert json.loads(to_json(EMPTY))["records"] == 0


def test_the_page_fetches_nothing_and_runs_nothing() -> None:
    html = to_html(FULL)
    page = Page(html)
    assert not {name for name, _ in page.tags} & {"script", "link", "img", "iframe", "object", "form", "a"}
    assert not re.search(r"https?:|url\(|@import|javascript:", html)
    policy = next(attrs["content"] for name, attrs in page.tags if attrs.get("http-equiv"))
    assert policy is not None and policy.startswith("default-src 'none'")


def test_every_drawing_is_named_and_has_its_figures_in_a_table() -> None:
    page = Page(to_html(FULL))
    drawings = [attrs for name, attrs in page.tags if name == "svg"]
    assert len(drawings) == len(page.all("figure")) == len(page.all("details")) == 5
    assert all(attrs["role"] == "img" and attrs["aria-label"] for attrs in drawings)
    assert len(page.all("caption")) == len(page.all("table")) >= 5
    html = to_html(FULL)
    for figure in re.findall(r"<figure .*?</figure>", html, re.DOTALL):
        assert "<table" in figure and 'scope="row"' in figure
    assert 'lang="en"' in html and html.count("<h1>") == 1
    assert "prefers-color-scheme: dark" in html


@given(st.text(alphabet=st.sampled_from("<>&\"'/=scriptonload "), min_size=1, max_size=40))
@settings(max_examples=40)
def test_no_text_becomes_markup(text: str) -> None:
    hostile = replace(
        FULL,
        title=text,
        description=text,
        breakdowns={text: {text: 3, text + "2": 4}},
        assessment=replace(FULL.assessment, labels={text: 1, text + "b": 2}, missing={text: (1, 2)}),
        provenance=((text, text),),
        limitations=(text,),
    )
    harmless = Page(to_html(replace(hostile, title="x", description="x", provenance=(("x", "x"),), limitations=("x",))))
    page = Page(to_html(hostile))
    assert [name for name, _ in page.tags] == [name for name, _ in harmless.tags]
    assert text in page.words


def test_many_values_are_joined_in_the_drawing_and_listed_in_the_table() -> None:
    labels = {f"class {number:02}": 100 - number for number in range(40)}
    html = to_html(replace(FULL, assessment=replace(FULL.assessment, labels=labels)))
    drawing = next(found for found in re.findall(r"<svg.*?</svg>", html, re.DOTALL) if "records by label" in found)
    assert drawing.count("<rect") == 16 and "25 others" in drawing
    assert "class 39" not in drawing and "class 39" in html


def test_the_json_holds_what_the_page_shows() -> None:
    content = json.loads(to_json(FULL))
    assert content["format"] == "hmchain dataset card 1"
    assert content["assessment"]["sizes"][0] == {"rows": 256, "columns": 256, "images": 1000}
    assert content["assessment"]["missing"]["age"] == {"missing": 300, "of": 1200}
    assert content["quarantine"][0] | {"code": ""} == {
        "code": "", "reason": "may carry writing", "pending": 1, "released": 20, "rejected": 3,
    }  # fmt: skip
    assert content["limitations"] == [*limitations(FULL), "One scanner only."]
    assert to_json(FULL) == to_json(replace(FULL, kinds=dict(FULL.kinds)))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"subjects": 1200}, "both sides of a split"),
        ({"licence": ""}, "No licence is stated"),
        ({"assessment": replace(FULL.assessment, labels={})}, "no labels"),
        ({"breakdowns": {"sex": {"F": 1200}}}, "All records have the sex F"),
    ],
)
def test_limits_follow_from_the_data(change: dict[str, object], words: str) -> None:
    assert not any(words in text for text in limitations(FULL))
    assert any(words in text for text in limitations(replace(FULL, **change)))  # type: ignore[arg-type]


def test_records_are_counted_by_their_attributes() -> None:
    rows = [{"modality": "MR", "sex": "F", "other": "x"}, {"modality": "CT"}, {"modality": "MR", "sex": ""}]
    assert break_down(rows) == {"modality": {"MR": 2, "CT": 1}, "sex": {"F": 1}}
    many = break_down({"modality": f"M{number}"} for number in range(500))
    assert len(many["modality"]) == 201 and many["modality"]["others"] == 300
