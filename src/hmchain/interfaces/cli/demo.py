"""`hmchain demo`: a whole consortium on one machine, from raw images to an audited model."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from hmchain.interfaces import demo as runner
from hmchain.interfaces.cli import output
from hmchain.interfaces.cli.command import ResumedCommand
from hmchain.interfaces.cli.options import SEED_HELP, example, passphrase
from hmchain.interfaces.report import to_json


class EngineName(Enum):
    """The engines that can decide a run's blocks."""

    EMBEDDED = "embedded"
    COMETBFT = "cometbft"


app = typer.Typer()


@app.command(cls=ResumedCommand, epilog=example("hmchain demo --hospitals 5 --rounds 40 --output runs/five"))
def demo(
    dataset: Annotated[
        str,
        typer.Option(metavar="NAME|PATH", help="Name of a data set, a folder with a sub-folder a class, or an .npz."),
    ] = "br35h",
    data_dir: Annotated[
        Path | None,
        typer.Option(envvar="HMCHAIN_DATA_DIR", metavar="DIR", help="Where NAME.npz files lie.", show_default="none"),
    ] = None,
    hospitals: Annotated[int, typer.Option(help="How many hospitals, 3 to 32; 4 to 10 on CometBFT.")] = 4,
    engine: Annotated[
        EngineName, typer.Option(help="What decides the blocks: this process, or a CometBFT node for every hospital.")
    ] = EngineName.EMBEDDED,
    rounds: Annotated[int | None, typer.Option(help="Rounds of training.", show_default="520; on CometBFT 80")] = None,
    steps: Annotated[
        int | None,
        typer.Option(help="Steps that each hospital trains in a round.", show_default="4; on CometBFT 26"),
    ] = None,
    alpha: Annotated[float, typer.Option(help="Evenness of the class mix: small is strong label skew.")] = 0.5,
    seed: Annotated[int, typer.Option(metavar="N", help=SEED_HELP)] = 7,
    image_size: Annotated[
        int | None, typer.Option(metavar="PIXELS", help="Side of the square images.", show_default="64, or the file's")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--output", metavar="DIR", help="Where the run goes.", show_default="runs/DATASET-SEED"),
    ] = None,
) -> None:
    """Run everything once: hospitals, ledger, training, two incidents, audit and report.

    The same command resumes a run that was interrupted, and shows one that is finished.

    With --engine cometbft every hospital runs a real node, and one of them is killed on the way: it takes 2 GB of
    memory, three minutes and `make cometbft` (once, a minute).

    The environment variable HMCHAIN_PASSPHRASE, if it is set, protects the hospitals' key files.
    """
    usual_rounds, usual_steps = runner.WORK[engine.value]
    settings = runner.DemoSettings(
        dataset=dataset,
        data_dir=None if data_dir is None else str(data_dir),
        image_size=image_size,
        hospitals=hospitals,
        rounds=usual_rounds if rounds is None else rounds,
        steps=usual_steps if steps is None else steps,
        alpha=alpha,
        seed=seed,
        engine=engine.value,
    )
    summary = runner.start(settings, output.console(stderr=output.in_json(), markup=True), out, passphrase())
    if output.in_json():
        typer.echo(to_json(summary), nl=False)
