"""`hmchain completion`: how a shell completes commands and options."""

from __future__ import annotations

import shlex
import shutil
import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from hmchain.interfaces.cli import output
from hmchain.interfaces.cli.command import ReadCommand
from hmchain.interfaces.cli.options import example
from hmchain.interfaces.program import ASKED, NAME

_SCRIPTS = {
    "bash": """_hmchain() {{
    local IFS=$'\\n'
    COMPREPLY=($(COMP_WORDS="${{COMP_WORDS[*]}}" COMP_CWORD=$COMP_CWORD {asked}=complete_bash {program} 2>/dev/null))
}}
complete -o default -F _hmchain hmchain""",
    "zsh": """_hmchain() {{
    eval $(_TYPER_COMPLETE_ARGS="${{words[1,$CURRENT]}}" {asked}=complete_zsh {program} 2>/dev/null)
}}
compdef _hmchain hmchain""",
    "fish": """function _hmchain
    env {asked}=complete_fish _TYPER_COMPLETE_FISH_ACTION=$argv[1] _TYPER_COMPLETE_ARGS=(commandline -cp) {program} \\
        2>/dev/null
end
complete --command hmchain --no-files --condition "_hmchain is-args" --arguments "(_hmchain get-args)\"""",
}

app = typer.Typer()


@app.command(cls=ReadCommand, epilog=example("hmchain completion bash"))
def completion(
    shell: Annotated[Literal["bash", "zsh", "fish"], typer.Argument(metavar="SHELL", help="bash, zsh or fish.")],
) -> None:
    """Print the lines that let a shell complete words at the Tab key.

    bash and zsh read them by eval "$(hmchain completion bash)" in ~/.bashrc, or in ~/.zshrc after compinit; fish by
    hmchain completion fish | source, in ~/.config/fish/config.fish.
    """
    found = NAME if shutil.which(NAME) else shlex.quote(str(Path(sys.argv[0]).absolute()))
    script = _SCRIPTS[shell].format(asked=ASKED, program=found)
    output.show({"shell": shell, "script": script}, lambda _: output.write(script))
