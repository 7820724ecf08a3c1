"""The file of a request: written to be filled in, read key by key, and refused by the key that is wrong."""

from __future__ import annotations

import datetime
from pathlib import Path

import pytest

from hmchain.application.cohort.grammar import QueryError
from hmchain.application.governance.policies.template import begun
from hmchain.application.governance.requests.documents import DocumentError
from hmchain.application.governance.requests.file import RequestFile, RequestFileError, load_request
from hmchain.application.governance.requests.form import FIELDS
from hmchain.application.governance.requests.template import template, write_template
from hmchain.application.governance.study_file import StudyFileError
from hmchain.ledger.contracts.data.requests import DocumentKind, Kind
from hmchain.ledger.contracts.data.transfers import TransferPlan

TODAY = datetime.date(2026, 11, 28)
FORM = '[form]\ntitle = "Relapse"\nuse = "Who relapses?"\ncontact = "Dr West"\n'
WHOLE = f"""
name = "relapse"
kind = "count"
purposes = ["health-research", "DUO:0000007"]
diseases = ["MONDO:0005072"]
regions = ["DE", "AT"]
until = 2027-06-30
[datasets]
north = "scans@2"
east = "scans"
[query]
people = "female and age 50..79"
epsilon = 0.5
[attachments]
protocol = "protocol.pdf"
other = ["a.txt", "b.txt"]
{FORM}"""


def load(tmp_path: Path, text: str) -> RequestFile:
    path = tmp_path / "request.toml"
    path.write_text(text)
    return load_request(path)


def test_a_whole_file_says_what_is_asked(tmp_path: Path) -> None:
    asked = load(tmp_path, WHOLE)
    assert asked.codes == ("DUO:0000006", "DUO:0000007")
    assert asked.wanted == (("east", "scans", None), ("north", "scans", 2))
    assert asked.until_ms == 1_814_399_999_999, "to the end of the day"
    other, protocol = DocumentKind.OTHER, DocumentKind.PROTOCOL
    assert [(kind, path.name) for kind, path in asked.files] == [
        (other, "a.txt"), (other, "b.txt"), (protocol, "protocol.pdf"),
    ]  # fmt: skip
    assert all(path.parent == tmp_path for _, path in asked.files)
    assert asked.described().title == "Relapse"
    assert asked.count().epsilon_millionths == 500_000


def test_what_a_template_asks_for_is_no_longer_than_an_ordinary_policy_allows(tmp_path: Path) -> None:
    offered = [("north", "scans"), ("north", "others")]
    text = template("relapse", "transfer", offered, TODAY).replace('"""\n"""', '"x"').replace('""', '"x"')
    morning = datetime.datetime.combine(TODAY, datetime.time(), datetime.UTC)
    assert load(tmp_path, text).wanted == (("north", "scans", None),), "of one hospital's datasets one is chosen"
    days = (load(tmp_path, text).until_ms / 1000 - morning.timestamp()) / 86_400
    assert 364 < days <= begun("scans").days


@pytest.mark.parametrize("kind", list(Kind))
def test_the_template_is_a_file_to_fill_in(tmp_path: Path, kind: Kind) -> None:
    """It lacks nothing but the answers, and is the same TOML with all that is commented out filled in."""
    text = template("relapse", kind, [("north", "scans"), ("east", "scans")], TODAY)
    with pytest.raises(DocumentError, match=r"form\.title is empty"):
        load(tmp_path, text)
    filled = text.replace('""', '"x"').replace('"""\n"""', '"x"').replace('"x""\n"x""', '"x"')
    assert load(tmp_path, filled).kind == kind
    lines = [line.removeprefix("# ") if " = " in line else line for line in filled.splitlines()]
    whole = load(tmp_path, "\n".join(lines[3:]))
    assert set(whole.form) == {field.name for field in FIELDS}
    assert set(whole.attachments) == {"protocol", "ethics", "dpia"} and whole.colluders == 1


def test_a_template_overwrites_nothing_and_has_a_name(tmp_path: Path) -> None:
    write_template(tmp_path / "request.toml", "x")
    with pytest.raises(RequestFileError, match="exists"):
        write_template(tmp_path / "request.toml", "y")
    for name, kind in (("Not a name", "train"), ("name", "sell")):
        with pytest.raises(RequestFileError):
            template(name, kind, [], TODAY)


@pytest.mark.parametrize(
    ("before", "after", "says"),
    [
        ('kind = "count"', 'kind = "counts"', "kind = 'counts' is not known .did you mean 'count'"),
        ('name = "relapse"', 'name = "Relapse?"', "name = 'Relapse.' is no name"),
        ('"health-research"', '"health-reserch"', "did you mean 'health-research'"),
        ('["MONDO:0005072"]', '["5072"]', "diseases has '5072'.*'MONDO:0005072'"),
        ('["DE", "AT"]', '["Germany"]', "regions has 'Germany'"),
        ("until = 2027-06-30", 'until = "soon"', "until"),
        ("until = 2027-06-30", "until = 2027-06-30\ncommerical = true", "did you mean `commercial`"),
        ('east = "scans"', 'east = ["scans", "other"]', "datasets.east names several"),
        ('east = "scans"', 'east = "Scans"', "datasets.east = 'Scans' is no name"),
        ('protocol = "p', 'protokol = "p', "did you mean 'protocol'"),
        ("epsilon = 0.5", "epsilon = 2", "query.epsilon = 2 is out of range"),
        ("epsilon = 0.5", "epsilon = nan", "query.epsilon = nan is out of range"),
        ("epsilon = 0.5", "epsilon = inf", "query.epsilon = inf is out of range"),
        ('"protocol.pdf"', '"../keys/steward.key"', "does not lie beside the request's file"),
        ('"protocol.pdf"', '"/etc/hostname"', "does not lie beside the request's file"),
        ("female and age", "female an age", "and"),
        ('kind = "count"', 'kind = "statistics"', r"\[query\] is for kind = 'count'"),
        ("[attachments]", "[study]\nrounds = 3\n[attachments]", r"\[study\] is for kind = 'train'"),
        ("[attachments]", "[resources]\nhours = -1\n[attachments]", "resources.hours = -1 is out of range"),
        ("[attachments]", f"[resources]\nrounds = {'9' * 400}\n[attachments]", "resources.rounds = 999"),
        ("[attachments]", f"[resources]\nrounds = {'9' * 5000}\n[attachments]", "too many digits"),
        ("[attachments]", f"[resources]\nrounds = {'[' * 5000}\n[attachments]", "nested too deep"),
        ('[datasets]\nnorth = "scans@2"\neast = "scans"', "[datasets]", r"\[datasets\] is empty"),
    ],
)
def test_what_is_wrong_is_named_by_its_key(tmp_path: Path, before: str, after: str, says: str) -> None:
    assert before in WHOLE
    with pytest.raises((RequestFileError, QueryError), match=says):
        load(tmp_path, WHOLE.replace(before, after))


def test_a_study_is_checked_as_its_own_file_would_be(tmp_path: Path) -> None:
    text = WHOLE.replace('"count"', '"train"').replace("@2", "")
    text = text.replace('[query]\npeople = "female and age 50..79"\nepsilon = 0.5\n', "")
    asked = load(tmp_path, text.replace("[form]", "[study]\nrounds = 12\nsteps = 2\n[form]"))
    found = asked.proposal()
    assert (found.rounds, found.steps, found.purpose) == (12, 2, "DUO:0000006")
    assert found.datasets == {"north": "scans", "east": "scans"}
    with pytest.raises(RequestFileError, match=r"study\.purpose stands in the wrong place"):
        load(tmp_path, text.replace("[form]", '[study]\npurpose = "x"\n[form]'))
    with pytest.raises(RequestFileError, match="did you mean `rounds`"):
        load(tmp_path, text.replace("[form]", "[study]\nround = 1\n[form]"))
    with pytest.raises(StudyFileError, match="rounds = 0"):
        load(tmp_path, text.replace("[form]", "[study]\nrounds = 0\n[form]"))
    for key, least in (("hours", "1"), ("memory_gib", r"0\.25")):
        with pytest.raises(RequestFileError, match=f"resources.{key} = 0 is out of range .it may be {least} to"):
            load(tmp_path, text.replace("[form]", f"[resources]\n{key} = 0\n[form]"))


def test_a_file_that_is_not_there_names_the_way_to_one(tmp_path: Path) -> None:
    with pytest.raises(RequestFileError, match="hmchain request new NAME"):
        load_request(tmp_path / "nothing.toml")


def test_a_transfer_says_which_records_and_for_how_long(tmp_path: Path) -> None:
    text = template("relapse", "transfer", [("north", "scans")], TODAY).replace('"""\n"""', '"x"').replace('""', '"x"')
    assert load(tmp_path, text).given() == TransferPlan((), 90)
    some = text.replace("days = 90", 'days = 30\nkinds = ["fhir", "dicom"]')
    assert load(tmp_path, some).given() == TransferPlan(("dicom", "fhir"), 30)
    for before, after, says in (
        ("days = 90", "days = 0", "transfer.days = 0 is out of range"),
        ("days = 90", 'days = 9\nkinds = ["dicoms"]', "did you mean 'dicom'"),
        ("days = 90", "", "days"),
        ("regions = []", 'regions = []\nfields = ["age"]', "records travel whole"),
        ('kind = "transfer"', 'kind = "evaluate"', r"\[transfer\] is for kind = 'transfer'"),
    ):
        with pytest.raises(RequestFileError, match=says):
            load(tmp_path, text.replace(before, after, 1))
