"""`hmchain release evidence|grant|refuse`: what a hospital's people read before they decide, and what they say."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from hmchain.application.disclosure.evidence import Exemption
from hmchain.application.models import export
from hmchain.application.node.reading import open_ledger
from hmchain.application.releases import deciding
from hmchain.application.releases.deciding import AS_USUAL, Case, Measure
from hmchain.interfaces.cli import output
from hmchain.interfaces.cli.acting import PersonCommand
from hmchain.interfaces.cli.asking import YesOption, confirm
from hmchain.interfaces.cli.command import WriteCommand
from hmchain.interfaces.cli.options import DEFAULT_FOLDER, HospitalOption, PersonOption, example, passphrase
from hmchain.interfaces.cli.people import open_steward
from hmchain.interfaces.cli.release import show as views
from hmchain.interfaces.cli.release.ask import ReleaseName
from hmchain.ledger.readers.releases import ReleaseView
from hmchain.plain import plain

app = typer.Typer()


@app.command(cls=WriteCommand, epilog=example("hmchain release evidence brain-tumour"))
def evidence(
    release: ReleaseName,
    anew: Annotated[bool, typer.Option("--anew", help="Attack the model again, though with the same records.")] = False,
    contributions: Annotated[
        Path | None,
        typer.Option(
            "--contributions",
            metavar="FILE",
            help="Of a table with values: CSV with a line a person, its cell and `value`. It is not kept.",
        ),
    ] = None,
    let_pass: Annotated[
        list[str] | None,
        typer.Option(
            "--let-pass", metavar="CELL:RULE", help="Of a count or table: a finding that may pass; once for each."
        ),
    ] = None,
    because: Annotated[
        str, typer.Option("--because", metavar="CODE", help="Why: consented, harmless, public or structural-zero.")
    ] = "",
    by: Annotated[str, typer.Option("--by", metavar="NAME", help="Who lets it pass.")] = "",
    directory: HospitalOption = DEFAULT_FOLDER,
) -> None:
    """Measure at this hospital, from its own records, what would leave tells of its people; compare what left before.

    What follows from ledger and rules is computed each time; attacks on a model anew where other records may be used
    than before. It stays here: others get a digest of it, with a yes.
    """
    passing = tuple(_exemption(each, by, because) for each in let_pass or ())
    with _case(directory, release, Measure(anew, contributions, passing)) as found:
        output.show(found, views.show_case, json=_value)


@app.command(cls=PersonCommand, epilog=example("hmchain release grant brain-tumour"))
def grant(
    release: ReleaseName,
    node: PersonOption = DEFAULT_FOLDER,
    weighed: Annotated[
        bool, typer.Option("--weighed", help="With --yes: although the evidence saw something, or could not see.")
    ] = False,
    yes: YesOption = False,
) -> None:
    """Steward: let it leave, by the evidence of this hospital. It leaves once all its hospitals say so, for good.

    What would tell of a few people beside what left before is refused here, whatever is answered.
    """
    with _case(node, release) as found, open_steward(node, yes=yes) as steward:
        if found.differences:
            raise deciding.refused(found.view, found.differences)
        question = "Let it leave? Once all hospitals say so, nobody can take it back."
        if found.weighed:
            question = f"The evidence wants to be weighed ({output.listed(found.weighed)}). {question}"
        confirm(question, yes=yes, about=lambda: views.show_case(found))
        place = export.locate(node).hospital
        done = deciding.grant(steward, place, found, passphrase(), weighed=weighed or not yes)
    output.tell(done, _granted(done, steward.organisation))


@app.command(cls=PersonCommand, epilog=example("hmchain release refuse brain-tumour --reason disclosure"))
def refuse(
    release: ReleaseName,
    reason: Annotated[str, typer.Option("--reason", help="disclosure, ethics, other, purpose, quality or recipients.")],
    node: PersonOption = DEFAULT_FOLDER,
    yes: YesOption = False,
) -> None:
    """Steward: keep it inside. Until this hospital says yes, or whoever asked withdraws it, it stays there."""
    with open_ledger(export.locate(node).ledger) as ledger:
        found = ledger.release(release)
    with open_steward(node, yes=yes) as steward:
        confirm(f"Keep it inside, with the reason {reason!r} on the ledger for ever?", yes=yes,
                about=lambda: views.show_release(found, steward.organisation))  # fmt: skip
        kept = deciding.kept_evidence(export.locate(node).hospital, found, passphrase())
        done = deciding.refuse(steward, found, reason, kept)
    output.tell(done, f"{done.what} stays inside ({reason}). Let it leave later: "
                      f"`hmchain release grant {release}`")  # fmt: skip


def _exemption(finding: str, by: str, because: str) -> Exemption:
    """A finding that is named by its cell and rule; cells may have colons in their names."""
    cell, _, check = finding.rpartition(":")
    return Exemption(cell=cell.strip(), check=check.strip(), by=by, reason=because)


@contextmanager
def _case(directory: Path, release: str, how: Measure = AS_USUAL) -> Iterator[Case]:
    """What this hospital decides on, with its evidence as it is now."""
    place = export.locate(directory)
    with output.progress_bar("measuring") as progress, open_ledger(place.ledger) as ledger:
        output.vouch(ledger.verified)
        found = deciding.case(place.hospital, ledger, release, passphrase(), progress, how)
    yield found


def _granted(done: ReleaseView, organisation: str) -> str:
    own = done.of(organisation)
    if own is not None and own.is_waiting:
        said = f"{len(own.persons)} of {own.needed} persons of this hospital said yes"
        return f"{said}. Another steward: `hmchain release grant {done.release} --as NAME`"
    if done.is_released:
        return (f"{done.what} is released. Write it, with the proof: "
                f"`hmchain release file {done.release} --to FILE`")  # fmt: skip
    return f"{organisation} lets it leave; it waits for {output.listed(done.waits_for)}."


def _value(found: Case) -> object:
    """JSON of a case."""
    return {
        "release": plain(found.view),
        "evidence": plain(found.evidence),
        "evidence_digest": found.evidence.digest.hex(),
        "differences": [plain(each) for each in found.differences],
    }
