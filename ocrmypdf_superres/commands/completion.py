# SPDX-License-Identifier: MPL-2.0
"""``ocrmypdf-superres completion``: the completion of commands and options for a shell."""

from __future__ import annotations

import argparse
import contextlib
import sys

SHELLS = ("bash", "zsh", "fish")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``completion``."""
    parser.add_argument("shell", choices=SHELLS, help=f"{', '.join(SHELLS[:-1])} or {SHELLS[-1]}")
    parser.epilog = (parser.epilog or "") + (
        "\n\nwhere to put it:\n"
        "  bash  ~/.local/share/bash-completion/completions/ocrmypdf-superres\n"
        "  zsh   a file _ocrmypdf-superres in a folder of $fpath\n"
        "  fish  ~/.config/fish/completions/ocrmypdf-superres.fish"
    )


def run(args: argparse.Namespace) -> int:
    """Print the script; ``args.whole`` returns the parser of all commands."""
    import shtab

    parser = args.whole()
    _fill(parser)
    sys.stdout.write(shtab.complete(parser, shell=args.shell) + "\n")
    return 0


def _fill(parser: argparse.ArgumentParser) -> None:
    """Add the arguments that wait for their command to be asked for."""
    fill = getattr(parser, "fill", None)
    if fill is not None:
        with contextlib.suppress(ModuleNotFoundError):
            fill()
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for inner in action.choices.values():
                _fill(inner)
