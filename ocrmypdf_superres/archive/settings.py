# SPDX-License-Identifier: MPL-2.0
"""The settings of a run: strict TOML, checked before any file is touched.

Whatever affects the outputs (languages, outputs, the tables ``ocrmypdf`` and ``superres``, the model's files and the tuned
networks of the languages) is part of the settings' hash: a file is done under one hash, and is done again under another. How
the work is carried out (limits, tries, workers, scratch) is not part of it.
"""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

import tomli_w
from pydantic import AfterValidator, BeforeValidator, Field

from ocrmypdf_superres.archive.tasks import Limits
from ocrmypdf_superres.archive.worker.ocr_options import check_option_tables
from ocrmypdf_superres.errors import ArchiveError
from ocrmypdf_superres.modelstore.cards import WEIGHTS
from ocrmypdf_superres.modelstore.networks import STOCK, networks_for, versions_of_networks
from ocrmypdf_superres.modelstore.rapidocr_networks import installed_rapidocr_network, package_models
from ocrmypdf_superres.modelstore.store import Model, find_model
from ocrmypdf_superres.plugin.options import SuperresOptions
from ocrmypdf_superres.tables import STRICT, read_table, read_toml

# Where OCRmyPDF's API has another default than its command line, or an archive needs another.
_DEFAULTS = {"output_type": "pdfa", "max_image_mpixels": 250.0}


def _once(values: tuple[str, ...]) -> tuple[str, ...]:
    if not values or len(set(values)) != len(values):
        raise ValueError("expected is a list of at least one entry, each of them once")
    return values


def _table(value: Any) -> Any:
    if not isinstance(value, Mapping):
        raise ValueError("expected is a table of options")
    return value


Language = Annotated[str, Field(min_length=1)]
OutputKind = Literal["pdf", "text", "alto", "hocr", "images"]
Count = Annotated[int, Field(ge=0, lt=2**40)]
Seconds = Annotated[float, Field(ge=0, lt=2**40)]
Options = Annotated[Mapping[str, Any], BeforeValidator(_table)]


@dataclass(frozen=True)
class Settings:
    """The settings of a run; :func:`read_settings`, :func:`parse_settings` and :meth:`changed` check them.

    Attributes:
        languages: Tesseract's names, such as ``deu``.
        outputs: what to make of each file.
        image_dpi: resolution of images that claim none, or one of at most 96 dpi; with 0 such an image fails.
        ocrmypdf: options of ``ocrmypdf.ocr()``, by their names there. The default of ``output_type`` is ``pdfa``, so
            every output is PDF/A or its file fails (OCRmyPDF's ``auto`` makes a plain PDF where PDF/A fails).
        superres: options of this plugin, without ``superres_``.
        seconds, memory_mb: limits for one file, wall-clock time and resident memory; 0 for no limit.
        tries: how often a file is tried whose failure is transient.
        wait: seconds before the second try; doubled before each further one.
        workers: number of processes; 0 for one per core.
        scratch: folder for temporary files on the machines that work; empty for the system's.
    """

    __pydantic_config__ = STRICT

    languages: Annotated[tuple[Language, ...], AfterValidator(_once)] = ("eng",)
    outputs: Annotated[tuple[OutputKind, ...], AfterValidator(_once)] = ("pdf",)
    image_dpi: Count = 0
    ocrmypdf: Options = field(default_factory=dict)
    superres: Options = field(default_factory=dict)
    seconds: Seconds = 3600.0
    memory_mb: Count = 0
    tries: Annotated[Count, Field(ge=1)] = 3
    wait: Seconds = 30.0
    workers: Count = 0
    scratch: str = ""

    @property
    def limits(self) -> Limits:
        """Limits of one file."""
        return Limits(self.seconds or None, self.memory_mb * 1024**2 or None)

    @property
    def model(self) -> Model:
        """The model that super-resolves pages.

        Raises:
            ModelError: there is no model of that name.
        """
        return find_model(SuperresOptions.model_validate(dict(self.superres)).model)

    def ocr_arguments(self) -> dict[str, Any]:
        """Return the keyword arguments of ``ocrmypdf.ocr()``, except for files and ``jobs``."""
        superres = {f"superres_{name}": value for name, value in self.superres.items()}
        return {**_DEFAULTS, **self.ocrmypdf, **superres, "language": list(self.languages)}

    def hash(self) -> str:
        """Return the SHA-256 (64 hexadecimal digits) of everything that affects the outputs."""
        relevant = {
            "languages": self.languages, "outputs": sorted(self.outputs), "image_dpi": self.image_dpi,
            "ocrmypdf": {**_DEFAULTS, **self.ocrmypdf}, "superres": dict(self.superres),
            "model": [*sorted(self.model.card.files.items()), self.model.card.calibration_sha256], "networks": self._networks(),
        }  # fmt: skip
        return hashlib.sha256(json.dumps(relevant, sort_keys=True, default=str).encode()).hexdigest()

    def _networks(self) -> list[str]:
        """Return what decides how the tuned networks read that may be used; raises RecognizerError for a bad folder."""
        given = SuperresOptions.model_validate(dict(self.superres))
        versions = versions_of_networks(networks_for(given.networks, self.languages))
        rapidocr_network = installed_rapidocr_network() if package_models() else None
        if rapidocr_network is not None and given.networks != STOCK and given.engines != "none":
            versions.append(rapidocr_network.card.sha256)
        return versions

    def toml(self) -> str:
        """Return the settings as TOML that :func:`parse_settings` reads."""
        return tomli_w.dumps({key: list(value) if isinstance(value, tuple) else value for key, value in asdict(self).items()})

    def changed(self, **values: Any) -> Settings:
        """Return the settings with *values* instead of theirs; tables are merged.

        Raises:
            ArchiveError: a value cannot be used.
        """
        merged = {k: {**getattr(self, k), **v} if k in ("ocrmypdf", "superres") else v for k, v in values.items()}
        return _checked({**asdict(self), **merged}, "The command line")


def weights_sha256(model: Model) -> str:
    """Return the SHA-256 of the model's weights, or an empty string for a model without weights."""
    return model.card.files.get(WEIGHTS, "")


def read_settings(path: Path) -> Settings:
    """Return the settings in the TOML file *path*.

    Raises:
        ArchiveError: the file cannot be read, or something in it cannot be used.
    """
    return _checked(read_toml(path, "The settings file", ArchiveError), f"The settings file {path}")


def parse_settings(text: str) -> Settings:
    """Return the settings in the TOML *text*, as a manifest has them.

    Raises:
        ArchiveError: it is not TOML, or something in it cannot be used.
    """
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ArchiveError(f"The settings are not valid TOML ({error}); correct them.") from error
    return _checked(values, "The settings table")


def _checked(values: Mapping[str, Any], where: str) -> Settings:
    settings = read_table(Settings, values, where, ArchiveError)
    check_option_tables(settings.ocrmypdf, settings.superres, where)
    return settings
