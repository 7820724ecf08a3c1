"""The page, and the rows that a terminal shows: every part, with its figures or the reason why there are none."""

from __future__ import annotations

from msgspec.structs import replace

from hmchain.application.disclosure import page
from hmchain.application.disclosure.evidence import (
    Attack,
    Broken,
    DataUse,
    Disclosure,
    Estimate,
    Evidence,
    Exemption,
    Found,
    Kind,
    Lineage,
    Memorisation,
    References,
)
from support.html_page import Page

HALF = Estimate(value=0.5, low=0.4, high=0.6)
RATE = Estimate(value=0.02, low=0.0, high=0.05)
KNOWN = References(models=16, by="this hospital", on="halves of its own images", seconds=31.0)
EVIDENCE = Evidence(
    kind=Kind.MODEL,
    study="tumours",
    artefact="ab" * 32,
    chain_id="net-1",
    organisation="north",
    height=7,
    computed_ms=1_795_855_555_000,
    seconds=33.0,
    software="hmchain",
    nonce="00" * 16,
    attacks=(
        Attack(name="loss", source="Yeom", found=Found.SEEN, members=600, non_members=500, auc=HALF, rate=RATE,
               curve=((0.0, 0.0), (0.5, 0.6), (1.0, 1.0))),
        Attack(name="RMIA online", source="Zarifzadeh", found=Found.NOTHING_SEEN, why="no rate", members=600,
               non_members=50, auc=HALF, curve=((0.0, 0.0), (0.5, 0.4), (1.0, 1.0)), references=KNOWN),
        Attack(name="LiRA", source="Carlini", found=Found.NOT_SAID, why="4 shadow models; 16 are the fewest"),
    ),
    memorisation=Memorisation(
        found=Found.SEEN, why="it knows images", certain=HALF, certain_others=RATE, outliers=14, outliers_expected=4.1,
        alike=5, across=3,
    ),
    disclosure=Disclosure(
        found=Found.SEEN, why="1 finding", rules=("at least 10 persons in a cell",), cells=2,
        broken=(
            Broken(cell="<b>count</b>", check="threshold", words="4 persons"),
            Broken(cell="other", check="zero", words="no persons",
                   exemption=Exemption(cell="other", check="zero", by="north/steward", reason="known to all")),
        ),
    ),
    lineage=Lineage(
        found=Found.SEEN, why="records are withdrawn", purpose="DUO:0000006", hospitals=("east", "north"),
        data=(DataUse(dataset="mri", version=2, root="cd" * 32, withdrawn=True, persons_gone=1),),
        rounds=9, rounds_given=8,
    ),
)  # fmt: skip
SAID = (
    "AUC 0.500 (0.400 to 0.600)", "finds 2.0 % (0.0 to 5.0) at 1 % false alarms", "4 shadow models; 16 are the fewest",
    "14, and 4.1 by chance", "5 training images", "3 held-out images", "4 persons", "no persons (let pass)",
    "8 of 9 accepted rounds", "records are withdrawn", "not said", "nothing seen", "seen: weigh it",
)  # fmt: skip


def test_the_page_says_all_of_it_and_runs_nothing() -> None:
    read = Page(page.render(EVIDENCE))
    for words in (
        *SAID,
        "north/steward: known to all",
        "16 reference models, trained by this hospital",
        "mri",
        "for health or medical or biomedical research (DUO:0000006)",
    ):
        assert words in read.text, words
    assert EVIDENCE.digest.hex() in read.text and EVIDENCE.artefact in read.text
    assert not read.all("script") and "<b>count</b>" in read.text, "a name is a text"
    assert any("ROC curves of 2 attacks" in str(each) for each in read.all("svg"))


def test_a_count_has_no_part_of_models() -> None:
    read = Page(page.render(replace(EVIDENCE, kind=Kind.COUNT, attacks=(), memorisation=None)))
    assert "What count tumours tells" in read.text
    assert "membership" not in read.text and not read.all("svg")


def test_the_terminal_has_the_same_lines() -> None:
    rows = page.summary_rows(EVIDENCE)
    shown = " ".join(" ".join(row) for row in rows)
    for words in SAID:
        assert words in shown, words
    assert {name for name, *_ in rows} >= {"membership, loss", "memorisation", "- outliers", "disclosure", "lineage"}
