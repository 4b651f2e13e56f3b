# SPDX-License-Identifier: MPL-2.0
"""A digest of this package's own code, so that a reading in the cache is not taken after the code that made it changed."""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[2]
NET_CODE = ("architectures", "page", "upscaling", "evaluation/methods/nets.py")
"""The code that decides the image that a net makes of a page."""
PLUGIN_CODE = (
    "plugin", "ocr", "upscaling", "page", "architectures", "modelstore", "metrics", "tesseract.py", "onnx_sessions.py",
    "recognizers/tesseract/networks", "recognizers/tesseract/format",
)  # fmt: skip
"""The code that decides the plugin's reading of a page; training, evaluation, archive and the commands do not."""


def code_digest(places: Iterable[str]) -> str:
    """Return a digest of the Python and JSON files in *places*, folders and files of the package.

    Comments, docstrings and layout are not part of it, since readings do not depend on them.
    """
    return _digest(tuple(places))


@lru_cache(maxsize=8)
def _digest(places: tuple[str, ...]) -> str:
    digest = hashlib.sha256()
    for place in (PACKAGE / name for name in places):
        for path in [place] if place.is_file() else sorted([*place.rglob("*.py"), *place.rglob("*.json")]):
            digest.update(f"{path.relative_to(PACKAGE)}\n".encode())
            data = path.read_bytes()
            digest.update(hashlib.sha256(_statements(data) if path.suffix == ".py" else data).digest())
    return digest.hexdigest()


class _WithoutTexts(ast.NodeTransformer):
    """Removes expressions that are only a text, such as docstrings."""

    def visit_Expr(self, node: ast.Expr) -> ast.Expr | None:
        """Return *node*, or None for a text."""
        return None if isinstance(node.value, ast.Constant) and isinstance(node.value.value, str) else node


def _statements(source: bytes) -> bytes:
    """Return the syntax tree of the module *source* without its docstrings."""
    return ast.dump(_WithoutTexts().visit(ast.parse(source))).encode()
