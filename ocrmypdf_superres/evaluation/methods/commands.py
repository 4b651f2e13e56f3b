# SPDX-License-Identifier: MPL-2.0
"""Commands of other programs, with {in} and {out} for what they read and write."""

from __future__ import annotations

import shlex
import subprocess
from pathlib import Path

from ocrmypdf_superres.errors import OptionError, SuperresError


def split_command(text: str, option: str, expected: str = "{in} and {out}") -> list[str]:
    """Return the words of the command *text*, at least one, which *option* was given; *expected* is for its message.

    Raises:
        OptionError: {in} or {out} is missing, or the command cannot be split into words.
    """
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise OptionError(f"{option} {text!r} cannot be split into words ({error}); quote it as for a shell.") from error
    if "{in}" not in text or "{out}" not in text:
        raise OptionError(f"{option} {text!r} was given, a command with {expected} was expected; add both.")
    return words


def run_command(text: str, source: Path, target: Path) -> None:
    """Run the command *text* with *source* in place of {in} and *target* in place of {out}.

    Raises:
        SuperresError: it cannot be run, or fails; the message has its last line of output.
    """
    words = [word.replace("{in}", str(source)).replace("{out}", str(target)) for word in shlex.split(text)]
    try:
        subprocess.run(words, capture_output=True, check=True)
    except subprocess.CalledProcessError as error:
        last = (error.stderr.decode(errors="replace").strip().splitlines() or ["no message"])[-1]
        raise SuperresError(f"The command {text!r} ended with {error.returncode}: {last}") from error
    except OSError as error:
        raise SuperresError(f"The command {text!r} cannot be run ({error}); see that its program is installed.") from error
