"""Views of what came of a source: records, clean files, labels, images to learn from."""

from __future__ import annotations

from pathlib import Path

from hmchain.application.consent.taking import AddedConsents
from hmchain.application.data import trial
from hmchain.application.data.deidentification import Inspection
from hmchain.application.data.extraction import ExtractedVersion
from hmchain.application.data.labels import LabelCounts, LabelState
from hmchain.application.data.preparation import PreparedImages
from hmchain.application.data.rows import PreparedRows
from hmchain.application.pages.figures import plural
from hmchain.application.site.hospital import HospitalFolder
from hmchain.interfaces.cli import output
from hmchain.interfaces.cli.data.show_account import show_account
from hmchain.plain import plain, size
from hmchain.records.catalogue.accounts import TAKEN, Account, Fate

CLASSES_MAX = 40
"""More folders than that are hardly classes."""


def show_hospital(made: HospitalFolder, *, sealed: bool) -> None:
    """Say that a folder is ready, and what to take care of."""
    output.say(f"The hospital's folder {made.path} is ready. Its keys are in {made.keys}:")
    if sealed:
        output.say("without them, and the passphrase that seals them, nobody can read the records. Back them up.")
        return
    output.say("without them nobody can read the records. Back them up.")
    output.say("They are NOT sealed: who gets a copy of that folder can read the records. A passphrase seals them:")
    output.say("`hmchain data vault seal-keys`")


def extracted(found: ExtractedVersion) -> dict[str, object]:
    """The same as JSON."""
    version = found.version
    return {"dataset": version.dataset, "version": version.number, **plain(found.tally), "labels": found.labels,
            "account": found.account.as_json(), **_of_source(found)}  # fmt: skip


def show_extracted(found: ExtractedVersion, names: Path | None = None) -> None:
    """Say what an extraction did; `names` is the list that it wrote."""
    version, tally = found.version, found.tally
    output.fields((
        ("dataset", f"{version.dataset}, version {version.number}: {plural(version.records, 'record')}, "
                    f"{plural(version.subjects, 'patient')}, {size(version.size)}"),
        ("extracted now", f"{plural(tally.records, 'record')} of {plural(tally.items, 'item')}"
                          + (f"; {plural(tally.resumed, 'item')} done before" if tally.resumed else "")),
        ("held back", _held(tally.held, version.held)),
        *([("decided before", f"{tally.released} released, {tally.rejected} rejected by a reviewer")]
          if tally.released or tally.rejected else []),
        *([("consents", consents_heard(found.consents))] if found.consents else []),
        *([("read as", "\n".join(each.strip("()") for each in found.read))] if found.read else []),
        *_labels(found.labels),
    ))  # fmt: skip
    show_account(found.account, found.kind)
    _say_how_to_see_more(found.account, names)
    if found.labels.unlabelled:
        _say_of_folders(found.unlabelled_folders)
    if version.held:
        output.say(
            f"Next: `hmchain data quarantine review {version.dataset}` to decide about what waits;\n"
            f"then `hmchain data register {version.dataset}` (--leave-waiting leaves it out)."
        )
    elif version.records:
        output.say(f"Next: `hmchain data show {version.dataset}`, then `hmchain data register {version.dataset}`")


def consents_heard(taken: AddedConsents) -> str:
    """What became of the consents that came along."""
    parts = [(taken.new, "new"), (taken.changed, "changed"), (taken.same, "known already"), (taken.older, "older"),
             (taken.undecided, "of them undecided"), (taken.unread, "that cannot be read")]  # fmt: skip
    return f"{output.listed(f'{count} {what}' for count, what in parts if count)}: `hmchain consent list`"


def _held(now: int, waiting: int) -> str:
    """What this run held back, and what waits in all."""
    said = f"{now}" if now == waiting else f"{now} now; {waiting} wait in all"
    return f"{said}: `hmchain data quarantine list`" if waiting else said


def inspected(found: Inspection) -> dict[str, object]:
    """The same as JSON."""
    limited = {} if found.limited_to is None else {"limited_to": found.limited_to}
    return {**trial.as_report(found.trial), **_of_source(found), **limited}


def show_inspected(found: Inspection, names: Path | None = None) -> None:
    """Say what de-identification makes of a source; `names` is the list that was written."""
    done = found.trial
    output.fields((
        ("items", done.items),
        ("records", output.listed(f"{count} {kind}" for kind, count in done.records.most_common())),
        ("patients", done.patients),
        ("labels", output.listed(f"{label} {count}" for label, count in done.labels.items() if label)),
    ))  # fmt: skip
    show_account(done.account, found.kind)
    if found.limited_to is not None:
        what = (
            f"Only the first {plural(found.limited_to, 'item')} {'was' if found.limited_to == 1 else 'were'} looked at"
        )
        output.say(f"{what}: --limit N looks at more.", style="bold yellow")
    _say_how_to_see_more(done.account, names)
    if done.held:
        output.heading("Held back")
        output.table(
            ("items#", "why", "may pass"),
            ((count, f"{reason} [{code}]", "if a reviewer says so" if releasable else "no")
             for (code, reason, releasable), count in done.held.most_common()),
        )  # fmt: skip
    if done.actions:
        output.heading("What de-identification does")
        output.table(
            ("element", "done", "times#"),
            ((element, did, count) for (element, did), count in sorted(done.actions.items())),
        )
    _say_of_folders(found.unlabelled_folders)


def show_clean_files(found: Inspection, folder: Path, names: Path | None = None) -> None:
    """Say what was written, and that it is not encrypted."""
    show_inspected(found, names)
    output.say(f"Clean files, {trial.REPORT} and {trial.PROVENANCE} are in {folder}. They are not encrypted there.")


def _of_source(found: ExtractedVersion | Inspection) -> dict[str, object]:
    """The facts of a source itself."""
    return {"passed_over": found.passed_over, "unlabelled_folders": found.unlabelled_folders}


def _say_of_folders(folders: int) -> None:
    """Say how to get labels where folders look like classes. Their names may be patients', so they are not shown."""
    if 2 <= folders <= CLASSES_MAX:
        output.say(
            f"The pictures lie in {folders} folders and have no labels. If the folders are classes, and not patients, "
            "run it again with --labels-from folders."
        )


def _say_how_to_see_more(account: Account, names: Path | None) -> None:
    """Say how what was not had comes, and what tells each file by name."""
    if Fate.NOT_HAD in account.files:
        output.say("Run the same again for what was not had.")
    if names is not None:
        output.say(f"{names} says what became of each, by name: names may tell who a patient is.")
    elif set(account.files) - {TAKEN}:
        output.say("With --list FILE the same command writes what became of each, by name.")


def _labels(found: LabelState) -> list[tuple[str, str]]:
    """A row for labels, where the version before had some."""
    if found.before is None:
        return []
    said = [f"{found.labelled} of {found.records} records are labelled", *taken_over(found)]
    return [("labels", "\n".join(said))]


def taken_over(found: LabelState) -> list[str]:
    """Say what became of the labels that the version before had."""
    return [
        f"{count} {what}" for count, what in (
            (found.carried, f"taken over from version {found.before}"),
            (found.moved, f"not taken over: of another patient in version {found.before}, to be labelled anew"),
        ) if count
    ]  # fmt: skip


def show_labelled(found: LabelCounts) -> None:
    """Say which labels records have now."""
    output.fields((
        ("labels", output.listed(f"{name} {count}" for name, count in found.labels.items())),
        ("without a label", found.unlabelled),
        ("lines of no record", found.unknown),
    ))  # fmt: skip


def show_prepared(made: PreparedImages) -> None:
    """Say what images were made, and what comes next."""
    name, side = made.version.dataset, made.form.size
    output.fields((
        ("dataset", f"{name}, version {made.version.number}"),
        ("images", f"{made.images} of {side} x {side}: {made.train} to train with, {made.validation} to validate"),
        ("classes", output.listed(made.form.classes)),
        ("kept together", f"{made.groups} groups of one patient's images or near-duplicates"),
        ("left out", output.listed(f"{count} ({reason})" for reason, count in made.left_out.items())),
    ))  # fmt: skip
    output.say(
        f"Next: `hmchain data register {name}`. It puts the modality, the size and the classes' names on the ledger."
    )


def show_prepared_rows(made: PreparedRows) -> None:
    """Say what rows were made, and what comes next."""
    name = made.version.dataset
    output.fields((
        ("dataset", f"{name}, version {made.version.number}"),
        ("rows", f"{made.rows} of {len(made.features)} numbers, of {made.patients} patients"),
        ("split", f"{made.train} patients to train with, {made.validation} to validate"),
        ("classes", output.listed(made.classes)),
        ("features", output.listed(made.features)),
        ("declaration", f"{made.form.hex()}: the same at every hospital of a study"),
        ("left out", output.listed(f"{count} ({reason})" for reason, count in made.left_out.items())),
    ))  # fmt: skip
    output.say(
        f"Next: `hmchain data register {name}`. It puts the declaration's digest, the number of features and the "
        "classes' names on the ledger."
    )
