# SPDX-License-Identifier: MPL-2.0
"""The tables of a measurement, written as they grow."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Report:
    """The tables so far, written after each row, so that a run that is cut short leaves what it measured."""

    file: Path | None
    lines: list[str] = field(default_factory=list)

    def add(self, line: str) -> None:
        """Print and keep a line."""
        print(line, flush=True)
        self.lines.append(line)
        if self.file:
            self.file.write_text("\n".join(self.lines) + "\n", encoding="utf-8")

    def table(self, *titles: str) -> None:
        """Begin a table."""
        self.add("")
        self.row(*titles)
        self.row(*("---" for _ in titles))

    def row(self, *cells: str) -> None:
        """Add a row to the table."""
        self.add(f"| {' | '.join(cells)} |")

    def attempt(self, name: str, measure: Callable[[], list[str]]) -> None:
        """Add a row of what *measure* returns, or of its error: one variant that fails must not cost the others."""
        try:
            self.row(name, *measure())
        except Exception as error:  # noqa: BLE001 - whatever torch, the driver or a compiler raises
            self.row(name, f"failed: {type(error).__name__}: {' '.join(str(error).split())[:200]}")

    def guard(self, part: Callable[[], None]) -> None:
        """Run a part of the measurement; where it fails, report its error."""
        try:
            part()
        except Exception as error:  # noqa: BLE001 - as above
            traceback.print_exc()
            self.add(f"\nfailed: {type(error).__name__}: {error}")
