# SPDX-License-Identifier: MPL-2.0
"""Writing the folder of a model, a recognizer or a detector, so that a search always finds a complete one."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ocrmypdf_superres.errors import ModelError, SuperresError
from ocrmypdf_superres.modelstore.cards import CARD, Card, RecognizerCard
from ocrmypdf_superres.modelstore.networks import NetworkCard
from ocrmypdf_superres.modelstore.rapidocr_networks import RapidocrCard
from ocrmypdf_superres.modelstore.store import kept_beside


def check_target(folder: Path, card: str = CARD, error: type[SuperresError] = ModelError) -> None:
    """Check that *folder* may be written: it is new, empty, or holds the file *card*.

    Raises:
        SuperresError: of the kind *error*: it holds something else, which is not to be lost.
    """
    if folder.exists() and (not folder.is_dir() or (any(folder.iterdir()) and not (folder / card).is_file())):
        raise error(f"{folder} exists and does not hold a {card}; give a new folder.")


@contextmanager
def model_folder(folder: Path, card: str = CARD, error: type[SuperresError] = ModelError) -> Iterator[Path]:
    """Yield an empty folder to fill; when the block ends without an error, it becomes *folder*.

    One that exists is replaced only where it holds the file *card*. It is moved aside, to :func:`kept_beside`, before the
    new one takes its name, and removed after that: between the two renames, and after a crash there,
    :func:`~ocrmypdf_superres.modelstore.store.find_model` finds it where it was moved to.

    Raises:
        SuperresError: see :func:`check_target`.
        OSError: the disk does not take the folder; *folder* is as it was.
    """
    check_target(folder, card, error)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}-") as temporary:
        made = Path(temporary) / "model"
        made.mkdir()
        yield made
        for path in made.iterdir():
            path.chmod(0o644)  # safetensors writes for its owner only; a model is for everyone on the machine
        _swap(made, folder)


def _swap(made: Path, folder: Path) -> None:
    before = kept_beside(folder)
    if folder.exists():
        # What a crash left there is older than the folder itself.
        shutil.rmtree(before, ignore_errors=True)
        folder.rename(before)
    try:
        made.rename(folder)
    except OSError:
        with contextlib.suppress(OSError):
            before.rename(folder)
        raise
    shutil.rmtree(before, ignore_errors=True)


def write_card(card: Card | RecognizerCard | NetworkCard | RapidocrCard, path: Path) -> None:
    """Write *card* to *path* as TOML; keys without a value are left out."""
    import tomli_w

    values = {key: _plain(value) for key, value in asdict(card).items() if value not in (None, ())}
    path.write_text(tomli_w.dumps(values, multiline_strings=True), encoding="utf-8")


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return list(value)
    return {key: _plain(inner) for key, inner in value.items()} if isinstance(value, Mapping) else value
