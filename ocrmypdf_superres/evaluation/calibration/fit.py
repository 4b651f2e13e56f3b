# SPDX-License-Identifier: MPL-2.0
"""Calibrating confidences, and comparing ways to choose among the readings of a page."""

from __future__ import annotations

import hashlib
import os
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from rich.console import Console
from rich.table import Table
from scipy.optimize import isotonic_regression

from ocrmypdf_superres.errors import OptionError, RecognizerError, SuperresError
from ocrmypdf_superres.evaluation.data.pages import Case
from ocrmypdf_superres.evaluation.language_files import reading_versions
from ocrmypdf_superres.evaluation.methods.images import lr_image
from ocrmypdf_superres.evaluation.words import correct_words
from ocrmypdf_superres.files import atomic_write_text
from ocrmypdf_superres.metrics.ground_truth import read_truth
from ocrmypdf_superres.metrics.text import TextScore, score
from ocrmypdf_superres.modelstore.store import Model
from ocrmypdf_superres.ocr.calibration import Calibration, CalibrationTable
from ocrmypdf_superres.ocr.hocr import read_hocr
from ocrmypdf_superres.ocr.hypothesis import Hypothesis, Word
from ocrmypdf_superres.ocr.merge.order import page_winner
from ocrmypdf_superres.ocr.merge.vote import merge
from ocrmypdf_superres.ocr.second_opinion import is_doubtful
from ocrmypdf_superres.ocr.variants import AS_IS, BLEND, NET, VARIANTS, enlarge, make_variant
from ocrmypdf_superres.page.plan import PlanSettings, plan_image
from ocrmypdf_superres.recognizers.tesseract.networks.choice import Tuned, Untuned, choose_network
from ocrmypdf_superres.tesseract import data_folder, program, version
from ocrmypdf_superres.upscaling.loading import load_upscaler

KNOTS = np.linspace(0, 100, 21)


@dataclass(frozen=True)
class ReadCase:
    """The readings of one case's variants, in the pixels of the net's, with the seconds each took."""

    case: Case
    readings: Mapping[str, Hypothesis]
    seconds: Mapping[str, float]

    def truth(self) -> str:
        """Return the page's text."""
        return read_truth(Path(self.case.page.truth)).text

    def right(self, words: Sequence[Word]) -> list[bool]:
        """Return for each of *words* whether it is in the page's text."""
        return correct_words(words, self.truth(), self.case.page.ignore_case)

    def score(self, reading: Hypothesis) -> TextScore:
        """Return the counts of *reading* against the page's text."""
        return score(reading.text(), self.truth(), self.case.page.ignore_case)


class EnlargedPage(NamedTuple):
    """The image of a case, its dpi, and the same enlarged by a model as the plugin plans it."""

    original: Image.Image
    dpi: float
    net: Image.Image


def enlarged_page(case: Case, model: str) -> EnlargedPage | None:
    """Return the page of *case* and what *model* makes of it; None where the plan is to leave it.

    Raises:
        SuperresError: the page or the model cannot be used.
    """
    upscaler = load_upscaler(model, "cpu", 1)
    original, dpi = lr_image(case)
    plan = plan_image(original, (dpi, dpi), PlanSettings(scales=upscaler.scales))
    return EnlargedPage(original, dpi, enlarge(original, plan, upscaler, ink_only=True)) if plan.action == "enlarge" else None


def read_variants(
    case: Case, page: EnlargedPage, cache: Path, network: Path | None = None, variants: Sequence[str] = VARIANTS
) -> ReadCase:
    """Read all *variants* of *case*.

    Args:
        case: the page and its condition.
        page: its images; the variants net and blend are of its model.
        cache: folder that keeps readings.
        network: the folder of a tuned network to read with, where its language is the page's; else the installed one reads.
        variants: their names.

    Raises:
        SuperresError: Tesseract is missing or fails.
    """
    original, dpi, net = page
    languages = _languages(case, network)
    readings, seconds = {}, {}
    for name in variants:
        claimed = (dpi, dpi) if name == AS_IS else net.info["dpi"]
        found, seconds[name] = read_cached(make_variant(name, original, net), claimed, languages, cache)
        readings[name] = found
    if AS_IS in readings:
        x, y = (net.size[i] / readings[AS_IS].size[i] for i in (0, 1))
        readings[AS_IS] = readings[AS_IS].scaled(x, y, 300.0)
    return ReadCase(case, readings, seconds)


def chosen_networks(languages: str, networks: Path) -> list[Tuned | Untuned]:
    """Return what reads each of *languages*, such as ``eng+deu``, with the tuned networks of a folder.

    Raises:
        RecognizerError: none of them fits an installed file.
    """
    folder = data_folder()
    if folder is None:
        raise RecognizerError("This tesseract does not tell where its language files are; set TESSDATA_PREFIX.")
    chosen = [choose_network(language, folder, str(networks)) for language in languages.split("+")]
    if not any(isinstance(one, Tuned) for one in chosen):
        reasons = "; ".join(one.reason for one in chosen if isinstance(one, Untuned) and one.reason)
        raise RecognizerError(reasons or f"There is no network for {languages} in {networks}; give another one.")
    return chosen


def _languages(case: Case, network: Path | None) -> str:
    """Return the languages as the program is given them; errors as :func:`chosen_networks`."""
    if network is None:
        return case.page.languages
    chosen = chosen_networks(case.page.languages, network)
    return "+".join(one.argument if isinstance(one, Tuned) else one.language for one in chosen)


def read_cached(image: Image.Image, dpi: tuple[float, float], languages: str, cache: Path) -> tuple[Hypothesis, float]:
    """Return Tesseract's reading of *image* and the CPU seconds it took, from the folder *cache* where it is there.

    It is kept by all that decides it, the version of Tesseract and the files of the languages included.

    Raises:
        SuperresError: Tesseract is missing or fails.
    """
    rounded = round(dpi[0]), round(dpi[1])
    decides = f"{languages}{image.mode}{image.size}{rounded}{reading_versions(languages)}"
    key = hashlib.sha256(image.tobytes() + decides.encode()).hexdigest()[:32]
    stored, clock = cache / f"{key}.hocr", cache / f"{key}.seconds"
    if not clock.is_file():
        cache.mkdir(parents=True, exist_ok=True)
        # In a folder of its own, since several threads may read equal pages.
        with tempfile.TemporaryDirectory(dir=cache) as temporary:
            png = Path(temporary) / "page.png"
            image.save(png, dpi=rounded, compress_level=1)
            seconds = _timed_reading(png, languages)
            png.with_suffix(".hocr").replace(stored)
        atomic_write_text(clock, f"{seconds:.3f}")
    return Hypothesis(read_hocr(stored)), float(clock.read_text(encoding="utf-8"))


def _timed_reading(png: Path, languages: str) -> float:
    """Let Tesseract write the hOCR of *png* beside it; return the CPU seconds it took.

    Not by run_tesseract: the seconds of this child alone are wanted, for other threads have theirs.
    """
    command = [program(), str(png), str(png.with_suffix("")), "-l", languages, "hocr"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SuperresError(f"Tesseract could not read a page with -l {languages}; is the language installed?")
    return usage.ru_utime + usage.ru_stime


def fit_knots(confidences: NDArray[np.float64], right: NDArray[np.float64], knots: NDArray[np.float64] = KNOTS) -> list[float]:
    """Return P(right) at *knots*: means under a triangular kernel with a weak prior, made monotone.

    Args:
        confidences: (N,), 0 to 100.
        right: (N,), 1 for words that are right, else 0.
        knots: (K,), 0 to 100, rising; the kernel of each reaches to its neighbours.
    """
    values, weights = [], []
    for index, knot in enumerate(knots):
        weight = np.interp(confidences, knots, np.eye(len(knots))[index])
        # Two imagined words at the knot's own value keep empty bins from 0 or 1.
        values.append((float((weight * right).sum()) + 2 * knot / 100) / (float(weight.sum()) + 2))
        weights.append(float(weight.sum()) + 2)
    return [round(float(value), 4) for value in isotonic_regression(values, weights=weights).x]


def calibration_error(confidences: NDArray[np.float64], predicted: NDArray[np.float64], right: NDArray[np.float64]) -> float:
    """Return the expected calibration error over ten bins of confidence (Guo et al. 2017, eq. 3)."""
    total = 0.0
    for low in range(0, 100, 10):
        inside = (confidences >= low) & ((confidences < low + 10) | (low == 90))
        if inside.any():
            total += inside.sum() * abs(predicted[inside].mean() - right[inside].mean())
    return total / max(1, len(confidences))


def fit(
    pages: Sequence[ReadCase], model: Model, data: str, console: Console
) -> tuple[CalibrationTable, dict[str, list[tuple[int, float]]]]:
    """Return the fitted table, and by variant the share of right words at confidences (for a plot).

    How well confidences predict, before and after, is printed. Fit on pages that nothing is measured on.

    Args:
        pages: what was read.
        model: the model of the variants net and blend.
        data: the pages in words, for the table.
        console: where to print.

    Raises:
        OptionError: in a variant no word was read.
    """
    rows, words, curves = {}, {}, {}
    for name in VARIANTS:
        confidences: list[float] = []
        right: list[bool] = []
        for page in pages:
            found = page.readings[name].words
            confidences += [w.confidence for w in found]
            right += page.right(found)
        if not confidences:
            raise OptionError(f"No word of {data} was read in the variant {name}; give other pages or conditions.")
        c, r = np.array(confidences), np.array(right, dtype=float)
        rows[name], words[name] = fit_knots(c, r), len(c)
        after = np.interp(c, KNOTS, rows[name])
        console.print(
            f"{name}: {len(c)} words, {r.mean():.1%} right; calibration error {calibration_error(c, c / 100, r):.3f} "
            f"before, {calibration_error(c, after, r):.3f} after",
            highlight=False,
        )
        curves[name] = [
            (k, float(r[(c >= k) & (c < k + 10)].mean())) for k in range(0, 100, 10) if ((c >= k) & (c < k + 10)).any()
        ]
    major = version().split()[-1].partition(".")[0]
    sha256 = model.card.calibration_sha256
    today = datetime.now(UTC).date().isoformat()
    return CalibrationTable(f"Tesseract OCR {major}", model.card.name, sha256, data, today, rows, words), curves


def plot(table: CalibrationTable, curves: Mapping[str, Sequence[tuple[int, float]]], path: Path) -> None:
    """Plot what :func:`fit` returned into the image file *path*."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(5, 5))
    axes.plot([0, 100], [0, 1], color="grey", linestyle=":", label="confidence as it is")
    for name, curve in curves.items():
        points = axes.plot([k + 5 for k, _ in curve], [v for _, v in curve], "o", label=f"{name}: words that are right")
        axes.plot(
            np.linspace(0, 100, len(table.probability[name])),
            table.probability[name],
            color=points[0].get_color(),
            label=f"{name}: fitted",
        )
    axes.set_xlabel("Tesseract's word confidence")
    axes.set_ylabel("share of words that are right")
    axes.legend()
    figure.tight_layout()
    figure.savefig(path)


def compare(pages: Sequence[ReadCase], calibration: Calibration, console: Console) -> None:
    """Print what each way of choosing reads, its Tesseract time, and pages worse than the best single variant."""
    rows: dict[str, list[tuple[TextScore, float]]] = {}
    for page in pages:
        for name, result in _scores(page, calibration).items():
            rows.setdefault(name, []).append(result)
    printed = Table("choice", "CER %", "words missed %", "precision %", "Tesseract time", "worse by 1 point of CER", "of recall")
    best = [min(rows[n][i][0].cer for n in VARIANTS) for i in range(len(pages))]
    most = [max(rows[n][i][0].recall for n in VARIANTS) for i in range(len(pages))]
    base = sum(cost for _, cost in rows[NET])
    for name, members in rows.items():
        total = sum((value for value, _ in members), TextScore())
        printed.add_row(
            name, f"{100 * total.cer:.2f}", f"{100 * (1 - total.recall):.2f}", f"{100 * total.precision:.2f}",
            f"{sum(cost for _, cost in members) / base:.2f}",
            str(sum(v.cer > b + 0.01 for (v, _), b in zip(members, best, strict=True))),
            str(sum(v.recall < m - 0.01 for (v, _), m in zip(members, most, strict=True))),
        )  # fmt: skip
    console.print(f"{len(pages)} enlarged pages")
    console.print(printed)


def _scores(page: ReadCase, calibration: Calibration) -> dict[str, tuple[TextScore, float]]:
    """Return score and Tesseract's seconds by the way of choosing."""
    found, seconds = page.readings, page.seconds

    def chosen(names: Sequence[str]) -> tuple[TextScore, float]:
        merged = merge({name: found[name] for name in names}, calibration)
        return page.score(merged.hypothesis), sum(seconds[name] for name in names)

    single = {name: page.score(reading) for name, reading in found.items()}
    best = min(single, key=lambda n: (single[n].cer, -single[n].recall))
    read = 1
    while read < len(VARIANTS) and is_doubtful({name: found[name] for name in VARIANTS[:read]}, calibration):
        read += 1
    everything = sum(seconds.values())
    return {
        **{name: (single[name], seconds[name]) for name in VARIANTS},
        "all, by page": (single[page_winner(found, calibration)], everything),
        f"{NET} and {BLEND}, vote": chosen((NET, BLEND)),
        "all, vote": chosen(VARIANTS),
        "auto": chosen(VARIANTS[:read]),
        "perfect by page": (single[best], everything),
    }
