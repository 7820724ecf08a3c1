"""A request to fill in: a file that says of each key what it means."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Iterator
from pathlib import Path

from hmchain import files
from hmchain.application.governance.purposes import PURPOSES
from hmchain.application.governance.requests.file import RequestFileError
from hmchain.application.governance.requests.form import FIELDS
from hmchain.ledger.context import is_name
from hmchain.ledger.contracts.data.datasets import KINDS
from hmchain.ledger.contracts.data.requests import Kind

DAYS = 365
"""So long data are asked for where nobody says otherwise: no longer than a policy allows that says nothing of it."""

_HEAD = """# A request for data. Fill it in, look at it with `hmchain request check FILE`, and hand it in with
# `hmchain request submit FILE`. What stands behind a # is an explanation, or a key that may be left out.
# docs/how-to/request.md goes through all of it.

name = "{name}"           # short, for ever, and seen by all members: no word of what is asked
kind = "{kind}"           # train a model, count people, statistics, evaluate a model, or transfer records
purposes = ["health-research"]   # {purposes}; or codes of the Data Use Ontology
# diseases = ["MONDO:0005072"]   # what it is about, by codes of the Mondo Disease Ontology
{fields}# labels = ["diagnosis"]         # which labels
regions = []              # countries to which results go: ["DE", "FR"]
commercial = false        # whether anybody earns money with it
publishes = true          # whether results will be published
until = {until}        # the last day on which the data are used
# colluders = 1           # so many participants may pool what they know and still learn no other's part

[datasets]                # one of each hospital that is asked; the newest version, or "scans@2"
{datasets}

[resources]               # of each hospital's machine: its agent holds the study to it
hours = 24
memory_gib = 4.0
"""
_FIELDS = """# fields = ["age", "sex"]        # which fields are needed, where not all are
"""
_STUDY = """
[study]                   # all keys: docs/how-to/scientist.md
rounds = 600
"""
_QUERY = """
[query]                   # whom to count
people = "female and age 50..79 and condition ICD10:C50 since 2015-01-01"
epsilon = 1.0             # 0.01 to 1: the less, the more noise, and the less is learned of one person
"""
_TRANSFER = """
[transfer]                # records travel whole, sealed to your organisation
# kinds = ["dicom"]       # only these, where not all are needed: {kinds}
days = 90                 # so long you may keep them; then you erase them, and sign that you did
"""
_ATTACHMENTS = """
[attachments]             # files beside this one: PDF, text, PNG or JPEG of 8 MiB at most
# protocol = "protocol.pdf"
# ethics = "ethics-letter.pdf"
# dpia = "dpia.pdf"       # data protection impact assessment
"""
_FORM = """
[form]                    # for the people who decide; sealed to the hospitals asked and your own. "Art." is of the
                          # European Health Data Space, Regulation (EU) 2025/327: what a permit application asks for
"""


def template(name: str, kind: str, hospitals: Iterable[tuple[str, str]], today: datetime.date) -> str:
    """The file of a new request, for these hospitals' datasets; it ends with the year that begins `today`.

    Raises `RequestFileError` for what is no name or no kind.
    """
    if not is_name(name):
        raise RequestFileError(f"{name!r} is no name", "up to 48 of a-z, 0-9, '.', '_', '-'")
    if kind not in tuple(Kind):
        raise RequestFileError(f"kind {kind!r} is not known", f"it may be {', '.join(Kind)}")
    named = "\n".join(_datasets(hospitals))
    head = _HEAD.format(
        name=name, kind=kind, purposes=", ".join(PURPOSES), datasets=named or '# north = "scans"',
        fields="" if kind == Kind.TRANSFER else _FIELDS,
        until=(today + datetime.timedelta(days=DAYS - 1)).isoformat(),
    )  # fmt: skip
    travels = _TRANSFER.format(kinds=", ".join(KINDS))
    plan = {Kind.TRAIN: _STUDY, Kind.COUNT: _QUERY, Kind.TRANSFER: travels}.get(Kind(kind), "")
    return head + plan + _ATTACHMENTS + _FORM + "".join(_questions())


def _datasets(hospitals: Iterable[tuple[str, str]]) -> Iterator[str]:
    """A line for each dataset; of one hospital's the first alone counts, so that the file is one that can be read."""
    seen = set()
    for organisation, dataset in hospitals:
        yield f'{"# " * (organisation in seen)}{organisation} = "{dataset}"'
        seen.add(organisation)


def write_template(path: Path, text: str) -> None:
    """Write a new file. Raises `RequestFileError` if there is one."""
    try:
        files.write_whole(path, text.encode(), durable=False, new=True)
    except FileExistsError as error:
        raise RequestFileError(f"{path} exists", "choose another place with --output") from error


def _questions() -> Iterable[str]:
    for field in FIELDS:
        article = f" (Art. {field.article})" if field.article else ""
        mark = "" if field.needed else "# "
        quotes = '"""\n"""' if field.needed and field.is_long else '""'
        answer = f"{mark}{field.name} = {quotes}"
        yield f"# {field.asks}{article}\n{answer}\n"
