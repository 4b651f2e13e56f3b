# SPDX-License-Identifier: MPL-2.0
"""OCRmyPDF's options with some of them replaced, for one call of an engine."""

from __future__ import annotations

from typing import Any


class Replaced:
    """Options seen through, but for *values*; OCRmyPDF's own object is shared with other threads."""

    def __init__(self, options: Any, **values: Any) -> None:
        self._options = options
        self.__dict__.update(values)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._options, name)
