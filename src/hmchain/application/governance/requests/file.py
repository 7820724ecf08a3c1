"""The file in which somebody asks for data: TOML, checked key by key before anything else happens."""

from __future__ import annotations

import datetime
import difflib
import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import msgspec

from hmchain import decoding
from hmchain.application.cohort.grammar import parse
from hmchain.application.governance.purposes import PURPOSES, diseases, terms
from hmchain.application.governance.requests.form import Form, form_of
from hmchain.application.governance.study_file import Proposal, beside
from hmchain.application.governance.study_file import require_sound as require_sound_study
from hmchain.clock import DAY_MS
from hmchain.decoding import told
from hmchain.errors import InputError
from hmchain.files import read_toml
from hmchain.ledger.arithmetic import MILLION
from hmchain.ledger.context import NAME, is_name
from hmchain.ledger.contracts.data import datasets
from hmchain.ledger.contracts.data.contents import HOURS_MAX, MEMORY_MIB_MAX, REGION, ROUNDS_MAX
from hmchain.ledger.contracts.data.queries import EPSILON_MAX_MILLIONTHS, EPSILON_MIN_MILLIONTHS, CountPlan
from hmchain.ledger.contracts.data.requests import SUMMED, DocumentKind, Kind
from hmchain.ledger.contracts.data.transfers import DAYS_MAX as TRANSFER_DAYS_MAX
from hmchain.ledger.contracts.data.transfers import TransferPlan
from hmchain.plain import number

ATTACHED = tuple(kind for kind in DocumentKind if kind is not DocumentKind.FORM)
_DISEASE = re.compile(r"MONDO:\d{7}")
_PURPOSE = f"^(DUO:[0-9]{{7}}|{'|'.join(PURPOSES)})$"
_DATASET = re.compile(r"([^@]+)(?:@([1-9]\d{0,8}))?")
_OF_THE_REQUEST = ("name", "datasets", "purpose", "colluders", "description")
"""What a study's own file says itself, and the request says of one under it."""


class RequestFileError(InputError):
    """The file of a request cannot be used."""

    code = "request_file"


_TRAINING_GIB_MIN = 0.25
"""Who asks for less of a machine could not begin."""


class ResourcesAsked(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What is asked of the hospitals' machines."""

    rounds: int | None = None
    """Of the study; those of `[study]` if not given."""
    hours: int = 24
    memory_gib: float = 4.0


class QueryAsked(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Whom a count counts."""

    people: str
    """In the language of cohort queries; an age without a year is that of the last day of use's year."""
    epsilon: float = 1.0
    """How much may be learned of one person from the answer, at most: noise of about 1 / epsilon people is added."""


class TransferAsked(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Which records are to be sent to the applicant's organisation, and how long it may keep them."""

    kinds: list[Annotated[str, told(enum=list(datasets.KINDS))]] = []
    """Only records of these kinds; all if it is empty."""
    days: Annotated[int, told(minimum=1, maximum=TRANSFER_DAYS_MAX)]
    """Since they were given; then they are erased."""


class RequestFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A request's TOML file."""

    name: Annotated[str, told(pattern=f"^{NAME}$")]
    kind: Annotated[str, told(enum=list(map(str, Kind)))] = Kind.TRAIN
    purposes: tuple[Annotated[str, told(pattern=_PURPOSE)], ...] = ("health-research",)
    """Codes of the Data Use Ontology, or the words for them in `PURPOSES`."""
    diseases: list[Annotated[str, told(pattern="^MONDO:[0-9]{7}$")]] = []
    """Codes of the Mondo Disease Ontology."""
    datasets: Annotated[dict[str, str | list[str]], told(minProperties=1)]
    """Organisation to its dataset, `NAME` or `NAME@VERSION`; several where nothing is summed."""
    fields: list[str] = []
    labels: list[str] = []
    regions: list[Annotated[str, told(pattern="^[A-Z]{2}$")]] = []
    """Countries to which results go."""
    commercial: bool = False
    publishes: bool = True
    until: datetime.date
    """The last day of use."""
    colluders: int | None = None
    resources: ResourcesAsked = ResourcesAsked()
    form: dict[str, str]
    attachments: dict[str, str | list[str]] = {}
    """Kind of document to its file or files, which lie beside this one."""
    study: dict[str, Any] = {}
    """As in a study's own file, without what the request says."""
    query: QueryAsked | None = None
    """Of a count."""
    transfer: TransferAsked | None = None
    """Of a transfer."""
    copied_from: str = ""
    """A request that this one renews."""
    folder: str = ""
    """Where the file lay; no key of it."""

    @property
    def codes(self) -> tuple[str, ...]:
        """The purposes' codes, in order."""
        return tuple(sorted({PURPOSES.get(each, each) for each in self.purposes}))

    @property
    def wanted(self) -> tuple[tuple[str, str, int | None], ...]:
        """Hospital, dataset and version of all that is asked for, in order; no version means the newest."""
        found = []
        for organisation, names in self.datasets.items():
            for name in [names] if isinstance(names, str) else names:
                parts = _DATASET.fullmatch(name)
                found.append((organisation, parts[1] if parts else name, int(parts[2]) if parts and parts[2] else None))
        return tuple(sorted(found, key=lambda each: each[:2]))

    @property
    def until_ms(self) -> int:
        """The end of the last day, UTC."""
        return end_of(self.until)

    @property
    def files(self) -> tuple[tuple[DocumentKind, Path], ...]:
        """The attachments, in order of kind."""
        return tuple(
            (DocumentKind(kind), Path(self.folder) / path)
            for kind, paths in sorted(self.attachments.items())
            for path in ([paths] if isinstance(paths, str) else paths)
        )

    def described(self) -> Form:
        """The form, checked. Raises `DocumentError`."""
        return form_of(self.form)

    def count(self) -> CountPlan:
        """What a request to count asks. Raises `RequestFileError` or `QueryError`."""
        if self.query is None:
            hint = 'say whom to count: people = "female and age 50..79"'
            raise RequestFileError("[query] is missing", hint)
        least, most = EPSILON_MIN_MILLIONTHS / MILLION, EPSILON_MAX_MILLIONTHS / MILLION
        if not least <= self.query.epsilon <= most:  # NaN lies nowhere
            what = f"query.epsilon = {self.query.epsilon:g} is out of range"
            raise RequestFileError(what, f"it may be {least:g} to {most:g}; the less, the more noise")
        return CountPlan(parse(self.query.people, self.until.year), round(self.query.epsilon * MILLION))

    def given(self) -> TransferPlan:
        """What a request for a transfer asks for. Raises `RequestFileError`."""
        if self.transfer is None:
            raise RequestFileError("[transfer] is missing", "say how long the records may be kept: days = 90")
        if self.fields:
            raise RequestFileError("fields is for what is computed, and records travel whole", "leave it out")
        for kind in self.transfer.kinds:
            _require_one_of("transfer.kinds", kind, datasets.KINDS)
        if not 1 <= self.transfer.days <= TRANSFER_DAYS_MAX:
            what = f"transfer.days = {self.transfer.days} is out of range"
            raise RequestFileError(what, f"it may be 1 to {TRANSFER_DAYS_MAX}")
        return TransferPlan(tuple(sorted(set(self.transfer.kinds))), self.transfer.days)

    def proposal(self) -> Proposal:
        """The study of a request to train, as its own file would ask for it. Raises `RequestFileError`."""
        if given := [key for key in _OF_THE_REQUEST if key in self.study]:
            raise RequestFileError(f"study.{given[0]} stands in the wrong place", f"the request itself says {given[0]}")
        table = self.study | {
            "name": self.name,
            "datasets": {organisation: name for organisation, name, _ in self.wanted},
            "purpose": self.codes[0],
            "colluders": self.colluders,
        }
        try:
            found = decoding.converted(table, Proposal)
        except msgspec.ValidationError as error:
            reason = decoding.in_words(error, Proposal, "study.")
            raise RequestFileError(reason, "docs/how-to/scientist.md has all keys of a study") from error
        require_sound_study(found)
        return beside(found, Path(self.folder))


def end_of(day: datetime.date) -> int:
    """The last moment of a day, UTC, in milliseconds."""
    begin = datetime.datetime.combine(day, datetime.time(), datetime.UTC)
    return int(begin.timestamp() * 1000) + DAY_MS - 1


def load_request(path: Path) -> RequestFile:
    """Read a request and check each key. Raises `RequestFileError`, `DocumentError` or `StudyFileError`."""

    def wrong(reason: str) -> RequestFileError:
        hint = "docs/how-to/request.md explains each key; `hmchain request new NAME` writes a whole file"
        return RequestFileError(f"{path}: {reason}", hint)

    try:
        found = read_toml(path, RequestFile, wrong)
    except OSError as error:
        hint = "check the path; `hmchain request new NAME` writes one to fill in"
        raise RequestFileError(f"{path} cannot be read: {error.strerror}", hint) from error
    if found.folder:
        raise wrong("unknown field `folder`")
    found = msgspec.structs.replace(found, folder=str(path.parent))
    require_sound(found)
    for _, attached in found.files:
        _require_beside(path.parent, attached)
    return found


def require_alone(asked: RequestFile) -> None:
    """See that a request names no file: whoever sent it over a network has none on this machine.

    Raises as `load_request`, and `RequestFileError` for what it names.
    """
    if asked.attachments or asked.folder:
        what = "attachments name files, and no file came with this"
        raise RequestFileError(what, "leave them out, and add each to the draft: POST /v1/requests/NAME/documents")
    if asked.study.get("trainer"):
        what = "study.trainer is code of this machine's"
        raise RequestFileError(what, "ask at the machine where it lies: `hmchain request submit FILE`")
    require_sound(asked)


def _require_beside(folder: Path, attached: Path) -> None:
    """Refuse a file elsewhere: whoever hands on a request does not choose what of this machine is sealed to others."""
    try:
        is_beside = Path(os.path.realpath(attached)).is_relative_to(os.path.realpath(folder))
    except ValueError:  # a NUL in its name
        is_beside = False
    if not is_beside:
        what = f"attachments has {str(attached)!r}, which does not lie beside the request's file"
        raise RequestFileError(what, "copy it there, if it is to be attached")


def require_sound(asked: RequestFile) -> None:
    """Refuse what no request can have, whatever the ledger says. Raises as `load_request`."""
    _require_name("name", asked.name)
    _require_one_of("kind", asked.kind, tuple(Kind))
    if not asked.purposes:
        raise RequestFileError("purposes is empty", f'say what the data are for: purposes = ["{next(iter(PURPOSES))}"]')
    for purpose in asked.purposes:
        _require_purpose(purpose)
    _require_like("diseases", asked.diseases, _DISEASE, "MONDO:0005072")
    if unknown := [code for code in asked.diseases if code not in diseases()]:
        raise RequestFileError(f"diseases has {unknown[0]!r}, which this version does not know", "name a broader one")
    _require_like("regions", asked.regions, REGION, "DE")
    for key in ("fields", "labels"):
        for name in getattr(asked, key):
            _require_name(key, name)
    _require_data(asked)
    _require_resources(asked.resources, Kind(asked.kind))
    for kind in asked.attachments:
        _require_one_of("attachments", kind, ATTACHED)
    asked.described()
    _require_plan(asked)


def _require_data(asked: RequestFile) -> None:
    if not asked.wanted:
        raise RequestFileError("[datasets] is empty", 'name a hospital and its dataset: north = "scans"')
    for organisation, dataset, _ in asked.wanted:
        _require_name("datasets", organisation)
        _require_name(f"datasets.{organisation}", dataset)
    pairs = [each[:2] for each in asked.wanted]
    if twice := [each for each in pairs if pairs.count(each) > 1]:
        raise RequestFileError(f"datasets.{twice[0][0]} names {twice[0][1]} twice", "once is enough")
    hospitals = [organisation for organisation, _, _ in asked.wanted]
    several = [each for each in hospitals if hospitals.count(each) > 1]
    if several and Kind(asked.kind) in SUMMED:
        what = f"datasets.{several[0]} names several, and kind = {asked.kind!r} sums over hospitals"
        raise RequestFileError(what, "name one dataset a hospital, or make a request for each")


def _require_resources(asked: ResourcesAsked, kind: Kind) -> None:
    hours_min, gib_min = (1, _TRAINING_GIB_MIN) if kind is Kind.TRAIN else (0, 0)
    ranges = {"rounds": (0, ROUNDS_MAX), "hours": (hours_min, HOURS_MAX), "memory_gib": (gib_min, MEMORY_MIB_MAX >> 10)}
    for key, (least, most) in ranges.items():
        value = getattr(asked, key)
        if value is not None and not least <= value <= most:
            raise RequestFileError(f"resources.{key} = {number(value)} is out of range", f"it may be {least} to {most}")


def _require_plan(asked: RequestFile) -> None:
    tables = ((Kind.TRAIN, "study", bool(asked.study)), (Kind.COUNT, "query", asked.query is not None))
    for kind, table, is_there in (*tables, (Kind.TRANSFER, "transfer", asked.transfer is not None)):
        if is_there and asked.kind != kind:
            what = f"[{table}] is for kind = '{kind}', and kind = {asked.kind!r}"
            raise RequestFileError(what, "leave one of them out")
    if asked.kind == Kind.TRAIN:
        asked.proposal()
    if asked.kind == Kind.COUNT:
        asked.count()
    if asked.kind == Kind.TRANSFER:
        asked.given()


def _require_name(key: str, name: str) -> None:
    if not is_name(name):
        raise RequestFileError(f"{key} = {name!r} is no name", "up to 48 of a-z, 0-9, '.', '_', '-'")


def _require_purpose(purpose: str) -> None:
    if PURPOSES.get(purpose, purpose) not in terms():
        near = difflib.get_close_matches(purpose, [*PURPOSES, *terms()], n=1)
        words = "; ".join(f"{word} ({code})" for word, code in PURPOSES.items())
        meant = f"did you mean {near[0]!r}? " if near else ""
        raise RequestFileError(
            f"purposes has {purpose!r}, which is no purpose",
            f"{meant}{words}, or another code of the Data Use Ontology",
        )


def _require_one_of(key: str, value: str, known: Iterable[str]) -> None:
    names = [str(each) for each in known]
    if value not in names:
        near = difflib.get_close_matches(value, names, n=1)
        meant = f"did you mean {near[0]!r}? " if near else ""
        raise RequestFileError(f"{key} = {value!r} is not known", f"{meant}it may be {', '.join(names)}")


def _require_like(key: str, values: Iterable[str], pattern: re.Pattern[str], example: str) -> None:
    for value in values:
        if not pattern.fullmatch(value):
            raise RequestFileError(f"{key} has {value!r}, which is no such code", f"one looks like {example!r}")
