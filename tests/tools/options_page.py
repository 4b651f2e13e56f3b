# SPDX-License-Identifier: MPL-2.0
"""Write docs/options.md from the plugin's options: python tests/tools/options_page.py"""

from __future__ import annotations

from pathlib import Path

from ocrmypdf_superres.plugin.options import NAMESPACE, SuperresOptions

PAGE = Path(__file__).parents[2] / "docs" / "options.md"
HEAD = """# Options

Each is also a keyword of `ocrmypdf.ocr()`, with underscores: `superres_model="docsr-s2"`. This page is written from the code by
`python tests/tools/options_page.py`.

| option | default | what it does |
|---|---|---|
"""


def text() -> str:
    """Return the page."""
    rows = []
    for name, field in SuperresOptions.model_fields.items():
        default = "" if field.default in (None, "") else f"`{field.default}`"
        said = " ".join((field.description or "").split()).replace("|", "\\|")
        rows.append(f"| `--{NAMESPACE}-{name.replace('_', '-')}` | {default} | {said} |\n")
    return HEAD + "".join(rows)


if __name__ == "__main__":
    PAGE.write_text(text(), encoding="utf-8")
