"""Views of what came of a source: records, clean files, labels, images to learn from."""

from __future__ import annotations

from pathlib import Path

from hmchain.application.data import trial
from hmchain.application.data.deidentification import Inspection
from hmchain.application.data.extraction import ExtractedVersion
from hmchain.application.data.labels import LabelCounts, LabelState
from hmchain.application.data.preparation import PreparedImages
from hmchain.application.data.rows import PreparedRows
from hmchain.application.site.hospital import HospitalFolder
from hmchain.interfaces.cli import output
from hmchain.plain import plain, size
from hmchain.records.catalogue.accounts import IN_PART, TAKEN, Account, Fate
from hmchain.records.sources.item import DICOM, FHIR, HL7, IMAGE, TABLE

_FATES: tuple[tuple[str, str, Fate | None], ...] = (
    ("written", TAKEN, Fate.WRITTEN),
    ("written, and some of it held", IN_PART, None),
    ("given twice", Fate.TWICE, Fate.TWICE),
    ("older editions", Fate.OLDER, Fate.OLDER),
    ("not had", Fate.NOT_HAD, Fate.NOT_HAD),
)
"""How a row is called, and what of files and of parts it counts; for each reason why some are held or passed over
there is a row too."""
_UNITS = {DICOM: "objects", IMAGE: "pictures", FHIR: "resources", HL7: "messages", TABLE: "rows"}
CLASSES_MAX = 40
"""More folders than that are hardly classes."""


def show_hospital(made: HospitalFolder) -> None:
    """Say that a folder is ready, and what to take care of."""
    output.say(f"The hospital's folder {made.path} is ready. Its keys are in {made.keys}:")
    output.say("without them nobody can read the records.")


def extracted(found: ExtractedVersion) -> dict[str, object]:
    """The same as JSON."""
    version = found.version
    return {"dataset": version.dataset, "version": version.number, **plain(found.tally), "labels": found.labels,
            "account": found.account.as_json(), **_of_source(found)}  # fmt: skip


def show_extracted(found: ExtractedVersion) -> None:
    """Say what an extraction did."""
    version, tally = found.version, found.tally
    output.fields((
        ("dataset", f"{version.dataset}, version {version.number}: {version.records} records, "
                    f"{version.subjects} patients, {size(version.size)}"),
        ("extracted now", f"{tally.records} records of {tally.items} items"
                          + (f"; {tally.resumed} items were there already" if tally.resumed else "")),
        ("held back", f"{tally.held}: `hmchain data quarantine list`" if tally.held else 0),
        *([("decided before", f"{tally.released} released, {tally.rejected} rejected by a reviewer")]
          if tally.released or tally.rejected else []),
        *_labels(found.labels),
    ))  # fmt: skip
    _show_account(found.account, found.kind)
    if found.labels.unlabelled:
        _say_of_folders(found.unlabelled_folders)
    if version.held:
        output.say(
            f"Next: `hmchain data quarantine review {version.dataset}` to decide about what waits;\n"
            f"then `hmchain data register {version.dataset}` (--leave-waiting leaves it out)."
        )
    elif version.records:
        output.say(f"Next: `hmchain data show {version.dataset}`, then `hmchain data register {version.dataset}`")


def inspected(found: Inspection) -> dict[str, object]:
    """The same as JSON."""
    return {**trial.as_report(found.trial), **_of_source(found)}


def show_inspected(found: Inspection) -> None:
    """Say what de-identification makes of a source."""
    done = found.trial
    output.fields((
        ("items", done.items),
        ("records", output.listed(f"{count} {kind}" for kind, count in done.records.most_common())),
        ("patients", done.patients),
        ("labels", output.listed(f"{label} {count}" for label, count in done.labels.items() if label)),
    ))  # fmt: skip
    _show_account(done.account, found.kind)
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


def show_clean_files(found: Inspection, folder: Path) -> None:
    """Say what was written, and that it is not encrypted."""
    show_inspected(found)
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


def _show_account(account: Account, kind: str) -> None:
    """Say what became of the files that were found: the rows below the first add up to it."""
    found, files, parts = account.found, account.files, account.parts
    rows: list[tuple[str, int, int | str]] = [("found", found.files, found.parts)]
    rows += [
        (name, files.get(fate, 0), parts.get(part, 0) if part else "")
        for name, fate, part in _FATES
        if files.get(fate) or (part and parts.get(part))
    ]
    rows += [(f"held: {code}", count.files, count.parts) for code, count in account.held.items()]
    rows += [(f"passed over: {why}", count.files, count.parts) for why, count in account.passed_over.items()]
    output.heading("What became of the files")
    output.table(("", "files#", f"{_UNITS.get(kind, 'parts')}#"), rows)
    if Fate.NOT_HAD in files:
        output.say("Run the same again for what was not had.")
    if set(files) - {TAKEN}:
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
