"""Views of quarantine: what waits, and what was decided about it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from textwrap import shorten

from hmchain.application.data.lasting import Lasting
from hmchain.application.data.quarantine import (
    NOTHING_FOUND,
    REGISTERED,
    SHOWN,
    QuarantineEntry,
    QuarantinePage,
    ReviewOutcome,
)
from hmchain.application.pages.figures import plural
from hmchain.interfaces.cli import output
from hmchain.interfaces.portal.review.opening import Ended
from hmchain.plain import plain
from hmchain.records.catalogue import HeldItem
from hmchain.records.catalogue.entries import PENDING
from hmchain.records.deidentification.outcome import Finding
from hmchain.records.pipeline.decided import CONFLICT
from hmchain.records.pipeline.devices import DeviceRule

_SORTS = {
    "code": ("why", "reason"), "kind": ("kind", "as"), "modality": ("modality", "modality"),
    "device": ("device", "device"), "series": ("series", "series"),
}  # fmt: skip
"""By what many are counted: in a word, and the option that takes them."""
_TYPED = ("code", "kind", "modality")
"""What people may have typed otherwise than it is called."""
_SORTS_SHOWN = 6
_REASON_LETTERS = 110
"""So much of a reason is shown in a narrow terminal, in two or three lines."""
_WAYS = {
    CONFLICT: "take it with --replace, or reject it",
    NOTHING_FOUND: "nothing is there to blank: look at it, then release it without --blank-found",
    REGISTERED: "its version is registered: extract the next one, and decide about it there",
}
"""What to do about items that were not released, by why."""


def waiting(found: QuarantinePage) -> list[dict[str, object]]:
    """The same as JSON."""
    return [_plain(each) for each in found.entries]


def _plain(each: QuarantineEntry) -> dict[str, object]:
    known = plain(each.item)
    known.pop("content")
    votes = {"released_by": [vote.reviewer for vote in each.votes]} if each.votes else {}
    return {**known, **({} if each.name is None else {"name": each.name}), **votes}


def show_waiting(found: QuarantinePage, *, names: bool) -> None:
    """List items that were held back, and why; of many, count them."""
    if not found.total:
        others = f" that fits; {plural(found.others, 'item')} in all: `hmchain data quarantine list`"
        output.say(f"Nothing waits{others if found.others else ''}.")
        if found.others:
            output.fields([(f"--{_SORTS[name][1]}", ", ".join(filter(None, found.counts[name]))) for name in _TYPED])
        return
    shown = found.entries if output.is_wide() or names else found.entries[:SHOWN]
    is_decided = any(_decision(each) != PENDING for each in shown)
    output.table(
        ("item", "of", "modality", "why", "kind", "may pass", "series", "device", "patient",
         *(["decision"] if is_decided else []), *(["name"] if names else [])),
        ((*_row(each), *([_decision(each)] if is_decided else []), *([each.name or "-"] if names else []))
         for each in shown),
        drop=("patient", "device", "series", "may pass", "kind", "modality", "of"),
    )  # fmt: skip
    if found.total > len(shown):
        _show_counts(found, len(shown))
        output.say("In the browser, with pictures: `hmchain data quarantine review`")


def _show_counts(found: QuarantinePage, listed: int) -> None:
    output.say()
    of_all = ". Of all of them:" if found.counts else "; --limit N shows more."
    output.say(f"{listed} of {found.total:,} are shown{of_all}", style="bold")
    if not found.counts:
        return
    rows = (row for column in _SORTS for row in _counted(column, found.counts.get(column, {}), found.total))
    output.table(("by", "which", "items#", "take them by"), rows)


def _counted(column: str, counts: Mapping[str, int], total: int) -> Iterable[tuple[str, str, str, str]]:
    """How many there are of each sort; rows of a column add up to all items."""
    word, option = _SORTS[column]
    shown = [(value, count) for value, count in counts.items() if value][:_SORTS_SHOWN]
    for value, count in shown:
        said = output.short(value) if column in ("device", "series") else value
        yield word, said, f"{count:,}", f"--{option} {said}"
    if shown and (left := total - sum(count for _, count in shown)):
        yield word, "(others, or none)", f"{left:,}", ""


def _row(each: QuarantineEntry) -> tuple[object, ...]:
    item = each.item
    passes = "yes" if item.releasable else "no: mend it at its source"
    reason = item.reason if output.is_wide() else shorten(item.reason, _REASON_LETTERS, placeholder=" ...")
    return (
        output.short(item.item), f"{item.dataset} v{item.version}", item.modality or "-", f"{item.code}: {reason}",
        item.kind, passes, output.short(item.series), output.short(item.device), output.short(item.patient),
    )  # fmt: skip


def _decision(each: QuarantineEntry) -> str:
    if each.item.state != PENDING:
        return f"{each.item.state} by {each.item.reviewer}"
    if each.votes:
        return f"released by {output.listed(vote.reviewer for vote in each.votes)}, one more must"
    return PENDING


def looked_at(found: Sequence[HeldItem], target: Path, told: Sequence[Finding]) -> dict[str, object]:
    """The same as JSON."""
    if len(found) == 1:
        words = [{"place": each.place, "word": each.word} for each in told]
        return {"item": found[0].item, "file": target, "told": words}
    return {"items": [held.item for held in found], "folder": target}


def show_looked_at(found: Sequence[HeldItem], target: Path, told: Sequence[Finding]) -> None:
    """Say where the items are, and of one what would stay of it and tells who it is about."""
    if len(found) == 1 and not target.is_dir():
        output.say(f"{target} is the item as it came ({found[0].kind}). Delete it when you have looked at it.")
    else:
        output.say(f"{target} holds {plural(len(found), 'item')} as they came. Delete them after you looked at them.")
    if told:
        output.say("This would stay and is the patient's, or may be. A release removes it, but not at --keep PLACE:")
        output.fields([(each.place, each.word) for each in told])


def released(found: ReviewOutcome) -> dict[str, object]:
    """The same as JSON."""
    done = {
        "released": found.items, "records": found.records, "updated": found.updated, "held_again": found.held_again,
        "waiting_for_another": found.seconded, "refused": found.refused,
    }  # fmt: skip
    return {**({"item": found.item.item} if found.item else {}), **done}


def show_released(found: ReviewOutcome) -> None:
    """Say what became of items that a reviewer let through."""
    count = found.records + found.updated
    if found.item and found.items:
        output.say(
            f"It is in dataset {found.item.dataset} now, as {plural(count, 'record')}, de-identified like the others."
        )
    elif found.items:
        output.say(f"{plural(found.items, 'item')} released: {plural(count, 'record')}, de-identified like the others.")
    if found.seconded:
        output.say(f"{plural(found.seconded, 'item')} must be released by another person too, with a key of their own.")
    if found.held_again:
        output.say(f"Still held, now for another reason: {found.held_again}. `hmchain data quarantine list`")
    for why, number in found.refused.items():
        way = _WAYS.get(why, "reject it, or mend it at its source")
        output.say(f"Not released: {plural(number, 'item')} [{why}]; {way}.")
    if not (found.items or found.seconded or found.held_again or found.refused):
        output.say("Nothing waits that fits.")


def rejected(found: ReviewOutcome) -> dict[str, object]:
    """The same as JSON."""
    return {**({"item": found.item.item} if found.item else {}), "rejected": found.items}


def show_rejected(found: ReviewOutcome) -> None:
    """Say what became of items that a reviewer keeps out."""
    if found.item and found.items == 1:
        output.say(f"It stays out of dataset {found.item.dataset}, and its copy here is erased.")
    elif found.items:
        output.say(f"Kept out: {plural(found.items, 'item')}; the copies here are erased.")
    else:
        output.say("Nothing waits that fits.")


def reviewed(found: Ended) -> dict[str, object]:
    """The same as JSON."""
    return {"looked_at": found.seen, "left": found.marks, "said": found.said}


def show_review(found: Ended) -> None:
    """Say what was decided on the page, and what was not."""
    for sentence in found.said:
        output.say(sentence)
    if found.marks:
        output.say(f"Not applied: {plural(found.marks, 'mark')}; they are there again the next time.")
    output.say(f"The page is closed. Looked at: {plural(found.seen, 'item')}.")


def decisions(found: Lasting) -> list[dict[str, object]]:
    """The same as JSON."""
    about = ("content", "dataset", "version", "kind", "code", "modality")
    return [
        {**{name: plain(getattr(each, name)) for name in about}, **plain(each.decision)} for each in found.decisions
    ]


def show_decisions(found: Lasting) -> None:
    """List what was decided, the latest first."""
    if not found.decisions:
        output.say("Nothing was decided that lasts.")
        return
    output.table(
        ("decision", "what", "by", "when (UTC)", "held for", "dataset", "version#", "kind", "modality"),
        (
            (output.short(each.content), f"{each.decision.state}{', parts blanked' if each.decision.regions else ''}",
             each.decision.reviewer, output.when(each.decision.decided_ms), each.code or "-", each.dataset or "-",
             each.version or "-", each.kind or "-", each.modality or "-")
            for each in found.decisions
        ),
        drop=("modality", "version#", "kind", "dataset"),
    )  # fmt: skip
    if found.total > len(found.decisions):
        output.say(f"The latest {len(found.decisions)} of {found.total:,}; --limit N shows more.")
    if found.devices:
        output.say(f"{plural(len(found.devices), 'device')} besides: `hmchain data quarantine devices`")


def devices(found: Sequence[DeviceRule]) -> list[dict[str, object]]:
    """The same as JSON."""
    kept = ("device", "reviewer", "since_ms", "signed", "in_force")
    return [{name: plain(getattr(rule, name)) for name in kept} for rule in found]


def show_devices(found: Sequence[DeviceRule]) -> None:
    """List devices whose images are blanked, and where."""
    if not found:
        output.say("No device: the review page puts them on the list (`hmchain data quarantine review`).")
        return
    output.table(
        (
            "number#",
            "modality",
            "maker",
            "model",
            "picture",
            "blanked (left, top, width, height)",
            "by",
            "keys",
            "since (UTC)",
        ),
        (_device(number, rule) for number, rule in enumerate(found, start=1)),
        drop=("since (UTC)", "keys"),
    )
    if waiting := sum(not rule.in_force for rule in found):
        output.say(f"{plural(waiting, 'rule')} blank nothing yet: another person must want them too, with a key.")


def _device(number: int, rule: DeviceRule) -> tuple[object, ...]:
    device = rule.device
    parts = "; ".join(", ".join(map(str, part)) for part in device.rectangles)
    size = f"{device.columns} x {device.rows}"
    since = output.when(rule.since_ms)
    return number, device.modality, device.manufacturer, device.model, size, parts, rule.reviewer, rule.signed, since
