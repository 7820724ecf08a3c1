"""A command: every one takes `--json` and `--wide`, and says what an interruption leaves behind."""

from __future__ import annotations

from contextvars import ContextVar
from functools import cache
from typing import Annotated, Any, ClassVar

import typer
from typer.core import TyperCommand

from hmchain.interfaces.cli import output

_began: ContextVar[type[WriteCommand] | None] = ContextVar("began", default=None)


class WriteCommand(TyperCommand):
    """A command that changes something."""

    interrupted: ClassVar[str] = "it may be done, or done in part; the same command does the rest, or says what is done"
    """The words for a user who pressed Ctrl-C."""

    def __init__(self, name: str | None, **settings: Any) -> None:
        super().__init__(name, **settings)
        if not any("--json" in option.opts for option in self.params):
            self.params += _options_of_all()

    def invoke(self, ctx: Any) -> Any:
        """Run it, and remember that it began."""
        _began.set(type(self))
        return super().invoke(ctx)


class ReadCommand(WriteCommand):
    """A command that changes nothing."""

    interrupted = "nothing was changed; the same command starts afresh"


class ResumedCommand(WriteCommand):
    """A command that goes on where it stopped."""

    interrupted = "the same command goes on where it stopped"


def forget() -> None:
    """Begin afresh: no command began, and people are to read what is shown."""
    _began.set(None)
    output.answer_in_json(False)
    output.widen(False)


def began() -> type[WriteCommand] | None:
    """The kind of command that began, if one did."""
    return _began.get()


@cache
def _options_of_all() -> Any:
    app = typer.Typer()

    @app.command()
    def _command(
        as_json: Annotated[
            bool,
            typer.Option(
                "--json",
                help="Print one JSON value on standard output, nothing else.",
                callback=output.answer_in_json,
                expose_value=False,
            ),
        ] = False,
        wide: Annotated[
            bool,
            typer.Option(
                "--wide",
                help="Show every column and whole digests, however long the lines.",
                callback=output.widen,
                expose_value=False,
            ),
        ] = False,
    ) -> None: ...

    return typer.main.get_command(app).params[:2]
