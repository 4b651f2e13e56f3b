# SPDX-License-Identifier: MPL-2.0
"""``ocrmypdf-superres finetune``: a model made for one's own scans, without annotation."""

from __future__ import annotations

import argparse
import errno
import logging
import os
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from ocrmypdf_superres.commands.export import export_run
from ocrmypdf_superres.errors import OptionError, SuperresError
from ocrmypdf_superres.modelstore.cards import check_name
from ocrmypdf_superres.modelstore.store import DEFAULT_MODEL, find_model

if TYPE_CHECKING:
    from ocrmypdf_superres.evaluation.gain import Gain
    from ocrmypdf_superres.training.time_limit import Time

log = logging.getLogger(__name__)

RECIPE = "recipe.toml"
CONDITIONS = ("72-scan", "100-scan", "100-hard")
LEAST_SHARE = 0.25
"""Share of the minutes that is trained at least, however long reading took."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``finetune``."""
    parser.add_argument("scans", type=Path, help="folder of scans of about 200 dpi and more: PDF, TIFF, JPEG, PNG")
    parser.add_argument("-o", "--out", type=Path, required=True, metavar="MODEL", help="the model folder to write")
    parser.add_argument("--base", default=DEFAULT_MODEL, help="model to start from (default: %(default)s)")
    parser.add_argument("--lang", default="eng", help="Tesseract languages of the scans, such as deu or deu+fra")
    parser.add_argument("--minutes", type=float, default=40.0, help="how long it may take in all, anew with --resume (default: %(default)g)")
    parser.add_argument("--steps", type=int, help="train so many steps instead, which can be repeated on any machine")
    parser.add_argument("--low", type=Path, metavar="FOLDER", help="scans of low resolution to imitate")
    parser.add_argument("--text", type=Path, metavar="FOLDER", help="folders by language (deu/*.txt) whose text is drawn and mixed in")
    parser.add_argument("--conditions", nargs="+", default=list(CONDITIONS), metavar="DPI-PROFILE",
                        help="what held-back pages are reduced to for the comparison (default: %(default)s)")  # fmt: skip
    parser.add_argument("--force", action="store_true", help="save the model even if it reads no better than its base")
    parser.add_argument("--resume", action="store_true", help="go on where an interrupted run stopped")


def run(args: argparse.Namespace) -> int:
    """Fine-tune, compare and save; 1 where nothing was gained and so nothing saved.

    Raises:
        SuperresError: an argument, the scans or the disk cannot be used.
    """
    run_folder = args.out.with_name(f"{args.out.name}.run")
    _check(args, run_folder)
    try:
        return _finetune(args, run_folder)
    except KeyboardInterrupt:
        log.info("What was done is kept in %s; the same command with --resume goes on.", run_folder)
        raise
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EROFS):
            raise
        raise SuperresError(
            f"{error.filename or run_folder} cannot be written ({error.strerror}); make room, then the same command with "
            "--resume goes on."
        ) from error


def _check(args: argparse.Namespace, run_folder: Path) -> None:
    """Refuse at once what would fail after an hour."""
    from ocrmypdf_superres.evaluation.data.profiles import parse_condition
    from ocrmypdf_superres.tesseract import find_traineddata

    check_name(args.out.name)
    if args.out.exists():
        raise OptionError(f"{args.out} exists already; give another name with -o.")
    if not args.minutes > 0 or (args.steps is not None and args.steps < 1):
        raise OptionError("--minutes and --steps must be above 0.")
    if (run_folder / RECIPE).exists() and not args.resume:
        raise OptionError(f"{run_folder} holds an earlier run; add --resume to go on with it, delete it, or give another name with -o.")
    for text in args.conditions:
        parse_condition(text)
    for language in args.lang.split("+"):
        find_traineddata(language)
    find_model(args.base)


def _finetune(args: argparse.Namespace, run_folder: Path) -> int:
    from ocrmypdf_superres.evaluation.data.profiles import parse_condition
    from ocrmypdf_superres.evaluation.gain import compare, read_with, reduced_cases
    from ocrmypdf_superres.training.recipe import read_recipe

    began = time.monotonic()
    console = Console()
    jobs = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    recipe = run_folder / RECIPE
    # Without a recipe a run was stopped while it was reading, and its readings are kept.
    values = None if recipe.is_file() else _prepare(args, run_folder, jobs)
    base = args.base if values is not None else read_recipe(recipe).base
    cases = reduced_cases(run_folder / "held-back", [parse_condition(text) for text in args.conditions])
    reading_began = time.monotonic()
    before = read_with(cases, base, run_folder / "readings", jobs, "reading before")
    # The comparison afterwards takes what this one took, even where its readings were kept from before.
    after = max(time.monotonic() - reading_began, sum(r.tesseract_seconds + r.superres_seconds for r in before) / jobs)
    limit = None if args.steps else _limit(args.minutes, began, after)
    if values is not None:
        from ocrmypdf_superres.training.workflows.finetune_recipe import set_steps, set_time

        if limit is None:
            set_steps(values, args.steps)
        else:
            limit = replace(limit, pace=set_time(values, run_folder, limit.until - time.monotonic()))
        _write_recipe(recipe, values)
    _train(recipe, run_folder, limit)
    export_run(recipe, run_folder, run_folder / "model")
    gain = compare(before, read_with(cases, str(run_folder / "model"), run_folder / "readings", jobs, "reading after"))
    console.print(gain.table())
    if not gain.better and not args.force:
        console.print(
            f"Nothing was saved: the fine-tuned net reads the held-back pages no better than {base} ({gain.summary}); "
            "give more or other scans or more minutes, or add --resume --force to save it all the same.",
            soft_wrap=True, highlight=False, markup=False,
        )  # fmt: skip
        return 1
    export_run(recipe, run_folder, args.out, metrics=_figures(gain, base))
    console.print(
        f"Written: {args.out} ({gain.summary}); use it with --superres-model {args.out}. {run_folder} can be deleted.",
        soft_wrap=True, highlight=False, markup=False,
    )  # fmt: skip
    return 0


def _prepare(args: argparse.Namespace, run_folder: Path, jobs: int) -> dict[str, Any]:
    """Sort the scans, let Tesseract read them, and return the recipe, whose steps are yet to be set."""
    from ocrmypdf_superres.training.data.split import prepare_pages, split_scans
    from ocrmypdf_superres.training.workflows.finetune_recipe import choose_recognizers, tuning_values

    split = split_scans(args.scans)
    run_folder.mkdir(parents=True, exist_ok=True)
    log.info("Reading %d pages with Tesseract.", len(split.learnt) + len(split.held_back))
    learnt, held_back = prepare_pages(split, args.lang, run_folder, jobs)
    log.info("%d pages to learn from, %d held back, of %d documents.", learnt, held_back, split.documents)
    if split.small:
        log.info("%d pages of less than about 200 dpi are left out.", split.small)
    if split.unreadable:
        log.warning("%d files or pages cannot be read and are left out, the first: %s", len(split.unreadable), split.unreadable[0])
    values = tuning_values(args.out.name, find_model(args.base), args.lang, choose_recognizers(args.lang, run_folder), args.text)
    if args.low is not None:
        from ocrmypdf_superres.training.data.estimate import estimate_folder, like

        values["degradation"] = like(estimate_folder(args.low), values["degradation"])
    return values


def _limit(minutes: float, began: float, after: float) -> Time:
    """Return the training's time where all is to end *minutes* after *began*, with *after* seconds of comparing."""
    from ocrmypdf_superres.training.time_limit import Time

    now, given = time.monotonic(), 60 * minutes
    left = began + given - after - now
    if left < LEAST_SHARE * given:
        left = LEAST_SHARE * given
        log.warning(
            "Reading pages alone takes %.1f of the %g minutes; a quarter of them is trained all the same, about %.1f minutes in all.",
            (now - began + after) / 60, minutes, (now - began + left + after) / 60,
        )  # fmt: skip
    return Time(now + left, after)


def _write_recipe(path: Path, values: dict[str, Any]) -> None:
    import tomli_w

    part = path.with_suffix(".part")
    part.write_text(tomli_w.dumps(values), encoding="utf-8")
    part.replace(path)


def _train(recipe_path: Path, run_folder: Path, limit: Time | None) -> None:
    from ocrmypdf_superres.training.recipe import read_recipe, read_toml
    from ocrmypdf_superres.training.time_limit import TimedTrainer
    from ocrmypdf_superres.training.trainer import CHECKPOINT, Trainer

    recipe = read_recipe(recipe_path)

    def write(steps: int) -> None:
        values = read_toml(recipe_path)
        values["stages"][0]["steps"] = steps
        _write_recipe(recipe_path, values)

    if limit is None:
        trainer = Trainer(recipe, run_folder, run_folder)
    else:
        trainer = TimedTrainer(recipe, run_folder, run_folder, limit, write)
    if (run_folder / CHECKPOINT).is_file():
        trainer.resume(run_folder / CHECKPOINT)
    trainer.fit()


def _figures(gain: Gain, base: str) -> dict[str, str]:
    """Return the card's figures."""
    pairs = {**gain.groups, "all": (gain.base, gain.new)}
    figures = {
        f"CER on {gain.pages} held-back pages, {name} (in brackets: {base})": f"{100 * new.cer:.2f} % ({100 * old.cer:.2f} %)"
        for name, (old, new) in pairs.items()
    }
    figures["words missed, all"] = f"{100 * (1 - gain.new.recall):.2f} % ({100 * (1 - gain.base.recall):.2f} %)"
    return figures
