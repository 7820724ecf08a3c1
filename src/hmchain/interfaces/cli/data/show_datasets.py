"""Views of datasets, their versions and their records, as the catalogue has them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

from hmchain.application.data.datasets import Description, Hit
from hmchain.application.pages.figures import plural
from hmchain.interfaces.cli import output
from hmchain.interfaces.cli.data.show_account import show_account
from hmchain.plain import plain, size
from hmchain.records.catalogue import ActionCount, RecordEntry, Version

_ACTIONS_SHOWN = 8
"""So many kinds of deeds are listed one by one; more are summed up."""
_ELEMENTS_NAMED = 3


def state(version: Version) -> str:
    """The standing of a version: open, or fixed for good."""
    if version.erased_ms is not None:
        return "registered, records erased"
    return "registered" if version.closed else "open"


def versions(found: Sequence[Version]) -> list[dict[str, object]]:
    """The same as JSON."""
    return [{**plain(version), "state": state(version)} for version in found]


def show_versions(found: Sequence[Version]) -> None:
    """List versions of datasets."""
    if not found:
        output.say("There are no datasets yet: `hmchain data extract SOURCE --into DATASET`")
        return
    output.table(
        ("dataset", "version#", "state", "records#", "patients#", "size#", "held#", "from"),
        ((v.dataset, v.number, state(v), v.records, v.subjects, size(v.size), v.held, v.source) for v in found),
    )


def show_hits(found: Sequence[Hit]) -> None:
    """List the records that a search found."""
    if found:
        output.table(("dataset", "version#", "record"), ((hit.dataset, hit.version, hit.record) for hit in found))
    else:
        output.say("No record has all these words.")


def show_entry(entry: RecordEntry) -> None:
    """Show what the catalogue says of one record."""
    pairs = plain(entry)
    output.fields((*((k, v) for k, v in pairs.items() if k != "attributes"), *entry.attributes.items()))


def description(found: Description) -> dict[str, object]:
    """The same as JSON."""
    (version,), about = versions([found.version]), found.dataset
    return {
        **version, "title": about.title, "project": about.project, "profile": about.profile.name,
        "duplicates": found.duplicates, "actions": found.actions, "entries": found.entries,
        **({"account": found.account.as_json()} if found.account.files else {}),
    }  # fmt: skip


def show_version(found: Description) -> None:
    """Show what a version holds and what was done to it: all of it with `--wide`, else an overview."""
    version, about = found.version, found.dataset
    output.fields((
        ("dataset", f"{version.dataset}, version {version.number}, {state(version)}"),
        ("records", f"{version.records:,} of {plural(version.subjects, 'patient')}, {size(version.size)}"),
        ("in quarantine", version.held),
        ("given twice", found.duplicates),
        ("title", about.title),
        ("from", version.source),
        ("project, profile", f"{about.project}, {about.profile.name}: {about.profile.title}"),
        ("root", version.root.hex() if version.root else f"- (open: `hmchain data register {version.dataset}`)"),
    ))  # fmt: skip
    if found.account.files:
        show_account(found.account, found.kind)
    if found.actions:
        output.heading("What de-identification did")
        if output.is_wide() or len(found.actions) <= _ACTIONS_SHOWN:
            output.table(("element", "done", "times#"), ((a.element, a.done, a.count) for a in found.actions))
        else:
            output.table(("done", "elements#", "times#", "most often"), _summed(found.actions))
            whole = f"hmchain data show {version.dataset} --version {version.number} --wide"
            output.say(f"Each element: `{whole}`", style="dim")
    if found.entries:
        shown = len(found.entries)
        output.heading(f"Records{'' if version.records <= shown else f' (the first {shown}; --limit N shows more)'}")
        output.table(
            ("record", "patient", "type", "size#", "label", "attributes"),
            ((e.record, e.subject[: None if output.is_wide() else 12] or "nobody", e.media_type, size(e.size), e.label,
              ", ".join(f"{k} {v}" for k, v in e.attributes.items() if k != "label")) for e in found.entries),
            drop=("attributes", "type", "label"),
        )  # fmt: skip


def _summed(actions: Sequence[ActionCount]) -> Iterator[tuple[object, ...]]:
    """What was done, with how many elements, how often, and with which of them most."""
    by_deed: dict[str, list[ActionCount]] = defaultdict(list)
    for action in sorted(actions, key=lambda action: -action.count):
        by_deed[action.done].append(action)
    for done, which in sorted(by_deed.items(), key=lambda item: -len(item[1])):
        most = [each.element.rpartition(") ")[2] for each in which[:_ELEMENTS_NAMED]]
        more = ", ..." if len(which) > len(most) else ""
        yield done, len(which), sum(each.count for each in which), ", ".join(most) + more
