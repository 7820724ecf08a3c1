"""How records, datasets and what was done to them are shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from hmchain.interfaces.cli import output
from hmchain.plain import plain, size

if TYPE_CHECKING:
    from hmchain.application.data.changes import Erased
    from hmchain.application.data.trial import Trial
    from hmchain.errors import HMChainError
    from hmchain.records.catalogue import Version
    from hmchain.records.deidentification.canary.gate import Report
    from hmchain.records.pipeline.extraction import Tally
    from hmchain.records.quality import Assessment
    from hmchain.records.sources.open_source import OpenSource

CLASSES_MAX = 40
"""More folders than that are hardly classes."""


def state(version: Version) -> str:
    """Whether a version is fixed, in a word or two."""
    if version.erased_ms is not None:
        return "registered, records erased"
    return "registered" if version.closed else "open"


def version_fields(version: Version) -> dict[str, object]:
    """A version as JSON."""
    return {**plain(version), "state": state(version)}


def show_erased(
    done: Erased, withdrawn: Sequence[tuple[str, int]], pending: HMChainError | None, *, as_json: bool
) -> None:
    """Say what was destroyed, and what the ledger says of it; `pending` is why it cannot be told."""
    if as_json:
        output.emit({**plain(done), "withdrawn": withdrawn, "withdrawal_pending": pending is not None})
        return
    output.say(f"Records destroyed: {done.records} (their keys, then their ciphertext).")
    for name, number in done.versions:
        output.say(f"The root of {name} version {number}, if it had one, can no longer be checked.")
    for name, number in withdrawn:
        output.say(f"The ledger says that {name} version {number} is withdrawn: no new study may use it.")
    if pending is not None:
        output.say(f"The ledger could not be told: {pending.what}. Once it can: hmchain data withdraw", stderr=True)
    for path in done.cards:
        output.say(f"Its card {path} is deleted: hmchain data card makes a new one.")
    if done.quarantined:
        output.say(f"Items destroyed that waited in quarantine: {done.quarantined}.")
    if done.waiting:
        output.say(
            f"{done.waiting} items wait in quarantine whose patients cannot be told. Reject those of this patient: "
            "hmchain data quarantine list --names"
        )
    output.say("Later extractions pass over it, until: hmchain data opt-out --lift")


def show_tally(version: Version, tally: Tally, source: OpenSource, *, as_json: bool) -> None:
    """Say what an extraction did."""
    if as_json:
        output.emit({"dataset": version.dataset, "version": version.number, **plain(tally),
                     **_source_fields(source)})  # fmt: skip
        return
    output.fields((
        ("dataset", f"{version.dataset}, version {version.number}: {version.records} records, "
                    f"{version.subjects} patients, {size(version.size)}"),
        ("extracted now", f"{tally.records} records of {tally.items} items"
                          + (f"; {tally.resumed} items were there already" if tally.resumed else "")),
        *([("updated", tally.updated)] if tally.updated else []),
        ("given twice", tally.duplicates),
        ("held back", f"{tally.held}: hmchain data quarantine list" if tally.held else 0),
        *([("passed over", f"{tally.opted_out} of who or what opted out")] if tally.opted_out else []),
        *([("not had", f"{tally.unavailable} items; run the same again for them")] if tally.unavailable else []),
        *_passed_over(source.passed_over()),
    ))  # fmt: skip
    _say_of_folders(source)
    if version.records:
        output.say(f"Next: hmchain data show {version.dataset}, then hmchain data register {version.dataset}")


def show_trial(found: Trial, source: OpenSource, *, as_json: bool) -> None:
    """Say what de-identification makes of a source."""
    from hmchain.application.data import trial

    if as_json:
        output.emit({**trial.as_report(found), **_source_fields(source)})
        return
    output.fields((
        ("items", found.items),
        ("records", output.listed(f"{count} {kind}" for kind, count in found.records.most_common())),
        ("patients", len(found.subjects)),
        ("labels", output.listed(f"{label} {count}" for label, count in found.labels.most_common() if label)),
        *([("passed over", f"{found.opted_out} of who or what opted out")] if found.opted_out else []),
        *([("not had", found.unavailable)] if found.unavailable else []),
        *_passed_over(source.passed_over()),
    ))  # fmt: skip
    if found.held:
        output.heading("Held back")
        output.table(
            ("items#", "why", "may pass"),
            ((count, f"{reason} [{code}]", "if a reviewer says so" if releasable else "no")
             for (code, reason, releasable), count in found.held.most_common()),
        )  # fmt: skip
    if found.actions:
        output.heading("What de-identification does")
        output.table(
            ("element", "done", "times#"),
            ((element, done, count) for (element, done), count in sorted(found.actions.items())),
        )
    _say_of_folders(source)


def _source_fields(source: OpenSource) -> dict[str, object]:
    """What there is to say of a source itself."""
    return {"passed_over": source.passed_over(), "unlabelled_folders": source.unlabelled_folders()}


def _say_of_folders(source: OpenSource) -> None:
    """Say how to get labels where folders look like classes. Their names may be patients', so they are not shown."""
    folders = source.unlabelled_folders()
    if 2 <= folders <= CLASSES_MAX:
        output.say(
            f"The pictures lie in {folders} folders and have no labels. If the folders are classes, and not patients, "
            "run it again with --labels-from folders."
        )


def _passed_over(counts: Mapping[str, int]) -> list[tuple[str, str]]:
    """What a source found that is no data of its kind."""
    return [("passed over", output.listed(f"{count} ({reason})" for reason, count in counts.items()))] if counts else []


def findings(assessment: Assessment) -> str:
    """What a look at all records found, one a line."""
    return "\n".join(f"{found.severity}: {found.what}" for found in assessment.findings) or "none"


def show_selftest(report: Report, *, as_json: bool) -> None:
    """Say what became of planted identifiers."""
    if as_json:
        output.emit({"passed": report.passed, "canaries": report.canaries, "profiles": report.profiles,
                     "kinds": report.kinds})  # fmt: skip
        return
    output.table(
        ("kind", "items#", "identifiers planted#", "survived#", "not as expected#"),
        ((kind, found.items, found.canaries, len(found.survivors), len(found.surprises))
         for kind, found in report.kinds.items()),
    )  # fmt: skip
    for kind, found in report.kinds.items():
        for survivor in found.survivors:
            output.say(f"{kind}: {survivor.canary.place} survived in the {survivor.where} of {survivor.item}")
        for surprise in found.surprises:
            output.say(f"{kind}: {surprise}")
    if report.passed:
        output.say(f"None of {report.canaries} planted identifiers came out.", style="bold green")
