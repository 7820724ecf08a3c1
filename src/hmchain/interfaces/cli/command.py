"""A command: every one takes `--json` and `--wide`, and says what an interruption leaves behind."""

from __future__ import annotations

from contextvars import ContextVar
from functools import cache
from pathlib import Path
from typing import Annotated, Any, ClassVar

import typer
from typer.core import TyperCommand

from hmchain.errors import InputError
from hmchain.interfaces.cli import hints, output, passphrases

_FOLDER = "--dir"
_OF_A_HOSPITAL = "HMCHAIN_NODE"
"""The variable of `--dir` where a command works on a hospital's folder, and may open its keys."""
_AS_ARGUMENT, _TYPED = "folder of ", "COMMANDLINE"
_began: ContextVar[type[WriteCommand] | None] = ContextVar("began", default=None)


class TwoFoldersError(InputError):
    """A folder was named twice, and not the same."""

    code = "two_folders"


class NoFolderError(InputError):
    """A file, or an address, was given to a command that needs a folder, with keys or settings that neither has."""

    code = "no_folder"


class WriteCommand(TyperCommand):
    """A command that changes something.

    One that takes a folder by `--dir`, and no arguments, takes it as its argument too.
    """

    interrupted: ClassVar[str] = "it may be done, or done in part; the same command does the rest, or says what is done"
    """The words for a user who pressed Ctrl-C."""
    asks_portals: ClassVar[bool] = False
    """Whether `--dir` may be a portal's address."""

    def __init__(self, name: str | None, **settings: Any) -> None:
        super().__init__(name, **settings)
        self.help = _joined(self.help or "")
        if not any("--json" in option.opts for option in self.params):
            self.params += _options_of_all()
        if any(getattr(option, "envvar", None) == _OF_A_HOSPITAL for option in self.params):
            self.params.append(_passphrase_file())
        folder = next((option for option in self.params if _FOLDER in option.opts), None)
        if folder is not None and all(option.param_type_name == "option" for option in self.params):
            self.params.insert(0, _folder_argument(folder))

    def invoke(self, ctx: Any) -> Any:
        """Run it, and remember that it began."""
        _began.set(type(self))
        for name in [name for name in ctx.params if name.startswith(_AS_ARGUMENT)]:
            _take_folder(ctx, name)
        if not self.asks_portals:
            _require_place(ctx, self.params)
        _require_folder(ctx, self.params)
        _remember_folder(ctx, self.params)
        folder = _folder(ctx, self.params)
        if folder is None:
            return super().invoke(ctx)
        from hmchain.interfaces.cli.recorded import recorded  # whoever asks for help waits for none of it

        words = ctx.command_path.partition(" ")[2]
        with recorded(words, folder, changes=not isinstance(self, ReadCommand)):
            return super().invoke(ctx)


class ReadCommand(WriteCommand):
    """A command that changes nothing."""

    interrupted = "nothing was changed; the same command starts afresh"


class ResumedCommand(WriteCommand):
    """A command that goes on where it stopped."""

    interrupted = "the same command goes on where it stopped"


def _joined(text: str) -> str:
    """Help without the line breaks of its source: a narrow terminal would break its lines once more."""
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in text.split("\n\n"))


def _take_folder(ctx: Any, argument: str) -> None:
    """Put the folder that was given as an argument where `--dir` has it."""
    given, option = ctx.params.pop(argument), argument.removeprefix(_AS_ARGUMENT)
    if given is None:
        return
    source = ctx.get_parameter_source(option)
    if source is not None and source.name == _TYPED and ctx.params[option] != given:
        raise TwoFoldersError(f"{given} and {ctx.params[option]} are two folders", f"name one, by {_FOLDER} or without")
    ctx.params[option] = given
    ctx.set_parameter_source(option, source.__class__[_TYPED])


def _require_place(ctx: Any, options: list[Any]) -> None:
    """Refuse an address where only a folder will do."""
    folder = _folder(ctx, options)
    if folder is not None and str(folder).startswith(("http:/", "https:/")):
        what = f"`{ctx.command_path}` works in a folder, and {folder} is an address"
        raise NoFolderError(what, "do this where the node is, or in the portal's pages")


def _require_folder(ctx: Any, options: list[Any]) -> None:
    """Refuse a file where only a folder has what is needed: a ledger's file is for those who read a ledger."""
    words = ctx.command_path.partition(" ")[2]
    if hints.takes(words) is hints.Takes.RUN:
        return
    for option in options:
        if _FOLDER in option.opts and (given := ctx.params[option.name]) is not None and Path(given).is_file():
            whose = "hospital" if hints.takes(words) is hints.Takes.HOSPITAL else "node"
            what = f"{given} is a file, and this needs the folder of a {whose}"
            hint = "name it by --dir; what a ledger's file tells, `hmchain audit verify FILE` and others show"
            raise NoFolderError(what, hint)


def _folder(ctx: Any, options: list[Any]) -> Path | None:
    """The folder that a command works on; None if it takes none, or none is named."""
    named = (ctx.params.get(option.name) for option in options if _FOLDER in option.opts)
    return next((Path(each) for each in named if each is not None), None)


def _remember_folder(ctx: Any, options: list[Any]) -> None:
    """Have hints repeat a folder that was typed; one of the environment is there for the next command too."""
    for option in options:
        if _FOLDER in option.opts:
            source = ctx.get_parameter_source(option.name)
            if source is not None and source.name == _TYPED:
                hints.remember(ctx.command_path.partition(" ")[2], Path(ctx.params[option.name]))


def forget() -> None:
    """Leave nothing of a command to the next one in this process: that it began, and how its answer was wanted."""
    _began.set(None)
    output.answer_in_json(False)
    output.widen(False)
    hints.forget()


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


@cache
def _passphrase_file() -> Any:
    app = typer.Typer()

    @app.command()
    def _command(
        passphrase_file: Annotated[
            Path | None,
            typer.Option(
                "--passphrase-file",
                metavar="FILE",
                help="The passphrase of the key files, in a file that nobody else can read.",
                show_default=f"that of {passphrases.FILE_VARIABLE}",
                callback=passphrases.take_file,
                expose_value=False,
            ),
        ] = None,
    ) -> None: ...

    return typer.main.get_command(app).params[0]


def _folder_argument(option: Any) -> Any:
    """What `--dir` takes, as an argument."""
    app = typer.Typer()

    @app.command()
    def _command(
        folder: Annotated[Path | None, typer.Argument(metavar="DIR", show_default=False)] = None,
    ) -> None: ...

    argument: Any = typer.main.get_command(app).params[0]
    argument.name, argument.help = _AS_ARGUMENT + option.name, f"The same as {_FOLDER}."
    return argument
