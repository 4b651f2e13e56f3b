# SPDX-License-Identifier: MPL-2.0
"""Makes ``ocrmypdf_superres`` of this clone importable, where OCRmyPDF is missing too."""

from __future__ import annotations

import importlib.util
import sys
import types
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
if importlib.util.find_spec("ocrmypdf") is None:
    # The plugin's hooks, which the package imports, need OCRmyPDF; the network does not.
    bare = types.ModuleType("ocrmypdf_superres")
    bare.__path__ = [str(ROOT / "ocrmypdf_superres")]
    sys.modules["ocrmypdf_superres"] = bare
sys.path.insert(0, str(ROOT))
