"""Extract from a source into a dataset."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import msgspec

from hmchain.application.consent.taking import AddedConsents, take
from hmchain.application.data.devices import blanking
from hmchain.application.data.labels import LabelState, carry
from hmchain.application.data.patients import get_acquainted
from hmchain.application.data.received import Act, require_own
from hmchain.application.site.activity import Deed, What, recorded
from hmchain.application.site.hospital import Records
from hmchain.clock import now_ms
from hmchain.errors import InputError
from hmchain.ledger.context import is_name
from hmchain.plain import Progress
from hmchain.records.catalogue import Dataset, Version
from hmchain.records.catalogue.accounts import Account
from hmchain.records.consents.reading import Given
from hmchain.records.deidentification.outcome import READ
from hmchain.records.deidentification.profile import Profile, load_profile
from hmchain.records.pipeline.accounting import Told
from hmchain.records.pipeline.consents_heard import HeardConsents
from hmchain.records.pipeline.extraction import Extraction, ExtractionTally
from hmchain.records.pipeline.rules import deidentifiers
from hmchain.records.pipeline.workers import Deidentifiers
from hmchain.records.sources.item import FHIR, IMAGE, Source
from hmchain.records.sources.open_source import OpenSource

DEFAULT_PROFILE = "basic"
WORTH_WORKERS = 1000
"""From so many items on it pays to start worker processes."""


@dataclass(frozen=True)
class ExtractedVersion:
    """A version that was filled, what the run did, and what its source held besides."""

    version: Version
    tally: ExtractionTally
    passed_over: Mapping[str, int]
    """Things that are no data of the source's kind, by reason."""
    unlabelled_folders: int
    """Folders of pictures whose labels nobody asked for."""
    labels: LabelState
    account: Account
    """What became of all files of the version, of this run and those before."""
    kind: str
    """Of the source's items."""
    consents: AddedConsents | None = None
    """Of a FHIR source that has some."""
    read: tuple[str, ...] = ()
    """How its files are read where that was found out: the form of CSV files that are not as usual."""


class DatasetNameError(InputError):
    """The text cannot name a dataset or a project: names go on the ledger."""

    code = "dataset_name"


class OtherRulesError(InputError):
    """A dataset is de-identified by other rules, or under another project, than it was begun with."""

    code = "other_rules"


def extract_into(
    records: Records,
    name: str,
    opened: OpenSource,
    *,
    title: str | None = None,
    project: str | None = None,
    profile: str | None = None,
    schema: str = "",
    workers: int = 1,
    progress: Progress | None = None,
    told: Told | None = None,
) -> ExtractedVersion:
    """Extract, de-identify, encrypt and catalogue what a source holds; goes on where it stopped.

    Records that the version before had too take over their labels. Raises as `begin` and `extract`.
    """
    dataset = begin(records, name, title=title, project=project, profile=profile, schema=schema)
    version, tally, account, consents = _filled(records, dataset, opened, workers=workers, progress=progress, told=told)
    labels = carry(records, version)
    passed, folders = dict(opened.passed_over()), opened.unlabelled_folders()
    actions = records.catalogue.actions(version.dataset, version.number)
    read = tuple(each.element for each in actions if each.done == READ)
    return ExtractedVersion(version, tally, passed, folders, labels, account, opened.kind, consents, read)


def begin(
    records: Records,
    name: str,
    *,
    title: str | None = None,
    project: str | None = None,
    profile: str | None = None,
    schema: str = "",
) -> Dataset:
    """The dataset `name`, for `extract` to make if it is new; what is None is as before, or else the default.

    `schema` names the schema of its tables. Raises `DatasetNameError`, `ProfileError`, `TableSchemaError`,
    `OtherRulesError` where a known dataset says otherwise, or `OthersDataError` where it is another hospital's.
    """
    require_own(records, name, Act.FILL)
    columns = read_schema(schema)
    known = records.catalogue.dataset(name)
    if known is None:
        require_name(name)
        require_name(project or name)
        rules = load_profile(profile or DEFAULT_PROFILE)
        return Dataset(name, title or name, project or name, rules, now_ms(), columns)
    _check_same(known, project, load_profile(profile) if profile else None, columns)
    return known


def require_name(text: str) -> None:
    """Raise `DatasetNameError` for what cannot name a dataset or project."""
    if not is_name(text):
        hint = "use up to 48 of a-z, 0-9, '.', '_' and '-', beginning with a letter or digit"
        raise DatasetNameError(f"{text!r} cannot be a name", hint)


def extract(
    records: Records, dataset: Dataset, opened: OpenSource, *, workers: int = 1, progress: Progress | None = None
) -> tuple[Version, ExtractionTally]:
    """Fill the open version of a dataset from a source, both made if they are new and there is something to extract.

    Raises `EmptySourceError`, `OtherRulesError`, or what `Extraction.run` and `Extraction.account` raise.
    """
    version, tally, *_ = _filled(records, dataset, opened, workers=workers, progress=progress, told=None)
    return version, tally


def _filled(
    records: Records,
    dataset: Dataset,
    opened: OpenSource,
    *,
    workers: int,
    progress: Progress | None,
    told: Told | None,
) -> tuple[Version, ExtractionTally, Account, AddedConsents | None]:
    _check_patients(records, dataset, opened)
    source = get_acquainted(records, opened, dataset.profile)
    heard = _Hearing(records, source) if opened.kind == FHIR else None
    with recorded(records.folder.activity, Deed(What.EXTRACT, dataset=dataset.name, kind=opened.kind)) as deed:
        version, tally, account = _extract(
            records, dataset, opened, heard.source if heard else source, workers=workers, progress=progress, told=told
        )
        deed.add(version=version.number, records=tally.records + tally.updated, bytes=tally.size, held=tally.held)
    return version, tally, account, heard.said() if heard else None


class _Hearing:
    """The consents that come with a FHIR source's items: what became of them, with a line in the log for each run."""

    def __init__(self, records: Records, source: Source) -> None:
        self._records = records
        self.source = HeardConsents(source, records.catalogue.patients.rule, self._take)
        self._taken = AddedConsents()

    def _take(self, given: Sequence[Given]) -> None:
        with recorded(self._records.folder.activity, Deed(What.CONSENT, kind="added")) as deed:
            done = take(self._records.catalogue, given)
            deed.add(records=done.new + done.changed)
        self._taken += done

    def said(self) -> AddedConsents | None:
        """What became of them; None where there were none."""
        found = replace(self._taken, unread=self.source.unread)
        return found if found != AddedConsents() else None


def _extract(
    records: Records,
    dataset: Dataset,
    opened: OpenSource,
    source: Source,
    *,
    workers: int,
    progress: Progress | None,
    told: Told | None,
) -> tuple[Version, ExtractionTally, Account]:
    if records.catalogue.dataset(dataset.name) is None:
        records.catalogue.add_dataset(dataset)
    version = records.catalogue.open_version(dataset.name, opened.described, now_ms())
    run = Extraction(records.catalogue, records.vault, dataset, version.number, rules_of(records, dataset, opened.kind))
    total = source.count()
    if opened.live:  # whoever sends an item waits until it is durable
        tally = run.run(source, batch=1, progress=progress, told=told)
    else:
        few = total is not None and total < WORTH_WORKERS
        tally = run.run(source, workers=1 if few else workers, progress=progress, told=told)
    return records.catalogue.version(dataset.name, version.number), tally, run.account()


def _check_patients(records: Records, dataset: Dataset, opened: OpenSource) -> None:
    """Raise `OtherRulesError` if pictures would belong to patients in one part of a version, and not in the other."""
    from hmchain.records.sources.pictures.files import ImageFiles

    known = records.catalogue.versions(dataset.name)
    if not isinstance(opened.source, ImageFiles) or not known or known[-1].closed:
        return
    pictures = (each for each in records.catalogue.records(dataset.name, known[-1].number) if each.kind == IMAGE)
    one = next(pictures, None)
    if one is not None and ("patient" in one.attributes) is not (opened.source.patients is not None):
        of = "without" if opened.source.patients is not None else "with"
        what = f"the pictures in version {known[-1].number} of {dataset.name} were extracted {of} --patients-from"
        raise OtherRulesError(what, "do as before, or extract into another dataset")


def rules_of(records: Records, dataset: Dataset, kind: str) -> Deidentifiers:
    """The de-identifiers of items of a kind for a dataset."""
    return deidentifiers(blanking(records, dataset), records.catalogue.projects.pseudonyms(dataset.project), [kind])


def _check_same(known: Dataset, project: str | None, profile: Profile | None, schema: str) -> None:
    if known.form:
        hint = "extract into another dataset, and prepare images of that one"
        raise OtherRulesError(f"dataset {known.name} holds images made for learning", hint)
    if project not in (None, known.project):
        hint = "leave --project out, or begin another dataset"
        raise OtherRulesError(f"dataset {known.name} belongs to project {known.project}", hint)
    if profile not in (None, known.profile):
        hint = "leave --profile out, or begin another dataset"
        raise OtherRulesError(f"dataset {known.name} is de-identified by profile {known.profile.name}", hint)
    if schema not in ("", known.schema):
        hint = "begin another dataset for tables of another form"
        raise OtherRulesError(f"the tables of dataset {known.name} have another schema", hint)


def read_schema(name: str) -> str:
    """The schema of that name or path, whole, as JSON; nothing for nothing. Raises `TableSchemaError`."""
    if not name:
        return ""
    from hmchain.records.sources.tables import load_schema

    return msgspec.json.encode(load_schema(name), order="deterministic").decode()
