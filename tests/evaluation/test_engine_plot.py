# SPDX-License-Identifier: MPL-2.0
"""The reliability diagram of a further engine."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ocrmypdf_superres.evaluation.calibration.engine import plot_engine
from ocrmypdf_superres.ocr.engines.calibration import EngineRow


def test_points_stand_where_words_are_right(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    row = EngineRow("engine 1", "pages", "2026-01-01", 3, [0.0, 90.0, 100.0], [0.0, 0.5, 1.0])
    plot_engine(row, [([99.0, 95.0, 92.0, 20.0], [True, True, False, False])], tmp_path / "plot.png")
    with Image.open(tmp_path / "plot.png") as plotted:
        colours = np.unique(np.asarray(plotted.convert("RGB")).reshape(-1, 3), axis=0)
    assert plotted.size == (500, 500) and len(colours) > 10
