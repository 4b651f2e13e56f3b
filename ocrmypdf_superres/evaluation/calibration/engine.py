# SPDX-License-Identifier: MPL-2.0
"""Calibrating the confidences of a further OCR engine."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from ocrmypdf_superres.errors import OptionError, SuperresError
from ocrmypdf_superres.evaluation.calibration.fit import calibration_error, enlarged_page, fit_knots
from ocrmypdf_superres.evaluation.data.pages import Case
from ocrmypdf_superres.evaluation.methods.images import lr_image
from ocrmypdf_superres.evaluation.words import correct_words
from ocrmypdf_superres.files import atomic_write_text
from ocrmypdf_superres.metrics.ground_truth import read_truth
from ocrmypdf_superres.ocr.engines.base import Engine, LineEngine, read_enlarged
from ocrmypdf_superres.ocr.engines.calibration import EngineRow, read_rows
from ocrmypdf_superres.ocr.hypothesis import Hypothesis

KNOTS = np.array([0, 30, 50, 70, 80, 85, 90, 92, 94, 95, 96, 97, 98, 98.5, 99, 99.3, 99.6, 99.8, 99.9, 99.97, 100])
"""Neural recognizers are sure of nearly everything: most of their words lie above 95."""


def read_case(engine: Engine, case: Case, model: str | None = None) -> tuple[list[float], list[bool]] | None:
    """Return the confidences (0 to 100) of the words that *engine* reads on a case, and which are right.

    Args:
        engine: the engine.
        case: the page under its condition.
        model: None to read the page as it is; else the name of the model that enlarges it, and lines are read there.

    Returns:
        None for a page that the plan leaves, where it should be enlarged.

    Raises:
        SuperresError: the engine or the model cannot be used or fails.
    """
    languages = case.page.languages.split("+")
    if model is None:
        image, dpi = lr_image(case)
        page = engine.read(image, languages, dpi)
    else:
        made = enlarged_page(case, model)
        if made is None:
            return None
        dpi = made.net.info["dpi"][0]
        if isinstance(engine, LineEngine):
            page = read_enlarged(engine, made.original, made.net, languages, dpi)
        else:
            page = engine.read(made.net, languages, dpi)
    words = Hypothesis(page).words
    return [word.confidence for word in words], correct_words(
        words, read_truth(Path(case.page.truth)).text, case.page.ignore_case
    )


def fit_engine(engine: Engine, read: Sequence[tuple[list[float], list[bool]]], data: str) -> tuple[EngineRow, float, float]:
    """Return the fitted row, and the expected calibration error before and after.

    Args:
        engine: the engine that read.
        read: what :func:`read_case` returned for pages that nothing is measured on.
        data: the pages in words, for the row.
    """
    confidences = np.array([value for found, _ in read for value in found])
    right = np.array([value for _, found in read for value in found], dtype=float)
    row = fit_knots(confidences, right, KNOTS)
    after = np.interp(confidences, KNOTS, row)
    today = datetime.now(UTC).date().isoformat()
    fitted = EngineRow(engine.version(), data, today, len(confidences), [float(knot) for knot in KNOTS], row)
    before = calibration_error(confidences, confidences / 100, right)
    return fitted, before, calibration_error(confidences, after, right)


def plot_engine(row: EngineRow, read: Sequence[tuple[list[float], list[bool]]], path: Path) -> None:
    """Plot into the image file *path* how often words are right that an engine, and *row*, call right with a probability.

    A point stands for the words of a tenth of the probabilities; the larger it is, the more they are.
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    confidences = np.array([value for found, _ in read for value in found])
    right = np.array([value for _, found in read for value in found], dtype=float)
    figure, axes = pyplot.subplots(figsize=(5, 5))
    axes.plot([0, 1], [0, 1], color="grey", linestyle=":")
    for name, said in (
        ("confidence as it is", confidences / 100),
        ("with the table", np.interp(confidences, row.confidences, row.probabilities)),
    ):
        tenths = np.minimum(said * 10, 9).astype(int)
        used = [k for k in range(10) if (tenths == k).any()]
        inside = [tenths == k for k in used]
        sizes = [10 + 300 * part.mean() for part in inside]
        axes.scatter(
            [said[part].mean() for part in inside], [right[part].mean() for part in inside], sizes, alpha=0.7, label=name
        )
    axes.set(xlabel="probability that is said", ylabel="share of words that are right", xlim=(0, 1.02), ylim=(0, 1.02))
    axes.legend()
    figure.tight_layout()
    figure.savefig(path)


def rows_beside(path: Path) -> dict[str, Any]:
    """Return the rows of other engines in the JSON file *path*, none where there is no such file.

    Raises:
        OptionError: it is another file.
    """
    if not path.exists():
        return {}
    try:
        return {name: asdict(row) for name, row in read_rows(path).items()}
    except SuperresError as error:
        raise OptionError(f"{path} exists and does not hold rows of engines; give another file with --output.") from error


def write_row(name: str, row: EngineRow, path: Path) -> None:
    """Write *row* into the JSON file *path* beside the rows of other engines that it holds; errors as :func:`rows_beside`."""
    rows = {**rows_beside(path), name: asdict(row)}
    atomic_write_text(path, json.dumps(rows, indent=1, ensure_ascii=False) + "\n")
