"""The opening of the report: which run this is, its key figures, its verdicts."""

from __future__ import annotations

import htpy as h

from hmchain.application.pages import figures
from hmchain.application.pages.markup import badge, definitions, digest, section, tiles
from hmchain.interfaces.report.summary import RunSummary
from hmchain.plain import RESEARCH_ONLY, size

ROLES = {
    "steward": "Data steward",
    "scientist": "Scientist",
    "operator": "Operator",
    "auditor": "Auditor",
}


def head(summary: RunSummary) -> h.Element:
    """Return title, warnings, key figures and what identifies the run."""
    identity = summary.identity
    rounds = f" · {figures.plural(len(summary.rounds), 'round')}" if summary.rounds else ""
    takes_part = figures.plural(len(summary.participants or summary.hospitals), "hospital")
    seed = f" · seed {identity.seed}" if identity.seed is not None else ""
    about = f"{identity.dataset} · {takes_part}{rounds}{seed}"
    named = [
        ("Chain id", digest(identity.chain_id, 0)),
        ("Genesis digest", digest(identity.genesis_digest, 0)),
        ("Model digest", digest(identity.model_digest, 0)),
        ("Ledger engine", identity.engine),
        ("As of" if summary.participants else "Finished", figures.moment(identity.finished)),
        ("Software", identity.software),
        ("Machine", identity.machine),
    ]
    return h.header[
        h.p(".brand")["FL-HMChain"],
        h.h1[summary.title],
        h.p(".about")[about],
        h.p(".caution", role="note")[h.strong[RESEARCH_ONLY]],
        h.p(".notice", role="note")[summary.notice] if summary.notice else None,
        tiles(_key_figures(summary)),
        definitions(named, "facts identity"),
    ]


def _key_figures(summary: RunSummary) -> list[tuple[str, str, str]]:
    shown = []
    if summary.results is not None:
        auc = summary.results.federated.auc
        interval = figures.interval(auc.low, auc.high)
        shown.append((figures.score(auc.value), "AUC of the joint model", f"interval {interval}" if interval else ""))
        gains = [gain for one in summary.results.hospitals if (gain := one.gain("auc").value) is not None]
        if gains:
            mean = f"mean {figures.signed(sum(gains) / len(gains))}"
            shown.append((figures.signed(min(gains)), "AUC gained by the hospital that gains least", mean))
    if summary.own is not None and (model := summary.own.model) is not None:
        measure = summary.own.measure[0].upper() + summary.own.measure[1:]
        told = f"on its own {figures.plural(summary.own.images, 'validation image')}"
        shown.append((figures.score(model.auc), f"{measure} of the model at {summary.own.hospital}", told))
    if summary.participants:
        accepted = sum(turn.outcome == "accepted" for turn in summary.rounds)
        planned = f"of {summary.plan.rounds} planned" if summary.plan else ""
        shown.append((figures.whole(accepted), "rounds accepted", planned))
    if summary.departures:
        images = sum(one.images for one in summary.departures)
        update = size(sum(one.update_bytes for one in summary.departures))
        which = "this" if summary.participants else "a"
        shown.append((figures.whole(images), f"images left {which} hospital", f"{update} of masked updates did"))
    if summary.audit is not None:
        word = "Verified" if summary.audit.passed else "Failed"
        shown.append((word, "replay of the whole ledger", "held against the genesis digest above"))
    return shown


def verdicts(summary: RunSummary) -> h.Element | None:
    """Return one sentence for each role."""
    if not summary.verdicts:
        return None
    cards = [
        h.li[h.h3[ROLES[one.role], " ", badge(one.good, "in order", "needs attention")], h.p[one.sentence]]
        for one in summary.verdicts
    ]
    return section("verdicts", "Verdicts", "One sentence for each role.", h.ul(".cards")[cards])
