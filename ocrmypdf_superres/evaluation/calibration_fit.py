# SPDX-License-Identifier: MPL-2.0
"""Calibrate confidences, and compare page choice, voting and a perfect choice.

    python -m ocrmypdf_superres.evaluation.calibration_fit fit --data TRAIN -o calibration.json [--plot reliability.svg]
    python -m ocrmypdf_superres.evaluation.calibration_fit table --data VALIDATION

Fit on pages that nothing is measured on.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from rich.console import Console
from rich.progress import track
from rich.table import Table

from ocrmypdf_superres.errors import SuperresError
from ocrmypdf_superres.evaluation.data.ground_truth import read_truth
from ocrmypdf_superres.evaluation.data.pages import Case, find_pages, make_cases
from ocrmypdf_superres.evaluation.data.profiles import DEFAULT_CONDITIONS, parse_condition
from ocrmypdf_superres.evaluation.methods.images import lr_image
from ocrmypdf_superres.evaluation.words import right_words
from ocrmypdf_superres.metrics.text import TextScore, score
from ocrmypdf_superres.modelstore.store import DEFAULT_MODEL
from ocrmypdf_superres.ocr.calibration import TABLE
from ocrmypdf_superres.ocr.hocr import Reading
from ocrmypdf_superres.ocr.merge.choose import choose_among, doubtful, page_winner
from ocrmypdf_superres.page.plan import PlanSettings, enlarge, lanczos, plan_image
from ocrmypdf_superres.plugin.checking import AS_IS, BLEND, LANCZOS, MODEL, OTHERS
from ocrmypdf_superres.upscaling.loading import load_upscaler

KNOTS = np.linspace(0, 100, 21)


FORMS = (MODEL, *OTHERS)


@dataclass
class Forms:
    """The readings of one case's forms, as files, with the seconds each took."""

    case: Case
    files: dict[str, Path]
    seconds: dict[str, float]

    def readings(self) -> dict[str, Reading]:
        """Parse them anew, for choosing changes them in place; all in the pixels of the model's form."""
        found = {name: Reading(path) for name, path in self.files.items()}
        x, y = (found[MODEL].size[i] / found[AS_IS].size[i] for i in (0, 1))
        found[AS_IS].scale(x, y, (300.0, 300.0))
        return found

    def truth(self) -> str:
        """The page's text."""
        return read_truth(Path(self.case.page.truth)).text


def read_forms(case: Case, model: str, cache: Path) -> Forms | None:
    """Read *case* in each of :data:`FORMS`; None where the plan is to leave it."""
    upscaler = load_upscaler(model, "cpu", 1)
    original, dpi = lr_image(case)
    plan = plan_image(original, (dpi, dpi), PlanSettings(scales=upscaler.scales))
    if plan.action != "enlarge":
        return None
    enlarged, plain = enlarge(original, plan, upscaler).convert("L"), lanczos(original, plan).convert("L")
    files, seconds = {}, {}
    images = {MODEL: enlarged, BLEND: Image.blend(plain, enlarged, 0.5), LANCZOS: plain, AS_IS: original}
    large = tuple(round(v) for v in plain.info["dpi"])
    for name, image in images.items():
        key = hashlib.sha256(image.tobytes() + case.page.languages.encode() + str(image.size).encode()).hexdigest()[:32]
        stored = cache / f"{key}.hocr"
        clock = cache / f"{key}.seconds"
        if not clock.is_file():
            cache.mkdir(parents=True, exist_ok=True)
            png = cache / f"{key}.png"
            image.save(png, dpi=(round(dpi), round(dpi)) if name == AS_IS else large, compress_level=1)
            process = subprocess.Popen(
                ["tesseract", str(png), str(stored.with_suffix("")), "-l", case.page.languages, "hocr"],
                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            )  # fmt: skip
            # CPU seconds of this child alone, for other threads have theirs.
            _, status, usage = os.wait4(process.pid, 0)
            if status:
                raise SuperresError(f"Tesseract could not read {case.page.name} with -l {case.page.languages}; is the language installed?")
            png.unlink()
            clock.write_text(f"{usage.ru_utime + usage.ru_stime:.3f}")
        files[name] = stored
        seconds[name] = float(clock.read_text())
    return Forms(case, files, seconds)


def fit_knots(confidences: NDArray[np.float64], right: NDArray[np.float64]) -> list[float]:
    """Return P(right) at :data:`KNOTS`: triangular-kernel means with a weak prior, made monotone by pooling neighbours."""
    values, weights = [], []
    for knot in KNOTS:
        weight = np.clip(1 - np.abs(confidences - knot) / (KNOTS[1] - KNOTS[0]), 0, None)
        # Two imagined words at the knot's own value keep empty bins from 0 or 1.
        values.append((float((weight * right).sum()) + 2 * knot / 100) / (float(weight.sum()) + 2))
        weights.append(float(weight.sum()) + 2)
    blocks = [[value, weight, 1.0] for value, weight in zip(values, weights, strict=True)]
    i = 0
    while i + 1 < len(blocks):
        if blocks[i][0] > blocks[i + 1][0]:
            a, b = blocks[i], blocks.pop(i + 1)
            blocks[i] = [(a[0] * a[1] + b[0] * b[1]) / (a[1] + b[1]), a[1] + b[1], a[2] + b[2]]
            i = max(0, i - 1)
        else:
            i += 1
    return [round(float(block[0]), 4) for block in blocks for _ in range(int(block[2]))]


def calibration_error(confidences: NDArray[np.float64], predicted: NDArray[np.float64], right: NDArray[np.float64]) -> float:
    """Return the expected calibration error over ten bins of confidence (Guo et al. 2017, eq. 3)."""
    total = 0.0
    for low in range(0, 100, 10):
        inside = (confidences >= low) & ((confidences < low + 10) | (low == 90))
        if inside.any():
            total += inside.sum() * abs(predicted[inside].mean() - right[inside].mean())
    return total / max(1, len(confidences))


def fit(pages: list[Forms], output: Path, plot: Path | None, console: Console) -> None:
    """Fit and write the table, and print how well confidences predict, before and after."""
    # Rows of forms that are not fitted here stay.
    probability: dict[str, list[float]] = json.loads(TABLE.read_text(encoding="utf-8"))["probability"]
    curves = {}
    for name in FORMS:
        confidences, right = [], []
        for page in pages:
            words = page.readings()[name].words
            confidences += [w.confidence for w in words]
            right += right_words(words, page.truth())
        c, r = np.array(confidences), np.array(right, dtype=float)
        knots = fit_knots(c, r)
        probability[name] = knots
        after = np.interp(c, KNOTS, knots)
        console.print(
            f"{name}: {len(c)} words, {r.mean():.1%} right; calibration error {calibration_error(c, c / 100, r):.3f} "
            f"before, {calibration_error(c, after, r):.3f} after",
            highlight=False,
        )
        curves[name] = [(k, float(r[(c >= k) & (c < k + 10)].mean())) for k in range(0, 100, 10) if ((c >= k) & (c < k + 10)).any()]
    output.write_text(json.dumps({"probability": probability}, indent=1) + "\n", encoding="utf-8")
    console.print(f"written: {output}")
    if plot is not None:
        _plot(curves, probability, plot)


def _plot(curves: dict[str, list[tuple[int, float]]], probability: dict[str, list[float]], path: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(5, 5))
    axes.plot([0, 100], [0, 1], color="grey", linestyle=":", label="confidence as it is")
    for name, curve in curves.items():
        points = axes.plot([k + 5 for k, _ in curve], [v for _, v in curve], "o", label=f"{name}: words that are right")
        axes.plot(np.linspace(0, 100, len(probability[name])), probability[name], color=points[0].get_color(), label=f"{name}: fitted")
    axes.set_xlabel("Tesseract's word confidence")
    axes.set_ylabel("share of words that are right")
    axes.legend()
    figure.tight_layout()
    figure.savefig(path)


def table(pages: list[Forms], console: Console) -> None:
    """Print what each way of choosing reads, its Tesseract time, and pages worse than the best single form."""
    rows: dict[str, list[tuple[TextScore, float]]] = {}
    for page in pages:
        truth = page.truth()
        found = page.readings()
        single = {name: score(reading.text(), truth) for name, reading in found.items()}
        whole = {name: (single[name], page.seconds[name]) for name in FORMS}
        all_read = sum(page.seconds.values())
        two = page.seconds[MODEL] + page.seconds[BLEND]
        perfect = min(single, key=lambda n: (single[n].cer, -single[n].recall))
        by_two = score(choose_among({n: r for n, r in page.readings().items() if n in (MODEL, BLEND)})[0].text(), truth)
        by_page = single[page_winner(found)]
        read = [MODEL]
        while len(read) < len(FORMS) and doubtful({name: found[name] for name in read}):
            read.append(FORMS[len(read)])
        auto = choose_among({n: r for n, r in page.readings().items() if n in read})[0] if len(read) > 1 else found[MODEL]
        auto_score = score(auto.text(), truth)
        voted = score(choose_among(found)[0].text(), truth)
        for name, result in {
            **whole, "all, by page": (by_page, all_read), "model and blend, vote": (by_two, two), "all, vote": (voted, all_read),
            "auto": (auto_score, sum(page.seconds[n] for n in read)), "perfect by page": (single[perfect], all_read),
        }.items():  # fmt: skip
            rows.setdefault(name, []).append(result)
    printed = Table("choice", "CER %", "words missed %", "precision %", "Tesseract time", "worse by 1 point of CER", "of recall")
    best = [min(rows[n][i][0].cer for n in FORMS) for i in range(len(pages))]
    most = [max(rows[n][i][0].recall for n in FORMS) for i in range(len(pages))]
    base = sum(cost for _, cost in rows[MODEL])
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


def main(argv: list[str] | None = None) -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("action", choices=("fit", "table"))
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--conditions", nargs="*", default=list(DEFAULT_CONDITIONS))
    parser.add_argument("--pages", type=int, default=2)
    parser.add_argument("--model", default=DEFAULT_MODEL)
    parser.add_argument("--cache", type=Path, default=Path("runs/choice"))
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("-o", "--output", type=Path, default=Path("calibration.json"))
    parser.add_argument("--plot", type=Path)
    args = parser.parse_args(argv)
    cases = make_cases(find_pages(args.data), [parse_condition(c) for c in args.conditions], args.pages)
    with ThreadPoolExecutor(args.jobs) as pool:
        jobs = [pool.submit(read_forms, case, args.model, args.cache) for case in cases]
        pages = [page for job in track(jobs, "reading", console=Console(stderr=True)) if (page := job.result()) is not None]
    console = Console()
    if args.action == "fit":
        fit(pages, args.output, args.plot, console)
    else:
        table(pages, console)
    return 0


if __name__ == "__main__":
    sys.exit(main())
