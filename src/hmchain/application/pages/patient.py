"""What a patient's data were used for, as a page to read and to print: it fetches nothing and runs nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import htpy as h

from hmchain.application.pages import figures
from hmchain.application.pages.markup import asset, definitions, document, panel, section, table, tiles
from hmchain.clock import utc
from hmchain.ledger.readers.uses import Standing, UseView
from hmchain.plain import RESEARCH_ONLY

NOT_PROVEN = (
    "It covers what this hospital's catalogue and ledger know. A copy of your data elsewhere, or data that were handed "
    "on before the hospital kept this record, is not in it.",
    "It says in which rounds of a study records of yours were used, as far as the hospital has kept that. Which record "
    "a round drew is not written down.",
    "Whoever asked promised a purpose. The ledger proves that the promise was made and who accepted it, not that a "
    "person kept it in everything they do with the result.",
    "Records that were erased are not listed: nothing is kept that says whose they were.",
)
"""What such a report cannot show."""
UNFORGOTTEN = (
    "A finished model does not forget. If you withdraw, or your records are erased, no new study can use them, and a "
    "study that runs goes on without them from its next round; a model that was finished before keeps what it learnt "
    "from all patients together."
)
_STANDS = {
    Standing.WAITING: "asked for; the hospital has not decided",
    Standing.ALLOWED: "allowed now",
    Standing.HELD_BACK: "approved, and not in force: something is missing",
    Standing.REJECTED: "the hospital said no",
    Standing.DENIED: "the hospital's rules said no",
    Standing.REVOKED: "allowed once; the hospital took it back",
    Standing.EXPIRED: "allowed once; the time is over",
    Standing.REPLACED: "asked for anew since: this counts no more",
    Standing.CLOSED: "over",
}


@dataclass(frozen=True)
class HeldVersion:
    """What the hospital holds of the patient in one version of a dataset."""

    dataset: str
    title: str
    version: int
    records: Mapping[str, int]
    """Counts by kind of data."""


@dataclass(frozen=True)
class RoundsOfYours:
    """The rounds of a study for which records of the patient were used, from the first to the last."""

    study: str
    dataset: str
    version: int
    first: int
    last: int
    last_ms: int

    @property
    def day(self) -> str:
        """When they were used last."""
        return utc(self.last_ms)[:10]

    @property
    def words(self) -> str:
        """From round to round."""
        if self.last == 0:
            return "counted before the first round"
        return f"round {self.first} to {self.last}" if self.last > self.first else f"round {self.last}"


@dataclass(frozen=True)
class PatientReport:
    """The answer to a patient who asks which uses and which models there were. It names nobody."""

    hospital: str
    made_ms: int
    held: tuple[HeldVersion, ...]
    uses: tuple[UseView, ...]
    unknown: str
    """Why the ledger could not be asked; empty if it was."""
    signed_for_by: tuple[str, ...]
    purposes: Mapping[str, str]
    """Codes of purposes in words."""
    rounds: tuple[RoundsOfYours, ...] = ()
    """The studies that used records of the patient, as the hospital itself kept it."""

    @property
    def models(self) -> tuple[str, ...]:
        """The studies that finished a model under these uses, in order."""
        return tuple(sorted({made.study for use in self.uses for made in use.made if made.model}))


def stands(use: UseView) -> str:
    """How it stands with a use, as a patient is told."""
    return _STANDS[use.standing]


def when(use: UseView) -> str:
    """From when until when, as far as the ledger's state says it."""
    began, ends = use.from_ms or use.asked_ms, use.ended_ms or use.until_ms
    since = f"from {utc(began)[:10]} " if began else ""
    return f"{since}until {utc(ends)[:10]}" if ends else since.strip() or "not said"


def whose_word(use: UseView) -> str:
    """On whose word it is so."""
    if use.said_by:
        return ", ".join(use.said_by)
    return f"the hospital's policy, version {use.policy}" if use.policy else "nobody yet"


def purpose(found: PatientReport, use: UseView) -> str:
    """What a use is for, in words."""
    return "; ".join(found.purposes.get(code, code) for code in use.purposes) or "no purpose named"


def to_html(found: PatientReport) -> str:
    """The report as a page."""
    return document(
        f"What your data were used for · {found.hospital}",
        _head(found),
        h.main[_held(found), _rounds(found), _uses(found), _limits()],
        h.footer[
            h.p[f"Made {utc(found.made_ms)[:16]} UTC; signed for by {' and '.join(found.signed_for_by)}."],
            h.p[RESEARCH_ONLY],
        ],
        style=asset(__package__, "card.css"),
    )


def _head(found: PatientReport) -> h.Element:
    records = sum(sum(each.records.values()) for each in found.held)
    return h.header[
        h.p(".brand")["For you alone"],
        h.h1["What your data were used for"],
        h.p(".about")[f"{found.hospital}, as of {utc(found.made_ms)[:10]}"],
        tiles([
            (figures.whole(records), "records of yours", "under a made-up name, without your own"),
            (figures.whole(len(found.uses)), "uses that were asked for", ""),
            (figures.whole(len(found.models)), "finished models", "which do not forget" if found.models else ""),
        ]),
    ]  # fmt: skip


def _held(found: PatientReport) -> h.Element:
    lead = "What is prepared for research: identifiers were removed, and everything is encrypted."
    rows = [
        (each.title or each.dataset, str(each.version), f"{count} {kind}")
        for each in found.held
        for kind, count in sorted(each.records.items())
    ]
    content: h.Node = table(("collection", "version", "records"), rows, caption="Your records") if rows else None
    return section("held", "What is there", lead, content or h.p["Nothing of yours is prepared for research here."])


def _rounds(found: PatientReport) -> h.Element:
    lead = "Kept by the hospital for itself, for each round of a study, since this program does so."
    rows = [(each.study, each.words, each.day, f"{each.dataset}, version {each.version}") for each in found.rounds]
    content: h.Node = table(("study", "used in", "last on", "of"), rows, caption="Studies") if rows else None
    return section("rounds", "Studies that used records of yours", lead, content or h.p["None."])


def _uses(found: PatientReport) -> h.Element:
    lead = "Everything that was asked of the collections above, and what the hospital said."
    if found.unknown:
        return section("uses", "What it was used for", lead, h.p[f"This cannot be told: {found.unknown}."])
    nothing = h.p["Nobody has asked for them on this ledger."]
    return section("uses", "What it was used for", lead, [_use(found, use) for use in found.uses] or nothing)


def _use(found: PatientReport, use: UseView) -> h.Element:
    made = [
        f"study {made.study}: {f'a model after {made.rounds} rounds' if made.model else 'no model so far'}"
        for made in use.made
    ]
    facts: Sequence[tuple[h.Node, h.Node]] = (
        ("for", purpose(found, use)),
        ("of", f"{use.dataset}, version {use.version}"),
        ("asked by", ", ".join((use.applicant, *use.members))),
        ("how it stands", stands(use)),
        ("on whose word", whose_word(use)),
        ("when", when(use)),
        ("what came of it", "; ".join(made) or "nothing so far"),
    )
    return panel(use.request, definitions(facts))


def _limits() -> h.Element:
    return section(
        "limits",
        "What this page does not prove",
        "Read this too, and ask the hospital about whatever is unclear.",
        h.ul[[h.li[text] for text in NOT_PROVEN]],
        h.p[h.strong[UNFORGOTTEN]],
        h.p["You may have your records erased, and kept out from now on: the hospital does it at your word."],
    )
