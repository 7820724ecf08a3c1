"""`hmchain demo`: a whole consortium on one machine, from raw images to an audited model."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from hmchain.application.cli import output
from hmchain.application.cli.options import AsJson, example

EXAMPLE = example("hmchain demo --hospitals 5 --rounds 40 --output runs/five")


def demo(
    dataset: Annotated[
        str,
        typer.Option(metavar="NAME|PATH", help="Name of a data set, a folder with a sub-folder a class, or an .npz."),
    ] = "br35h",
    data_dir: Annotated[
        Path | None,
        typer.Option(envvar="HMCHAIN_DATA_DIR", metavar="DIR", help="Where NAME.npz files lie.", show_default="none"),
    ] = None,
    hospitals: Annotated[int, typer.Option(help="How many hospitals, 3 to 32.")] = 4,
    rounds: Annotated[int, typer.Option(help="Rounds of training.")] = 60,
    steps: Annotated[int, typer.Option(help="Steps that each hospital trains in a round.")] = 10,
    alpha: Annotated[float, typer.Option(help="Evenness of the class mix: small is strong label skew.")] = 0.5,
    seed: Annotated[int, typer.Option(help="Of the split, the first model and the training.")] = 7,
    image_size: Annotated[
        int | None, typer.Option(metavar="PIXELS", help="Side of the square images.", show_default="64, or the file's")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--output", metavar="DIR", help="Where the run goes.", show_default="runs/DATASET-SEED"),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Run everything once: hospitals, ledger, training, two incidents, audit and report.

    The same command resumes a run that was interrupted, and shows one that is finished.

    The environment variable HMCHAIN_PASSPHRASE, if it is set, protects the hospitals' key files.
    """
    from hmchain.application.learning.memory import tune_allocator

    tune_allocator()  # before torch is imported
    from hmchain.application import demo as runner
    from hmchain.application.report import to_json

    settings = runner.DemoSettings(
        dataset=dataset,
        data_dir=None if data_dir is None else str(data_dir),
        image_size=image_size,
        hospitals=hospitals,
        rounds=rounds,
        steps=steps,
        alpha=alpha,
        seed=seed,
    )
    passphrase = os.environ.get("HMCHAIN_PASSPHRASE") or None
    summary = runner.run(settings, output.console(stderr=as_json, markup=True), out, passphrase)
    if as_json:
        typer.echo(to_json(summary), nl=False)
