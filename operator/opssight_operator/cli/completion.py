"""``opssight completion``: the script that completes commands and options in a shell."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

COMPLETE = "_OPSSIGHT_COMPLETE"  # set in the environment by the script


class Shell(StrEnum):
    """Shells that know completion."""

    BASH = "bash"
    ZSH = "zsh"
    FISH = "fish"


def completion(shell: Annotated[Shell, typer.Argument(help="The shell.", case_sensitive=False)]) -> None:
    """Print the completion of commands and options for a shell.

    \b
    opssight completion bash > /etc/bash_completion.d/opssight
    opssight completion zsh > "${fpath[1]}/_opssight"
    source <(opssight completion bash)
    """
    from typer._completion_shared import get_completion_script  # what --show-completion prints, without guessing

    typer.echo(get_completion_script(prog_name="opssight", complete_var=COMPLETE, shell=shell.value))
