# SPDX-License-Identifier: MPL-2.0
"""``ocrmypdf-superres finetune``: a model made for one's own scans, without annotation, or Tesseract's networks with it."""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from ocrmypdf_superres.commands.shared.output import progress, say
from ocrmypdf_superres.commands.shared.parsing import add_device, add_language, add_output, add_resume
from ocrmypdf_superres.errors import OptionError
from ocrmypdf_superres.modelstore.networks import AUTO
from ocrmypdf_superres.modelstore.store import DEFAULT_MODEL

if TYPE_CHECKING:
    from ocrmypdf_superres.evaluation.benchmark import Result
    from ocrmypdf_superres.evaluation.data.pages import Case
    from ocrmypdf_superres.evaluation.gain import Gain
    from ocrmypdf_superres.training.workflows.finetune import Finetuned
    from ocrmypdf_superres.training.workflows.finetune_network import FinetunedNetworks
    from ocrmypdf_superres.training.workflows.finetune_settings import FinetuneSettings

CONDITIONS = ("72-scan", "100-scan", "100-hard")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``finetune``."""
    parser.add_argument("scans", type=Path, help="folder of scans of about 200 dpi and more: PDF, TIFF, JPEG, PNG")
    add_output(parser, "the model folder to write", metavar="MODEL", required=True)
    parser.add_argument(
        "--network", action="store_true",
        help="tune the languages' networks of Tesseract instead, on images with their text: NAME.gt.txt, PAGE-XML or ALTO",
    )  # fmt: skip
    parser.add_argument(
        "--base", default=DEFAULT_MODEL, metavar="MODEL", help="model to start from, with --network the one that enlarges"
    )
    parser.add_argument(
        "--base-networks",
        metavar="auto|stock|FOLDER",
        help="with --network: the networks to start from (default: auto, the tuned ones)",
    )
    add_language(parser, "Tesseract languages of the scans, such as deu+fra")
    parser.add_argument(
        "--minutes", type=float, default=40.0, metavar="N", help="how long it may take in all; --resume starts the count again"
    )
    parser.add_argument(
        "--steps", type=int, metavar="N", help="train this many steps instead, which gives the same result on any machine"
    )
    parser.add_argument("--low", type=Path, metavar="FOLDER", help="scans of low resolution to imitate")
    parser.add_argument(
        "--text", type=Path, metavar="FOLDER", help="folders by language (deu/*.txt) whose text is rendered and mixed in"
    )
    parser.add_argument(
        "--conditions", nargs="+", default=list(CONDITIONS), metavar="DPI-PROFILE",
        help=f"how held-out pages are reduced for the comparison (default: {' '.join(CONDITIONS)})",
    )  # fmt: skip
    add_device(parser)
    parser.add_argument("--force", action="store_true", help="save the model even if it reads no better than its base")
    add_resume(parser)


def run(args: argparse.Namespace) -> int:
    """Fine-tune, compare and save; return 1 where nothing was gained and so nothing saved.

    Raises:
        SuperresError: an argument, the scans or the disk cannot be used.
    """
    from ocrmypdf_superres.evaluation.data.profiles import parse_condition

    conditions = [parse_condition(text) for text in args.conditions]
    if args.network:
        return _run_network(args, conditions)
    if args.base_networks is not None:
        raise OptionError("--base-networks was given without --network, which tunes networks; add it or leave the option out.")
    return _run_model(args, conditions)


def _common(args: argparse.Namespace) -> dict[str, Any]:
    """Return the settings that a model and networks have in common."""
    return {
        "scans": args.scans, "out": args.output, "languages": args.language, "minutes": args.minutes, "steps": args.steps,
        "text": args.text, "force": args.force, "resume": args.resume, "device": args.device,
    }  # fmt: skip


def _run_network(args: argparse.Namespace, conditions: Sequence[tuple[float, str]]) -> int:
    from ocrmypdf_superres.training.workflows.finetune_network import NetworkSettings, finetune_networks

    if args.low is not None:
        raise OptionError("--low was given with --network, which imitates all kinds of low resolution; leave it out.")
    settings = NetworkSettings(**_common(args), base=args.base_networks or AUTO, model=args.base)
    comparison = _NetworkComparison(conditions, args.base)
    result = finetune_networks(settings, comparison)
    console = Console()
    say("CER of tesseract in % on lines of the pages that chose the weights:", console)
    for row in result.rows():
        say(row, console)
    return _show_outcome(console, settings, comparison.gain, result, "--superres-networks", "the networks that it started from")


def _run_model(args: argparse.Namespace, conditions: Sequence[tuple[float, str]]) -> int:
    from ocrmypdf_superres.training.workflows.finetune import ModelSettings, finetune

    settings = ModelSettings(**_common(args), base=args.base, low=args.low)
    comparison = _TesseractComparison(conditions)
    result = finetune(settings, comparison)
    return _show_outcome(Console(), settings, comparison.gain, result, "--superres-model", result.base)


def _show_outcome(
    console: Console, settings: FinetuneSettings, pages: Gain | None, result: Finetuned | FinetunedNetworks, option: str,
    base: str,
) -> int:  # fmt: skip
    """Print the comparison of *pages* and what to do now; return the exit status."""
    if pages is not None:
        console.print(pages.table())
    if result.saved:
        use = f"use it with {option} {settings.out}. {settings.run} can be deleted."
        text = f"Written: {settings.out} ({result.gain.summary}); {use}"
    else:
        text = (
            f"Nothing was saved: the held-out pages are read no better than with {base} ({result.gain.summary}); give more "
            "or other scans or more minutes, or add --resume --force to save the result all the same."
        )
    say(text, console)
    return 0 if result.saved else 1


class _HeldOutReadings:
    """Held-out pages, reduced to *conditions* (dpi, profile), and how they were read before."""

    def __init__(self, conditions: Sequence[tuple[float, str]]) -> None:
        self.conditions = conditions
        self.gain: Gain | None = None
        self._cases: list[Case] = []
        self._before: Sequence[Result] = []
        self._cache, self._jobs = Path(), 1

    def _reduce(self, folder: Path, cache: Path, jobs: int) -> None:
        """Reduce the pages of *folder*, which *jobs* processes read."""
        from ocrmypdf_superres.evaluation.gain import reduced_cases

        self._cache, self._jobs = cache, jobs
        self._cases = reduced_cases(folder, self.conditions)

    @contextmanager
    def _bar(self, what: str) -> Iterator[Callable[[], None]]:
        """Show a progress bar for *what* is done to the pages; yield the function to call after each."""
        with progress() as bar:
            task = bar.add_task(what, total=len(self._cases))
            yield lambda: bar.advance(task)

    def _seconds(self) -> float:
        """Return what reading the pages took."""
        return sum(result.tesseract_seconds + result.superres_seconds for result in self._before) / self._jobs


class _TesseractComparison(_HeldOutReadings):
    """Reads held-out pages, reduced to *conditions* (dpi, profile), by OCRmyPDF with one model and the other."""

    def read_before(self, folder: Path, base: str, cache: Path, jobs: int) -> float:
        """Read the pages of *folder* with the model *base*; return the seconds that it takes without *cache*."""
        from ocrmypdf_superres.evaluation.gain import read_with

        self._reduce(folder, cache, jobs)
        with self._bar("reading before") as advance:
            self._before = read_with(self._cases, base, cache, jobs, advance)
        return self._seconds()

    def read_after(self, tuned: str) -> Gain:
        """Read the same pages with the model *tuned*."""
        from ocrmypdf_superres.evaluation.gain import compare, read_with

        with self._bar("reading after") as advance:
            self.gain = compare(self._before, read_with(self._cases, tuned, self._cache, self._jobs, advance))
        return self.gain

    def card_metrics(self, base: str) -> Mapping[str, str]:
        """Return the error rates for the new model's card."""
        gain = self.gain
        if gain is None:
            return {}
        pairs = {**gain.groups, "all": (gain.base, gain.new)}
        metrics = {
            f"CER on {gain.pages} held-out pages, {name} (in brackets: {base})": f"{100 * new.cer:.2f} % ({100 * old.cer:.2f} %)"
            for name, (old, new) in pairs.items()
        }
        metrics["words missed, all"] = f"{100 * (1 - gain.new.recall):.2f} % ({100 * (1 - gain.base.recall):.2f} %)"
        return metrics


class _NetworkComparison(_HeldOutReadings):
    """Reads held-out pages, reduced to *conditions* (dpi, profile), by OCRmyPDF with *model* and some networks or others."""

    def __init__(self, conditions: Sequence[tuple[float, str]], model: str) -> None:
        super().__init__(conditions)
        self.model = model

    def read_before(self, folder: Path, base: str, cache: Path, jobs: int) -> float:
        """Read the pages of *folder* with the networks *base*; return the seconds that it takes without *cache*."""
        from ocrmypdf_superres.evaluation.gain import read_with_networks

        self._reduce(folder, cache, jobs)
        with self._bar("reading before") as advance:
            self._before = read_with_networks(self._cases, self.model, base, cache / "before", jobs, advance)
        return self._seconds()

    def read_after(self, tuned: str) -> Gain:
        """Read the same pages with the networks *tuned*; no reading is kept, as training may continue under that name."""
        from ocrmypdf_superres.evaluation.gain import compare, read_with_networks

        with tempfile.TemporaryDirectory() as cache, self._bar("reading after") as advance:
            after = read_with_networks(self._cases, self.model, tuned, Path(cache), self._jobs, advance)
        self.gain = compare(self._before, after)
        return self.gain
