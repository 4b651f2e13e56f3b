# SPDX-License-Identifier: MPL-2.0
"""The settings of a run: strict TOML, checked before any file is touched.

What decides about the outputs (languages, outputs, the tables ``ocrmypdf`` and ``superres``, and the model's files) makes
the settings' hash: a file is done under a hash, and is done again under another.  How the work is carried out (limits,
tries, workers, scratch) is not part of it.
"""

from __future__ import annotations

import difflib
import hashlib
import json
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import tomli_w
from ocrmypdf._options import OcrOptions
from pydantic import BaseModel, ValidationError

from ocrmypdf_superres.archive.tasks import Limits
from ocrmypdf_superres.errors import ArchiveError
from ocrmypdf_superres.modelstore.cards import WEIGHTS
from ocrmypdf_superres.modelstore.store import Model, find_model
from ocrmypdf_superres.plugin.options import SuperresOptions

OUTPUTS = ("pdf", "text", "alto", "hocr", "images")

# The run sets these itself, or has a setting of its own for them.
_NOT_OURS = {
    "input_file", "output_file", "sidecar", "output_folder", "work_folder", "languages", "jobs", "use_threads", "progress_bar",
    "quiet", "verbose", "keep_temporary_files", "no_overwrite", "plugins", "extra_attrs", "ocr_engine", "pages", "image_dpi",
}  # fmt: skip
# Where OCRmyPDF's API has another default than its command line, or an archive needs another.
_DEFAULTS = {"output_type": "pdfa", "max_image_mpixels": 250.0}


@dataclass(frozen=True)
class Settings:
    """The settings of a run.

    Attributes:
        languages: Tesseract's names, such as ``deu``.
        outputs: what is made of a file, of :data:`OUTPUTS`.
        image_dpi: resolution of images that claim none, or one of 96 dpi and less; 0 for: such an image fails.
        ocrmypdf: options of ``ocrmypdf.ocr()`` by their names there. Default of ``output_type`` is ``pdfa``, so that
            every output is PDF/A or its file fails (OCRmyPDF's ``auto`` makes a plain PDF where PDF/A fails).
        superres: options of the plugin, without ``superres_``.
        seconds, memory_mb: what one file may take, wall-clock time and resident memory; 0 for no limit.
        tries: how often a file is tried whose failure may pass.
        wait: seconds before the second try; doubled before each further one.
        workers: processes; 0 for one a core.
        scratch: folder for temporary files on the machines that work; empty for the system's.
    """

    languages: tuple[str, ...] = ("eng",)
    outputs: tuple[str, ...] = ("pdf",)
    image_dpi: int = 0
    ocrmypdf: Mapping[str, Any] = field(default_factory=dict)
    superres: Mapping[str, Any] = field(default_factory=dict)
    seconds: float = 3600.0
    memory_mb: int = 0
    tries: int = 3
    wait: float = 30.0
    workers: int = 0
    scratch: str = ""

    def __post_init__(self) -> None:
        _check(self)

    @property
    def limits(self) -> Limits:
        return Limits(self.seconds or None, self.memory_mb * 1024**2 or None)

    @property
    def model(self) -> Model:
        """The model that pages are enlarged with.

        Raises:
            ModelError: there is none of that name.
        """
        return find_model(SuperresOptions.model_validate(dict(self.superres)).model)

    def ocr_arguments(self) -> dict[str, Any]:
        """Keyword arguments of ``ocrmypdf.ocr()``, but for files and ``jobs``."""
        superres = {f"superres_{name}": value for name, value in self.superres.items()}
        return {**_DEFAULTS, **self.ocrmypdf, **superres, "language": list(self.languages)}

    def hash(self) -> str:
        """SHA-256 (64 hexadecimal digits) of everything that decides about the outputs."""
        decides = {
            "languages": self.languages, "outputs": sorted(self.outputs), "image_dpi": self.image_dpi,
            "ocrmypdf": {**_DEFAULTS, **self.ocrmypdf}, "superres": dict(self.superres), "model": sorted(self.model.card.files.items()),
        }  # fmt: skip
        return hashlib.sha256(json.dumps(decides, sort_keys=True, default=str).encode()).hexdigest()

    def toml(self) -> str:
        """The settings as TOML that :func:`parse_settings` takes."""
        return tomli_w.dumps({key: list(value) if isinstance(value, tuple) else value for key, value in asdict(self).items()})

    def changed(self, **values: Any) -> Settings:
        """The settings with *values* in the place of theirs; tables are merged.

        Raises:
            ArchiveError: a value cannot be used.
        """
        merged: dict[str, Any] = {k: {**getattr(self, k), **v} if k in ("ocrmypdf", "superres") else v for k, v in values.items()}
        return replace(self, **merged)


def weights_sha256(model: Model) -> str:
    """SHA-256 of the model's weights, empty for one that comes without them."""
    return model.card.files.get(WEIGHTS, "")


def read_settings(path: Path) -> Settings:
    """Return the settings in the TOML file *path*.

    Raises:
        ArchiveError: it cannot be read, or something in it cannot be used.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ArchiveError(f"The settings {path} cannot be read ({error}); give a TOML file.") from error
    return parse_settings(text, str(path))


def parse_settings(text: str, name: str = "settings") -> Settings:
    """Return the settings in the TOML *text*, called *name* in messages.

    Raises:
        ArchiveError: it is no TOML, or something in it cannot be used.
    """
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ArchiveError(f"The settings {name} are no TOML ({error}); correct the file.") from error
    known = {item.name for item in fields(Settings)}
    for key in values:
        if key not in known:
            raise ArchiveError(f"The settings {name} have the unknown key {key!r}{_meant(key, known)}; take it out or correct it.")
    for key in ("languages", "outputs"):
        if isinstance(values.get(key), list):
            values[key] = tuple(values[key])
    try:
        return Settings(**values)
    except ArchiveError as error:
        raise ArchiveError(f"{name}: {error}") from error


def _meant(key: str, known: set[str]) -> str:
    near = difflib.get_close_matches(key, known, n=1)
    return f" (did you mean {near[0]!r}?)" if near else ""


def _check(settings: Settings) -> None:
    def refuse(key: str, expected: str) -> ArchiveError:
        return ArchiveError(f"The setting {key} is {getattr(settings, key)!r}; expected is {expected}.")

    for key, known in (("languages", None), ("outputs", OUTPUTS)):
        value = getattr(settings, key)
        texts = isinstance(value, tuple) and value and all(isinstance(v, str) and v for v in value)
        if not texts or len(set(value)) != len(value) or (known and not set(value) <= set(known)):
            raise refuse(key, f"a list of some of {', '.join(known)}" if known else "a list of Tesseract's language names, each once")
    for key, least in (("seconds", 0), ("memory_mb", 0), ("tries", 1), ("wait", 0), ("workers", 0), ("image_dpi", 0)):
        value = getattr(settings, key)
        whole = key not in ("seconds", "wait")
        if isinstance(value, bool) or not isinstance(value, int if whole else (int, float)) or not least <= value < 2**40:
            raise refuse(key, f"a {'whole ' if whole else ''}number of at least {least}")
    if not isinstance(settings.scratch, str):
        raise refuse("scratch", "the path of a folder, or nothing")
    for key in ("ocrmypdf", "superres"):
        if not isinstance(getattr(settings, key), Mapping):
            raise refuse(key, "a table of options")
    if settings.ocrmypdf.get("output_type") == "none":
        raise ArchiveError("The option output_type of [ocrmypdf] is 'none'; leave 'pdf' out of the setting outputs instead.")
    if settings.ocrmypdf.get("pdf_renderer") == "sandwich":
        raise ArchiveError("The option pdf_renderer of [ocrmypdf] is 'sandwich', which tells no words; leave it out.")
    _check_table("ocrmypdf", settings.ocrmypdf, OcrOptions, set(OcrOptions.model_fields) - _NOT_OURS, {"input_file": "in", "output_file": "out"})
    _check_table("superres", settings.superres, SuperresOptions, set(SuperresOptions.model_fields) - {"report"}, {})


def _check_table(name: str, values: Mapping[str, Any], model: type[BaseModel], known: set[str], needed: dict[str, str]) -> None:
    for key in values:
        if key not in known:
            why = " is set by the run itself" if key in _NOT_OURS or key == "report" else f" is unknown{_meant(key, known)}"
            raise ArchiveError(f"The option {key!r} of [{name}]{why}; take it out or correct it.")
    try:
        model.model_validate({**needed, **values})
    except ValidationError as error:
        first = error.errors()[0]
        said = first["msg"].removeprefix("Value error, ").rstrip(".")
        if not first["loc"]:
            raise ArchiveError(f"The options of [{name}] do not go together: {said}.") from error
        key = ".".join(map(str, first["loc"]))
        raise ArchiveError(f"The option {key} of [{name}] is {first['input']!r}: {said[:1].lower()}{said[1:]}.") from error
