# SPDX-License-Identifier: MPL-2.0
"""The installed fonts that cover a text, found by fontconfig."""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass
from functools import lru_cache

from PIL import ImageFont, features

from ocrmypdf_superres.errors import OptionError

_SYMBOLS = re.compile(
    r"symbol|dingbat|emoji|math|icon|d050000l|standard-?symbols|music|logo|cursor|ornament|initials|lcmath|biolinum_k|keyboard",
    re.I,
)
_SAMPLE = "AaBbEeGgMmSsTtQq0123456789.,-()'"


@dataclass(frozen=True)
class FontFile:
    """A font: its file, its index in the file, whether it is monospaced, and the code points it covers, as inclusive ranges."""

    path: str
    index: int
    mono: bool
    ranges: tuple[tuple[int, int], ...]

    def covers(self, text: str) -> bool:
        """Return whether the font has every character of *text*."""
        return all(any(low <= ord(c) <= high for low, high in self.ranges) for c in set(text))


def fc_list(pattern: str, *fields: str) -> list[list[str]]:
    """Return *fields*, such as ``file`` and ``family[0]``, of each font that fontconfig lists for *pattern*.

    Raises:
        OptionError: fontconfig is not installed.
    """
    wanted = "\t".join(f"%{{{field}}}" for field in fields)
    command = ["fc-list", pattern, "--format", f"{wanted}\n"]
    try:
        listing = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError) as error:
        raise OptionError("The program fc-list did not run; install fontconfig and some fonts.") from error
    return [row.split("\t") for row in listing.splitlines() if row.count("\t") == len(fields) - 1]


@lru_cache(maxsize=1)
def installed_fonts() -> tuple[FontFile, ...]:
    """Return the scalable Latin text fonts that fontconfig lists, sorted by file.

    Raises:
        OptionError: fontconfig is missing or lists none.
    """
    fonts = set()
    for path, index, spacing, charset in fc_list(":scalable=true", "file", "index", "spacing", "charset"):
        if not path.lower().endswith((".ttf", ".otf", ".ttc", ".t1", ".pfb")) or _SYMBOLS.search(path):
            continue
        ranges = []
        for part in charset.split():
            low, _, high = part.partition("-")
            ranges.append((int(low, 16), int(high or low, 16)))
        font = FontFile(path, int(index or 0) & 0xFFFF, spacing == "100", tuple(ranges))
        if font.covers(_SAMPLE):
            fonts.add(font)
    if not fonts:
        raise OptionError("fontconfig lists no text fonts; install some, for example fonts-dejavu and fonts-freefont-ttf.")
    return tuple(sorted(fonts, key=lambda f: (f.path, f.index)))


@lru_cache(maxsize=512)
def open_font(path: str, index: int, size: int, ligatures: bool = False) -> ImageFont.FreeTypeFont:
    """Return the font at *size* pixels per em; with *ligatures* it uses its ligatures, if Pillow has Raqm."""
    engine = ImageFont.Layout.RAQM if ligatures and features.check("raqm") else ImageFont.Layout.BASIC
    return ImageFont.truetype(path, size, index=index, layout_engine=engine)
