# SPDX-License-Identifier: MPL-2.0
"""Write the pages of the documentation that follow the code: python tests/tools/docs_pages.py"""

from __future__ import annotations

from functools import partial
from pathlib import Path

import figures

from ocrmypdf_superres.plugin.options import NAMESPACE, SuperresOptions

ROOT = Path(__file__).parents[2]
PUBLIC = ROOT / "tests" / "public_api.txt"
OPTIONS = """# Options

Each is also a keyword of `ocrmypdf.ocr()`, with underscores: `superres_model="docsr-s2"`.

| option | default | what it does |
|---|---|---|
"""
REFERENCE = """# Reference

The names on this page are the public API; [Contributing](../contributing.md) says what that means.
"""


def options() -> str:
    """Return the page of the plugin's options."""
    rows = []
    for name, field in SuperresOptions.model_fields.items():
        default = "" if field.default in (None, "") else f"`{field.default}`"
        said = " ".join((field.description or "").split()).replace("|", "\\|")
        rows.append(f"| `--{NAMESPACE}-{name.replace('_', '-')}` | {default} | {said} |\n")
    return OPTIONS + "".join(rows)


def reference() -> str:
    """Return the page of all public modules; mkdocstrings fills it."""
    modules = [line for line in PUBLIC.read_text(encoding="utf-8").splitlines() if line.startswith("ocrmypdf_superres.")]
    settings = "    options:\n      show_root_heading: false\n      heading_level: 3\n"
    return REFERENCE + "".join(f"\n## {module}\n\n::: {module}\n{settings}" for module in modules)


WRITTEN = {ROOT / "docs" / "options.md": options, ROOT / "docs" / "reference" / "api.md": reference}
WRITTEN |= {page: partial(figures.filled, page) for page in figures.PAGES if page not in WRITTEN}

if __name__ == "__main__":
    for path, text in WRITTEN.items():
        path.write_text(text(), encoding="utf-8")
