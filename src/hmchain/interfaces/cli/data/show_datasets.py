"""Views of datasets, their records and what the ledger says of them."""

from __future__ import annotations

import shlex
from collections import defaultdict
from collections.abc import Iterator, Sequence

from hmchain.application.data.datasets import Description, Hit
from hmchain.application.data.export import ExportedRecords
from hmchain.application.data.labels import LabelState
from hmchain.application.data.publication import VersionCheck
from hmchain.application.data.registration import Registration, RegistrationPreview, WrittenCard, WrittenProof
from hmchain.application.pages.figures import plural
from hmchain.interfaces.cli import output
from hmchain.interfaces.cli.data.show_account import show_account
from hmchain.interfaces.cli.data.show_extraction import taken_over
from hmchain.ledger.readers.datasets import count_words
from hmchain.plain import plain, size
from hmchain.records.catalogue import ActionCount, RecordEntry, Version
from hmchain.records.quality import Finding

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


def findings(found: Sequence[Finding]) -> str:
    """The findings of a look at all records, one a line."""
    return "\n".join(f"{each.severity}: {each.what}" for each in found) or "none"


def show_card(made: WrittenCard) -> None:
    """Say where a card is."""
    output.fields((("card", made.card), ("findings", findings(made.findings))))


def show_exported(made: ExportedRecords) -> None:
    """Say where clean files are."""
    what = f"{plural(made.records, 'record')} {'is' if made.records == 1 else 'are'} in {made.folder}"
    output.say(f"{what}, with {made.listing}. They are not encrypted there.")
    for note in made.notes:
        output.say(note)


def label_words(found: LabelState) -> str:
    """The labels of a version in a line or two, beside those of the version before."""
    said = f"{found.labelled} of {found.records} records are labelled"
    if not found.labelled and found.before is None:
        said = "none"
    elif found.unlabelled and found.before is not None:
        said += f"; version {found.before}'s were"
    return "\n".join((said, *taken_over(found)))


def show_planned(found: RegistrationPreview) -> None:
    """Show a version as it would be fixed."""
    version = found.version
    output.fields((
        ("dataset", f"{version.dataset}, version {version.number}, {state(version)}"),
        ("records", f"{version.records:,} of {plural(version.subjects, 'patient')}, {size(version.size)}"),
        ("labels", label_words(found.labels)),
        *([("left out", f"{version.held} items that wait in quarantine")] if version.held else []),
    ))  # fmt: skip


def show_registered(found: Registration) -> None:
    """Say what a version is fixed to, and what the ledger says of it."""
    version = found.version
    output.fields((
        ("dataset", f"{version.dataset}, version {version.number}"),
        ("records", f"{version.records}, on the ledger as {count_words(found.count)}"),
        ("labels", label_words(found.labels)),
        ("root", (version.root or b"").hex()),
        ("card", found.card),
        ("provenance", found.provenance),
        ("findings", findings(found.findings)),
        ("ledger", "published" if found.published else "not published: this hospital is in no network yet"),
    ))  # fmt: skip


def show_checked(found: VersionCheck) -> None:
    """Say that records are as registered, and what they were compared with."""
    compared = "the ledger's root" if found.on_ledger else "the catalogue's root; the ledger was not asked"
    which = f"{found.version.dataset} version {found.version.number}"
    are = "is" if found.records == 1 else "are"
    output.say(f"{plural(found.records, 'record')} of {which} {are} as registered.", style="bold green")
    output.fields((("compared with", compared),))


def show_proof(made: WrittenProof) -> None:
    """Say what a proof shows, and how to check it."""
    output.say(f"{made.file} proves that {made.dataset} version {made.version} holds the record. Check it offline:")
    output.say(f"hmchain audit verify-record {shlex.quote(str(made.file))} --genesis DIGEST --dir LEDGER", style="bold")
