"""The report page: well-formed, self-contained, escaped, and equal to the summary that it shows."""

from __future__ import annotations

import itertools
import re

import msgspec
import pytest

from hmchain.interfaces.report import RunSummary, SummaryError, from_json, render, to_json
from hmchain.interfaces.report.parts import Estimate, Exposure, Hospital, HospitalResult, Metrics, RunIdentity
from hmchain.interfaces.report.reader import ReportReader
from hmchain.interfaces.report.summary import OtherSchemaError
from support.html_page import Page
from support.synthetic_run import synthetic_summary

HOSTILE = """<script>alert("1")</script>'&"</style>"""


@pytest.fixture(scope="module")
def summary() -> RunSummary:
    return synthetic_summary()


@pytest.fixture(scope="module")
def page(summary: RunSummary) -> Page:
    return Page(render(summary))


def bare(classes: int = 2, hospitals: int = 3) -> RunSummary:
    identity = RunIdentity(
        dataset="d",
        seed=0,
        classes=tuple(f"c{number}" for number in range(classes)),
        chain_id="chain",
        genesis_digest="ab",
        model_digest="cd",
        finished="unknown",
    )
    wards = tuple(Hospital(name=f"H{number}", class_counts=(0,) * classes) for number in range(hospitals))
    return RunSummary(identity=identity, hospitals=wards)


# --- form -----------------------------------------------------------------------------------------------------------


def test_page_is_well_formed_with_unique_ids_and_living_links(page: Page) -> None:
    ids = [attributes["id"] for _, attributes in page.tags if attributes.get("id")]
    assert len(ids) == len(set(ids))
    for link in page.all("a"):
        assert str(link["href"]).removeprefix("#") in ids
    for _, attributes in page.tags:
        if "aria-labelledby" in attributes:
            assert attributes["aria-labelledby"] in ids


def test_page_refers_to_nothing_outside_itself(summary: RunSummary, page: Page) -> None:
    text = render(summary)
    assert not re.search(r"https?://|@import|url\(|<link|<iframe|<object", text)
    for tag, attributes in page.tags:
        for name in ("src", "href", "srcset", "poster", "data", "action", "xlink:href"):
            value = attributes.get(name)
            assert value is None or value.startswith(("#", "data:image/png;base64,")), f"<{tag} {name}={value}>"


def test_every_chart_has_a_name_and_a_table_behind_it(summary: RunSummary, page: Page) -> None:
    pictures = [attributes for attributes in page.all("svg") if attributes.get("role") == "img"]
    assert len(pictures) == 9
    assert all(len(str(picture["aria-label"])) > 20 for picture in pictures)
    charts = re.findall(r'<figure class="chart">.*?</figure>', render(summary), re.DOTALL)
    assert len(charts) == len(pictures)
    assert all("<table" in chart and "<caption>" in chart for chart in charts)
    assert all(attributes.get("aria-hidden") for attributes in page.all("svg") if not attributes.get("role"))
    assert all(attributes.get("alt") for attributes in page.all("img"))


def test_headings_never_skip_a_level(page: Page) -> None:
    levels = [int(tag[1]) for tag, _ in page.tags if re.fullmatch(r"h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels))


def test_content_security_policy_allows_our_script_only(summary: RunSummary) -> None:
    text = render(summary)
    policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]+)"', text)
    assert policy is not None
    assert "default-src &#39;none&#39;" in policy[1]
    assert "script-src &#39;sha256-" in policy[1]
    assert text.count("<script") == 1
    assert not re.search(r"<[^>]+\son[a-z]+=", text)


# --- content --------------------------------------------------------------------------------------------------------


def test_warnings_and_identity_are_shown(summary: RunSummary, page: Page) -> None:
    assert "Research use only, not a medical device." in page.text
    assert summary.notice in page.text
    for shown in (summary.identity.chain_id, summary.identity.genesis_digest, summary.identity.model_digest):
        assert shown in page.text
    assert "simulated in one process" in page.text
    assert "No differential privacy was added." in page.text
    for verdict in summary.verdicts:
        assert verdict.sentence in page.text


def test_numbers_shown_equal_numbers_in_the_summary(summary: RunSummary, page: Page) -> None:
    cells = {" ".join(cell.split()) for cell in page.cells}
    assert summary.results is not None
    for one in summary.results.hospitals:
        for estimate in (one.own.auc, one.own.acc, one.federated.auc, one.federated.acc):
            assert f"{estimate.value:.3f} {estimate.low:.3f}–{estimate.high:.3f}" in cells
    assert summary.performance is not None
    for row in summary.performance.confusion:
        for count in row:
            assert f"{count} {100 * count / sum(row):.1f} %" in cells
    for turn in summary.rounds:
        assert f"{turn.auc:.3f}" in cells
        assert f"{turn.acc:.3f}" in cells
    for hospital in summary.hospitals:
        assert {str(hospital.training), str(hospital.validation), str(hospital.metadata_removed)} <= cells
    for point in summary.reputation:
        assert {f"{score:,}".replace(",", " ") for score in (*point.consensus, *point.learning)} <= cells


def test_incidents_are_told_with_their_evidence(summary: RunSummary, page: Page) -> None:
    for incident in summary.incidents:
        assert incident.sentence in page.text
        assert any(attributes.get("title") == incident.transaction for attributes in page.all("code"))
    assert "Chunk 417" in page.text
    assert "5.3 kB" in page.text
    assert "round 3: Cork cheated; round 8: Aarhus was silent" in page.text


def test_returned_and_refused_study_tamper_test_and_lineage_are_shown(summary: RunSummary, page: Page) -> None:
    (returned,) = summary.returned
    assert f"{returned.by} returned version 1 of brain-tumour-1 for changes in block 4 (reason: documents)" in page.text
    assert "commercial-screening" in page.text
    assert "✕ refused" in page.text
    assert "✓ found and named" in page.text
    assert "block 57: transaction 3 does not match the block's transaction root" in page.text
    assert "What it does not prove" in page.text
    assert "Datasets and approvals" in page.text


def test_who_withdrew_and_what_hospitals_measured_before_the_model_left_is_told(
    summary: RunSummary, page: Page
) -> None:
    gone, release = summary.withdrawal, summary.release
    assert gone is not None and release is not None
    assert f"A patient of {gone.hospital} withdrew consent while the study ran: 3 images" in page.text
    assert f"{release.refused_by} refused at first (disclosure)" in page.text
    assert f"all {len(release.words)} hospitals let it leave for members, in block 61" in page.text
    assert page.text.count("0.012 (0.004–0.031)") == len(release.words)
    unmeasured = msgspec.structs.replace(release.words[0], auc=None, rate=None, decision="refused")
    inside = msgspec.structs.replace(release, words=(unmeasured, *release.words[1:]))
    drawn = render(msgspec.structs.replace(summary, release=inside, withdrawal=None))
    assert "not said" in drawn and "stays inside" in drawn and "withdrew consent" not in drawn


def test_a_dataset_that_was_withdrawn_since_is_told(summary: RunSummary) -> None:
    assert summary.lineage is not None and "withdrawn since" not in render(summary)
    first, *others = summary.lineage.datasets
    datasets = (msgspec.structs.replace(first, withdrawn="ab" * 32), *others)
    changed = msgspec.structs.replace(summary, lineage=msgspec.structs.replace(summary.lineage, datasets=datasets))
    assert render(changed).count("withdrawn since") == 1


def test_the_smallest_gain_is_the_one_marked() -> None:
    def result(name: str, own: float, joint: float) -> HospitalResult:
        def metrics(value: float) -> Metrics:
            return Metrics(auc=Estimate(value=value), acc=Estimate(value=value))

        return HospitalResult(hospital=name, own=metrics(own), federated=metrics(joint))

    full = synthetic_summary(hospitals=3)
    results = msgspec.structs.replace(
        full.results, hospitals=(result("A", 0.8, 0.9), result("B", 0.9, 0.88), result("C", 0.7, 0.9))
    )
    page = Page(render(msgspec.structs.replace(full, results=results)))
    marked = [" ".join(cell.split()) for cell in page.cells if "lowest gain" in cell]
    assert marked == ["−0.020 −2.2 % of own lowest gain"] * 2
    assert "AUC changes by −0.020 at B (least) to +0.200 at C (most)" in page.text


def test_failures_are_not_painted_green(summary: RunSummary) -> None:
    assert summary.audit is not None
    assert summary.audit.tamper is not None
    tamper = msgspec.structs.replace(summary.audit.tamper, found=False)
    broken = msgspec.structs.replace(summary.audit, passed=False, tamper=tamper)
    page = Page(render(msgspec.structs.replace(summary, audit=broken)))
    assert "Failed replay of the whole ledger" in page.text
    assert "✕ not found" in page.text
    assert "✓ verified" not in page.text


# --- any run --------------------------------------------------------------------------------------------------------


def test_names_cannot_become_markup(summary: RunSummary) -> None:
    text = to_json(summary).decode()
    for name in (
        *(hospital.name for hospital in summary.hospitals),
        *summary.identity.classes,
        summary.identity.dataset,
    ):
        text = text.replace(f'"{name}"', msgspec.json.encode(HOSTILE + name).decode())
    text = text.replace('"Brain tumours in MRI"', msgspec.json.encode(HOSTILE).decode())
    hostile = from_json(text.encode())
    page = Page(render(hostile))
    assert len(page.all("script")) == 1
    assert len(page.all("style")) == 1
    assert f"{HOSTILE}Cork" in page.text
    assert "alert(" not in re.sub(r'"[^"]*"', "", render(hostile).split("<script>")[1])


@pytest.mark.parametrize(("hospitals", "classes", "rounds"), [(3, 2, 1), (3, 20, 2), (9, 9, 41), (32, 20, 500)])
def test_every_size_of_run_is_drawn(hospitals: int, classes: int, rounds: int) -> None:
    text = render(synthetic_summary(hospitals=hospitals, classes=classes, rounds=rounds))
    Page(text)
    assert "nan" not in re.sub(r"<style>.*?</style>|base64,[^\"]*", "", text, flags=re.DOTALL).lower().split()
    assert len(text) < 3_000_000


OPTIONAL = [
    field.name
    for field in msgspec.structs.fields(RunSummary)
    if not field.required and field.name not in ("schema", "title", "notice")
]


@pytest.mark.parametrize("name", OPTIONAL)
def test_each_part_can_be_missing(summary: RunSummary, name: str) -> None:
    missing: object = None if not isinstance(getattr(summary, name), tuple) else ()
    Page(render(msgspec.structs.replace(summary, **{name: missing})))


def test_bare_summary_still_says_what_it_is() -> None:
    page = Page(render(bare()))
    assert "not a medical device" in page.text
    assert "3 hospitals hold 0 training images" in page.text
    assert [link["href"] for link in page.all("a")] == ["#content", "#hospitals", "#limits"]


def test_undefined_scores_are_dashes(summary: RunSummary) -> None:
    nothing = Metrics(auc=Estimate(value=None), acc=Estimate(value=None))
    assert summary.results is not None
    hospitals = tuple(HospitalResult(hospital=one.name, own=nothing, federated=nothing) for one in summary.hospitals)
    results = msgspec.structs.replace(summary.results, hospitals=hospitals, own_mean=nothing, federated=nothing)
    page = Page(render(msgspec.structs.replace(summary, results=results)))
    assert "lowest gain" not in page.text


def test_same_summary_gives_the_same_page(summary: RunSummary) -> None:
    assert render(summary) == render(from_json(to_json(summary)))


# --- summary --------------------------------------------------------------------------------------------------------


def test_summary_survives_json(summary: RunSummary) -> None:
    assert from_json(to_json(summary)) == summary


@pytest.mark.parametrize("data", [b"", b"{}", b"[]", b"\xff", b'{"schema": 2, "colour": "red"}'])
def test_unreadable_summary_is_named(data: bytes) -> None:
    with pytest.raises(SummaryError, match="cannot be read"):
        from_json(data)


def test_summary_of_another_schema_has_no_page_but_is_held_against_its_ledger(summary: RunSummary) -> None:
    older = to_json(summary).replace(b'"schema": 2', b'"schema": 1').replace(b'"title"', b'"heading"')
    with pytest.raises(OtherSchemaError, match="schema 1, this program reads 2"):
        from_json(older)
    reader = ReportReader()
    assert reader.page(older) == ""
    assert reader.claims(older) == reader.claims(to_json(summary))
    with pytest.raises(SummaryError, match="cannot be read"):
        reader.claims(b'{"schema": 1}')


def test_contradictions_are_refused(summary: RunSummary) -> None:
    wards = (msgspec.structs.replace(summary.hospitals[0], class_counts=(1, 2, 3)), *summary.hospitals[1:])
    with pytest.raises(SummaryError, match="Aarhus does not count 2 classes"):
        msgspec.structs.replace(summary, hospitals=wards)
    with pytest.raises(SummaryError, match="are not 3 each"):
        msgspec.structs.replace(summary, hospitals=summary.hospitals[:3])
    with pytest.raises(SummaryError, match="confusion matrix is not 2 x 2"):
        detail = msgspec.structs.replace(summary.performance, confusion=((1, 2),))
        msgspec.structs.replace(summary, performance=detail)


@pytest.mark.parametrize("picture", ["", "not base64!", "aGVsbG8=", '"><script>alert(1)</script>'])
def test_only_png_pictures_are_embedded(summary: RunSummary, picture: str) -> None:
    assert summary.exposure is not None
    with pytest.raises(SummaryError, match="the store picture is not a base64 PNG"):
        Exposure(original=summary.exposure.original, store=picture, master=summary.exposure.master)
