# SPDX-License-Identifier: MPL-2.0
"""Reproducing a table: every row and seed trained and evaluated, what is finished kept, the table written after each row."""

from __future__ import annotations

import hashlib
import json
import logging
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from ocrmypdf_superres import __version__
from ocrmypdf_superres.errors import OptionError
from ocrmypdf_superres.evaluation.reproduction.claims import findings
from ocrmypdf_superres.evaluation.reproduction.report import as_csv, cells, markdown
from ocrmypdf_superres.evaluation.reproduction.results import TABLES, Kept, claims_lines, keep
from ocrmypdf_superres.evaluation.reproduction.scoring import Figures, Scorer, Shrink
from ocrmypdf_superres.evaluation.reproduction.table import PaperTable, Row, Setting, read_paper_table
from ocrmypdf_superres.evaluation.reproduction.training import Spent, Trainings, named_models
from ocrmypdf_superres.files import atomic_write_text, read_text
from ocrmypdf_superres.modelstore.store import also_searched
from ocrmypdf_superres.training.loop.processes import pick_device
from ocrmypdf_superres.training.recipe import read_recipe

log = logging.getLogger(__name__)

KIND = "kind.json"
"""In a run's folder: the table, whether it is reduced, and its limits."""

CACHE = "lines"
"""In a run's folder: the lines that were found in scans, for every training and evaluation of it."""


@dataclass(frozen=True)
class Job:
    """What to reproduce.

    Attributes:
        recipes: the folder of the recipes, with the tables in ``tables``. data: that of the data. out: where everything goes.
        rows: names of rows, or parts of them; empty for all. seeds: how many. reduced: the small recipes and sets.
        device: where to train and evaluate. steps, batch, count: limits for a try of the whole way; 0 for none.
        record: keep the finished table with the recipes, and rewrite RESULTS.md.
    """

    recipes: Path
    data: Path
    out: Path
    rows: tuple[str, ...] = ()
    seeds: int = 1
    reduced: bool = False
    device: str = "auto"
    steps: int = 0
    batch: int = 0
    count: int = 0
    record: bool = False


def reproduce(name: str, job: Job, shrink: Shrink | None = None) -> Path:
    """Train and evaluate the rows of the table *name*, and write ``table.md`` and ``table.csv``; return the former.

    *name* is that of a file in the tables' folder without its suffix, or a path. What an earlier call finished is not done again,
    and an interrupted training is resumed.

    Raises:
        OptionError: there is no such table or row, what was asked to be kept is not the whole table, or *job.out* holds a run of
            another kind, recipe or data. SuperresError: a recipe, the data or the device cannot be used.
    """
    path = _table_file(name, job.recipes)
    table = read_paper_table(path)
    setting = table.reduced if job.reduced else table.full
    if job.record and (job.rows or job.steps or job.batch or job.count):
        raise OptionError("--record keeps whole tables; leave out --rows, --steps, --batch and --count.")
    chosen = _chosen_rows(table, path, job)
    _claim(job, path.stem)
    made_from = {row.name: _made_from(row, setting, job) for row in chosen}
    for row in chosen:
        for seed in range(job.seeds):
            _kept(row, seed, job, made_from[row.name])  # what cannot go on is refused before anything is trained
    recipe = read_recipe(job.recipes / f"{setting.recipe}.toml") if setting.recipe else None
    scorer = Scorer(table, setting, job.data, job.out / CACHE, pick_device(job.device), recipe, shrink, job.count)
    spent: dict[str, Spent] = {}
    done: dict[str, list[dict[str, Figures]]] = {}
    for row in chosen:
        found = []
        # Without a training all seeds have the figures of the first.
        for seed in range(job.seeds if row.recipes or row.recognizer else 1):
            log.info("%s, row %s, seed %d.", path.stem, row.name, seed)
            found.append(_row(row, seed, job, setting, scorer, spent, made_from[row.name]))
        done[row.name] = found * (job.seeds // len(found))
        kept = _written(table, done, job, spent)
    if job.record:
        keep(job.recipes, path.stem, job.reduced, kept)
    return job.out / "table.md"


def _table_file(name: str, recipes: Path) -> Path:
    """Return the file of the table *name*, which need not exist where *name* is a path.

    Raises:
        OptionError: the folder of the tables has none of that name.
    """
    if name.endswith(".toml"):
        return Path(name)
    path = recipes / TABLES / f"{name}.toml"
    if not path.is_file():
        known = ", ".join(sorted(one.stem for one in path.parent.glob("*.toml"))) or "none"
        raise OptionError(
            f"The table {name} cannot be read, since the tables in {path.parent} are {known}; give one of these, or with "
            "--recipes the folder examples/recipes/papers of a clone of the repository."
        )
    return path


def _chosen_rows(table: PaperTable, path: Path, job: Job) -> list[Row]:
    """Return the rows of *table*, the file *path*, that *job* asks for, reduced if it says so.

    Raises:
        OptionError: there are none.
    """
    named = [row for row in table.rows if not job.rows or any(part.lower() in row.name.lower() for part in job.rows)]
    if not named:
        raise OptionError(
            f"{path.name} has no row like {', '.join(job.rows)}; its rows are {', '.join(r.name for r in table.rows)}."
        )
    return [row.as_reduced() for row in named] if job.reduced else named


def _noted(note: Path) -> dict[str, object]:
    try:
        noted = json.loads(note.read_text(encoding="utf-8"))
    except ValueError:
        noted = None
    if not isinstance(noted, dict):
        raise OptionError(f"{note} is damaged, so what the folder holds is not known; give another -o, or delete it.")
    return noted


def _claim(job: Job, table: str) -> None:
    """Note in the folder *out* what its rows, of *table*, are trained and evaluated on.

    Raises:
        OptionError: it holds the rows of a run of another kind, which would be taken for this one's.
    """
    kind = {"table": table, **{name: getattr(job, name) for name in ("reduced", "steps", "batch", "count")}}
    note = job.out / KIND
    # Older notes do not name the table.
    if note.is_file() and {**kind, **(noted := _noted(note))} != kind:
        earlier = ", ".join(f"{name} {value}" for name, value in noted.items())
        raise OptionError(f"{job.out} holds a run of another kind ({earlier}); give another -o, or delete that folder.")
    job.out.mkdir(parents=True, exist_ok=True)
    atomic_write_text(note, json.dumps(kind) + "\n")


def _paper(table: PaperTable, name: str) -> Mapping[str, float]:
    return next(row.paper for row in table.rows if row.name == name)


def _made_from(row: Row, setting: Setting, job: Job) -> str:
    """Return a hash of what the figures of *row* follow from: the table, the recipes, and the place of the data."""
    said = [{name: value for name, value in asdict(table).items() if value} for table in (replace(row, paper={}), setting)]
    named = dict.fromkeys((*setting.needs, *row.recipes, *row.recognizer, *([setting.recipe] if setting.recipe else [])))
    recipes = [read_text(job.recipes / f"{name}.toml", "The recipe") for name in named]
    return hashlib.sha256("\n".join([json.dumps(said), str(job.data.resolve()), *recipes]).encode()).hexdigest()


def _row_file(row: Row, seed: int, job: Job) -> Path:
    number = "".join(c if c.isalnum() else "-" for c in row.name.lower())
    return job.out / f"seed-{seed}" / "rows" / f"{number}.json"


def _kept(row: Row, seed: int, job: Job, made_from: str) -> dict[str, Any] | None:
    """Return what an earlier call found of *row*; None if nothing.

    Raises:
        OptionError: it was made from something else than *made_from*.
    """
    stored = _row_file(row, seed, job)
    if not stored.is_file():
        return None
    kept: dict[str, Any] = json.loads(stored.read_text(encoding="utf-8"))
    if kept.get("made_from", made_from) != made_from:
        raise OptionError(
            f"{job.out} holds the row {row.name!r} of another recipe or other data; give another -o, or delete that folder."
        )
    return kept


def _row(
    row: Row, seed: int, job: Job, setting: Setting, scorer: Scorer, spent: dict[str, Spent], made_from: str
) -> dict[str, Figures]:
    folder = job.out / f"seed-{seed}"
    kept = _kept(row, seed, job, made_from)
    if kept is not None:
        spent.update({name: Spent(**value) for name, value in kept["spent"].items()})
        return {name: Figures(tuple(f["above"]), tuple(f["below"])) for name, f in kept["figures"].items()}
    trainings = Trainings(job.recipes, job.data, folder, seed, job.out / CACHE, job.device, job.steps, job.batch, setting.share)
    trainings.need(setting)
    made = trainings.model(row, setting, row.reduced_share if job.reduced else 1.0)
    own_recognizers = [trainings.recognizer(recipe, setting.recognizer) for recipe in row.recognizer]
    with also_searched(folder):
        model = made[Path(row.recipes[-1]).name] if row.recipes else None
        figures = scorer.score(row, named_models(row.method, made), model, own_recognizers[-1] if own_recognizers else None)
    own = {f"{name}, seed {seed}": value for name, value in trainings.spent.items()}
    spent.update(own)
    stored = _row_file(row, seed, job)
    stored.parent.mkdir(parents=True, exist_ok=True)
    values = {name: {key: asdict(value) for key, value in of.items()} for name, of in (("figures", figures), ("spent", own))}
    atomic_write_text(stored, json.dumps({**values, "made_from": made_from}) + "\n")
    return figures


def _written(
    table: PaperTable, done: Mapping[str, Sequence[Mapping[str, Figures]]], job: Job, spent: Mapping[str, Spent]
) -> Kept:
    """Write the table as far as it is finished, and return it."""
    share = (
        f"{100 * table.reduced.share:g} % of the reduced recipes' steps and" if table.reduced.share < 1 else "reduced recipes and"
    )
    about = [
        f"Commit {commit()}, version {__version__}; {share + ' sets' if job.reduced else 'as published'}; "
        f"{job.seeds} seed{'s' if job.seeds > 1 else ''}; {_trained(spent)}.",
    ]
    if job.steps or job.count:
        about.append(f"A try of the way only: stages of at most {job.steps} steps, {job.count or 'all'} patches or lines.")
    rows = {name: cells(found, _paper(table, name)) for name, found in done.items()}
    found = [finding for claim in table.claims for finding in findings(claim, done)]
    job.out.mkdir(parents=True, exist_ok=True)
    text = markdown(table, rows, about) + "".join(f"{line}\n" for line in claims_lines(table, found))
    atomic_write_text(job.out / "table.md", text)
    atomic_write_text(job.out / "table.csv", as_csv(rows))
    return Kept(tuple(about), rows, tuple(found))


def _trained(spent: Mapping[str, Spent]) -> str:
    """Return how long was trained, and on what."""
    on = " and ".join(sorted({training.device for training in spent.values() if training.device}))
    return f"{sum(training.hours for training in spent.values()):.2f} hours of training" + (f" on {on}" if on else "")


def commit() -> str:
    """Return the commit that the package runs from, with ``+`` where files are changed, or ``unknown`` outside a checkout."""
    here = Path(__file__).resolve().parent
    try:
        head = _git(["rev-parse", "--short", "HEAD"], here)
        return head + ("+" if _git(["status", "--porcelain", "--untracked-files=no"], here) else "")
    except (OSError, subprocess.SubprocessError):
        return "unknown"


def _git(arguments: Sequence[str], folder: Path) -> str:
    done = subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True, timeout=30, check=True)
    return done.stdout.strip()
