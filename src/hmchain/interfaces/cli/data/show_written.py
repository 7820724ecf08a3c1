"""Views of what is written of a version: cards, clean files, what it is fixed to, and proofs."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from hmchain.application.data.export import ExportedRecords
from hmchain.application.data.labels import LabelState
from hmchain.application.data.publication import VersionCheck
from hmchain.application.data.registration import Registration, RegistrationPreview, WrittenCard, WrittenProof
from hmchain.application.pages.figures import plural
from hmchain.interfaces.cli import output
from hmchain.interfaces.cli.data.show_datasets import state
from hmchain.interfaces.cli.data.show_extraction import taken_over
from hmchain.ledger.readers.datasets import count_words
from hmchain.plain import size
from hmchain.records.quality import Finding


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
