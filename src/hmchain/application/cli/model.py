"""`hmchain model`: the models that studies made, and what they say of an image."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hmchain.application.cli import output, runs
from hmchain.application.cli.options import AsJson, RunArgument, RunOption, example
from hmchain.errors import AuditError, DataError

if TYPE_CHECKING:
    from hmchain.application.cli.views.model import ModelFile, Predictions

app = typer.Typer(no_args_is_help=True, help=f"Models that studies made, and what they say. {output.RESEARCH_ONLY}")

ModelOption = Annotated[
    Path | None,
    typer.Option("--model", metavar="FILE", help="Model file.", show_default="model.safetensors of the run"),
]


class UnreadableImagesError(DataError):
    """Some of the images could not be read; the others were."""

    code = "unreadable_images"


@app.command("list", epilog=example("hmchain model list"))
def list_(directory: RunArgument = None, run: RunOption = None, as_json: AsJson = False) -> None:
    """List the models on the ledger."""
    from hmchain.application.cli.views import model as view

    found = view.registered(runs.find(directory, run).ledger)
    if as_json:
        output.emit(found)
        return
    columns = ("study", "purpose", "round#", "classes", "participants", "block#", "root")
    output.table(columns, (
        (each.study, each.purpose, each.round, output.listed(each.classes), output.listed(each.participants),
         each.height, each.root.hex())
        for each in found
    ))  # fmt: skip
    if not found:
        output.say("No study has finished yet: see `hmchain study status`.")


@app.command(epilog=example("hmchain model show"))
def show(
    directory: RunArgument = None, run: RunOption = None, model: ModelOption = None, as_json: AsJson = False
) -> None:
    """Show a model file: network, classes, preprocessing, origin, and whether the ledger knows it.

    Exit status 7 if the ledger has another model under the study that the file names.
    """
    try:
        place = runs.find(directory, run)
    except runs.NoRunError:
        if model is None or directory is not None or run is not None:
            raise
        path, ledger = model, None  # a file by itself
    else:
        path, ledger = model or place.require(place.model), place.ledger
    _prepare()
    from hmchain.application.cli.views import model as view

    found = view.describe(path, ledger)
    if as_json:
        output.emit(found)
    else:
        _show(found)
    if found.ledger == view.DIFFERS:
        raise typer.Exit(AuditError.exit_code)


@app.command(epilog=example("hmchain model predict scan.jpg"))
def predict(
    images: Annotated[list[Path], typer.Argument(metavar="IMAGE", help="Image files, or folders of them.")],
    run: RunOption = None,
    model: ModelOption = None,
    as_json: AsJson = False,
) -> None:
    """Ask the model about images: a probability for each class.

    Research use only, not a medical device. Exit status 3 if any image could not be read.
    """
    path = model
    if path is None:
        place = runs.find(run)
        path = place.require(place.model)
    _prepare()
    from hmchain.application.cli.views import model as view

    found = view.predict(path, view.images_in(images))
    failed = [each for each in found.predictions if each.error]
    if len(failed) == len(found.predictions) == 1:
        raise UnreadableImagesError(f"{failed[0].image} is no image that can be used: {failed[0].error}")
    if as_json:
        output.emit(found)
    else:
        _show_predictions(found)
    if failed:
        raise typer.Exit(UnreadableImagesError.exit_code)


def _prepare() -> None:
    """Before torch is imported: memory of one step is kept for the next."""
    from hmchain.application.learning.memory import tune_allocator

    tune_allocator()


def _show(found: ModelFile) -> None:
    arch = found.architecture
    known = {
        "matches": "has the root that the file claims under its study; whether the weights have it is not checked here",
        "differs": "HAS ANOTHER ROOT under its study: this is not the model that was agreed on",
        "unknown": "not compared: the ledger or the file says nothing of its study",
    }
    output.heading(str(found.path))
    output.fields((
        ("SHA-256", found.sha256.hex()),
        ("network", f"{arch.name}, {arch.filters} filters, stem stride {arch.stem_stride}, {found.weights:,} weights"),
        ("preprocessing", _preprocessing(found)),
        ("classes", output.listed(_shares(found))),
        *sorted(found.metadata.items()),
        ("ledger", known[found.ledger]),
    ))  # fmt: skip
    output.heading("From Python")
    output.say("from pathlib import Path")
    output.say("from hmchain.application.learning.cnn import predict")
    output.say(f'predict(Path("{found.path}"), Path("IMAGE").read_bytes())')
    output.say()
    output.say(output.RESEARCH_ONLY, style="bold yellow")


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
    output.fields((
        ("model", f"{model.path}, SHA-256 {model.sha256.hex()}"),
        ("preprocessing", _preprocessing(model)),
        ("prior", output.listed(_shares(model))),
    ))  # fmt: skip
    output.say(output.RESEARCH_ONLY, style="bold yellow")


def _preprocessing(model: ModelFile) -> str:
    how = model.preprocessing
    colour = "grey" if how.channels == 1 else "colour"
    return f"resized to {how.width} x {how.height} (aspect ratio not kept), {colour}, 0..255 scaled to -1..1"


def _shares(model: ModelFile) -> tuple[str, ...]:
    how = model.preprocessing
    return tuple(f"{name} {share:.1%}" for name, share in zip(how.classes, how.prior.tolist(), strict=True))
