"""`hmchain model`: the models that studies made, and what they say of an image."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hmchain.application.governance.purposes import purpose_words
from hmchain.application.models import export as model_export
from hmchain.application.models import inference, prediction, results
from hmchain.application.models.inference import DIFFERS, MATCHES, UNKNOWN, ModelFile
from hmchain.application.models.prediction import Predictions
from hmchain.application.node.ledger_file import ledger_at
from hmchain.application.node.reading import open_ledger
from hmchain.errors import AuditError, DataError, InputError
from hmchain.interfaces.cli import output, remote, runs
from hmchain.interfaces.cli.acting import PortalReadCommand
from hmchain.interfaces.cli.command import ReadCommand, WriteCommand
from hmchain.interfaces.cli.options import (
    DEFAULT_FOLDER,
    HospitalOption,
    RunOption,
    StudyOption,
    example,
    passphrase,
)
from hmchain.interfaces.client import studies as ask_studies
from hmchain.ledger.readers.models import ModelView
from hmchain.plain import RESEARCH_ONLY

if TYPE_CHECKING:
    from hmchain.application.learning.model_file import RegisteredModels
    from hmchain.application.learning.model_origin import Origin

app = typer.Typer(no_args_is_help=True)

COLUMNS = ("study", "purpose", "round#", "classes", "participants", "block#", "root")
_KNOWN = {
    MATCHES: "has this model: weights, classes, preprocessing, prior and origin are those that were registered",
    DIFFERS: "HAS ANOTHER MODEL: {}",
    UNKNOWN: "not compared: {}",
}

ModelOption = Annotated[
    Path | None,
    typer.Option(
        "--model", metavar="FILE", help="Model file.", show_default="the one that the run, or the study, left"
    ),
]


class NoLedgerError(InputError):
    """There is nothing to hold a model file against."""

    code = "no_ledger"


class NoModelHereError(InputError):
    """A model was to be held against a ledger, and only the ledger was named."""

    code = "no_model_here"


class UnreadableImagesError(DataError):
    """Some of the images could not be read; the others were."""

    code = "unreadable_images"


@app.command("list", cls=PortalReadCommand, epilog=example("hmchain model list"))
def list_(run: RunOption = None) -> None:
    """List the models on the ledger."""
    if remote.shown(run, ask_studies.models(), _show_models):
        return
    with runs.opened(run) as place, open_ledger(place.ledger) as ledger:
        output.vouch(ledger.verified)
        found = list(ledger.models())
    output.show(found, _show_models)


@app.command(cls=ReadCommand, epilog=example("hmchain model show"))
def show(run: RunOption = None, study: StudyOption = None, model: ModelOption = None) -> None:
    """Show a model file: network, classes, preprocessing, origin, and whether it is the model that the ledger knows.

    At a node it is the one that the agent left when the study ended; name the study where several did.

    Exit status 7 if it is not: other weights, classes, prior or origin than were registered.
    """
    path, ledger = _file_and_ledger(run, study, model)
    found = _described(path, ledger)
    output.show(found, partial(_show, ledger=ledger))
    if found.ledger == DIFFERS:
        raise typer.Exit(AuditError.exit_code)


@app.command(cls=WriteCommand, epilog=example("hmchain model export brain-tumour --dir north"))
def export(
    study: Annotated[str, typer.Argument(metavar="STUDY", help="Name of a finished study.")],
    directory: HospitalOption = DEFAULT_FOLDER,
    target: Annotated[
        Path | None,
        typer.Option(
            "--output", metavar="FILE", help="Where to, in the hospital's folder.", show_default="that of its study"
        ),
    ] = None,
) -> None:
    """Write a study's model again, inside a hospital that took part; its node may run or not.

    Whatever is written was held against the ledger: weights, classes, prior and origin. No file is overwritten. What is
    to leave the hospital is written by `hmchain release file`, once all hospitals let it.
    """
    place = model_export.locate(directory)
    path = target or place.hospital.study(study).model
    with open_ledger(place.ledger) as ledger:
        model_export.require_inside(place.hospital, ledger.verified.state, study, path)
        if model_export.is_there(study, path, inference.known(ledger)):
            output.say(f"{path} is this model already.", stderr=True)
        else:
            model_export.export(place, ledger.verified.state, study, path, passphrase())
    output.show(_described(path, place.ledger), partial(_show, ledger=place.ledger))


@app.command(cls=ReadCommand, epilog=example("hmchain model predict scan.jpg"))
def predict(
    images: Annotated[list[Path], typer.Argument(metavar="IMAGE", help="Pictures, DICOM objects, or folders of them.")],
    run: RunOption = None,
    study: StudyOption = None,
    model: ModelOption = None,
    unregistered: Annotated[
        bool, typer.Option("--unregistered", help="Take a file of no ledger: nothing says whose model it is.")
    ] = False,
) -> None:
    """Ask the model about images: a probability for each class.

    Of a DICOM object the frame in the middle is shown to it, as `hmchain data prepare` shows it in training. The model
    must be the one that the ledger registered. Research use only, not a medical device. Exit status 3 if any
    image could not be read, 7 if the file differs from the ledger.
    """
    path, ledger = _file_and_ledger(run, study, model)
    if ledger is None and not unregistered:
        raise NoLedgerError(f"there is no ledger to hold {path} against", "name one by --dir, or say --unregistered")
    known = _known(ledger) if ledger and not unregistered else None
    with output.progress_bar("asking the model") as progress:
        found = prediction.predict(path, prediction.images_in(images), known, progress)
    failed = [each for each in found.predictions if each.error]
    if len(failed) == len(found.predictions) == 1:
        what = f"{failed[0].image} is no image that can be used: {failed[0].error}"
        raise UnreadableImagesError(what, "give a DICOM object or a picture, as the model was trained on")
    output.show(found, _show_predictions)
    if failed:
        raise typer.Exit(UnreadableImagesError.exit_code)


def _file_and_ledger(directory: Path | None, study: str | None, model: Path | None) -> tuple[Path, Path | None]:
    """A model file and the ledger to hold it against; a file by itself has none."""
    if directory is not None and directory.is_file():
        if model is None:
            raise NoModelHereError(f"{directory} is a ledger, and holds no model", "name the model's file by --model")
        return model, directory
    try:
        place = runs.find(directory)
    except runs.NoRunError:
        if model is None or directory is not None:
            raise
        return model, None
    return model or _model_in(place, study), place.ledger


def _model_in(place: runs.Run, study: str | None) -> Path:
    """The model of a run, or one that a study left at a node."""
    return results.model_file(place.path, study) if place.is_node else place.require(place.model)


def _known(ledger: Path) -> RegisteredModels:
    """The models that a file is held against."""
    with ledger_at(ledger) as place, open_ledger(place) as reader:
        output.vouch(reader.verified)
        return inference.known(reader)


def _described(path: Path, ledger: Path | None) -> ModelFile:
    """A file held against a ledger, if there is one, with the releases that let it leave."""
    if ledger is None:
        return inference.describe(path, None)
    with ledger_at(ledger) as place, open_ledger(place) as reader:
        output.vouch(reader.verified)
        return inference.standing(inference.describe(path, inference.known(reader)), reader)


def _show_models(found: Sequence[ModelView]) -> None:
    output.table(COLUMNS, (
        (each.study, each.purpose, each.round, output.listed(each.classes), output.listed(each.participants),
         each.height, output.short(each.root))
        for each in found
    ), drop=("purpose", "participants"))  # fmt: skip
    if not found:
        output.say("No study has finished yet: see `hmchain study status`.")


def _show(found: ModelFile, ledger: Path | None) -> None:
    output.heading(str(found.path))
    output.fields((
        ("SHA-256", found.sha256.hex()),
        ("network", f"{found.network}, {found.weights:,} weights"),
        ("preprocessing", _preprocessing(found)),
        ("classes", output.listed(found.preprocessing.classes if found.trainer else _shares(found))),
        *_origin(found.origin),
        ("ledger", _KNOWN[found.ledger].format(found.difference)),
        *([("release", _release(found))] if found.ledger == MATCHES else []),
    ))  # fmt: skip
    output.heading("From Python")
    for line in python_lines(found, ledger):
        output.say(line)
    output.say()
    output.say(RESEARCH_ONLY, style="bold yellow")


def python_lines(found: ModelFile, ledger: Path | None) -> Iterator[str]:
    """Lines that have the model in hand, and ask it; they work as they stand but for IMAGE."""
    use = "" if found.trainer else "predict, "
    yield "from pathlib import Path"
    node = runs.Run(ledger.parent) if ledger is not None else None
    if node is not None and found.ledger != MATCHES and not found.path.is_relative_to(node.path):
        node = None  # the node's own model is another one
    if node is not None and node.is_node and found.origin is not None:
        yield f"from hmchain import {use}study_model"
        yield f'model = study_model("{node.path}", "{found.origin.study}")'
    else:
        yield f"from hmchain import load_model, {use}verify"
        yield f'model = load_model(Path("{found.path}"), verify("{ledger or "LEDGER"}"))'
    yield "model.arrays()" if found.trainer else 'predict(model, Path("IMAGE").read_bytes())'


def _origin(origin: Origin | None) -> Iterator[tuple[str, str]]:
    if origin is not None:
        yield "study", f"{origin.study}, round {origin.round}, {origin.participants} hospitals"
        yield "purpose", purpose_words(origin.purpose)
        yield "chain", origin.chain_id
        yield "genesis", origin.genesis
        yield "model root", origin.model_root
        yield "training code", origin.code


def _show_predictions(found: Predictions) -> None:
    model = found.model
    columns = ("image", *(f"{name}#" for name in model.preprocessing.classes), "likeliest")
    rows = (
        (each.image, *(f"{share:.1%}" for share in each.probabilities.values()), each.likeliest)
        for each in found.predictions
        if not each.error
    )
    output.table(columns, rows)
    for each in found.predictions:
        if each.error:
            output.say(f"{each.image}: {each.error}", style="red", stderr=True)
    if found.passed_over:
        output.say(f"Passed over in the folders: {found.passed_over:,}, which are neither pictures nor DICOM.")
    output.fields((
        ("model", f"{model.path}, SHA-256 {model.sha256.hex()}"),
        ("preprocessing", _preprocessing(model)),
        ("prior", output.listed(_shares(model))),
    ))  # fmt: skip
    output.say(RESEARCH_ONLY, style="bold yellow")


def _preprocessing(model: ModelFile) -> str:
    how = model.preprocessing
    if model.trainer:
        rows = how.height == how.channels == 1
        return f"rows of {how.width} numbers" if rows else f"images of {how.width} x {how.height}, as the trainer says"
    colour = "grey" if how.channels == 1 else "colour"
    return f"resized to {how.width} x {how.height} (aspect ratio not kept), {colour}, 0..255 scaled to -1..1"


def _release(found: ModelFile) -> str:
    if not found.releases:
        return "none: it stays inside the hospitals that made it"
    return f"{output.listed(found.releases)}; what may leave is written by `hmchain release file NAME --to FILE`"


def _shares(model: ModelFile) -> tuple[str, ...]:
    how = model.preprocessing
    return tuple(f"{name} {share:.1%}" for name, share in zip(how.classes, how.prior.tolist(), strict=True))
