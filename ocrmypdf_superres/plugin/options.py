# SPDX-License-Identifier: MPL-2.0
"""The plugin's options: one pydantic model, and the ``--superres-*`` arguments made from it."""

from __future__ import annotations

import argparse
import logging
from pathlib import Path
from typing import Any, Literal, get_args

from ocrmypdf.exceptions import BadArgsError
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from ocrmypdf_superres.modelstore.networks import AUTO
from ocrmypdf_superres.modelstore.store import DEFAULT_MODEL
from ocrmypdf_superres.ocr.variants import EVEN, SAUVOLA, VARIANTS
from ocrmypdf_superres.upscaling.backends.base import DEVICE
from ocrmypdf_superres.upscaling.upscaler import LEAST_TILE

log = logging.getLogger("ocrmypdf.superres")

NAMESPACE = "superres"
MOST_THREADS = 512

Trigger = Literal["auto", "dpi", "always", "off"]
UseFor = Literal["ocr", "page"]
OnError = Literal["skip", "fail"]
UnsureWords = Literal["drop", "keep"]
Verify = Literal["off", "auto", "always"]

_EVERY_VARIANT = (VARIANTS[0], SAUVOLA, EVEN, *VARIANTS[1:])
_ONE_VARIANT = "|".join(_EVERY_VARIANT)
_METAVARS = {"report": "FILE", "keep": "FOLDER", "variants": "LIST"}


class SuperresOptions(BaseModel):
    """The plugin's options, set as ``--superres-NAME`` or as ``superres_NAME=`` of ``ocrmypdf.ocr()``."""

    model_config = ConfigDict(extra="forbid", validate_assignment=True)

    model: str = Field(DEFAULT_MODEL, min_length=1, description="Name of a built-in model, or path of a model folder.")
    device: str = Field(
        "auto",
        description="Where the net runs: auto, cpu, cpu:fp32 (without 8-bit arithmetic), cuda or cuda:N. A cuda device that is "
        "missing is an error; auto logs what it chose.",
    )
    trigger: Trigger = Field(
        "auto",
        description="What decides about a page: auto (height of its text and dpi), dpi (its dpi alone), always, or off.",
    )
    below_dpi: float = Field(
        250.0, gt=0, le=2400, description="Pages of this dpi or more are enlarged only where their text is very small."
    )
    target_x_height: float = Field(20.0, ge=6, le=200, description="Height in pixels that a lower-case x should have for OCR.")
    target_dpi: float = Field(
        300.0, ge=72, le=2400, description="Resolution to reach where the height of the text is unknown or not asked for."
    )
    tile: int = Field(0, ge=0, le=8192, description="Edge of the net's tiles in pixels, at least 16; 0 chooses.")
    threads: int = Field(0, ge=0, le=MOST_THREADS, description="Threads of the net per worker; 0 means cores / jobs.")
    max_mpixels: float = Field(
        50.0, gt=0, le=2000, description="Largest enlarged page in megapixels; larger ones are enlarged less."
    )
    use_for: UseFor = Field(
        "ocr",
        description="ocr: only OCR sees the enlarged page, the visible page stays; page: deskew, clean and the "
        "visible page of modes that make it again (such as --force-ocr) get it too.",
    )
    on_error: OnError = Field(
        "skip",
        description="When something fails on a page: skip (the page is read as well as it still can be) or fail (the job ends).",
    )
    report: str | None = Field(None, description="Append one JSON line per page to this file.")
    keep: str | None = Field(
        None,
        description="Keep in this folder, for each page, the image that OCR was given (page-0001.png), what was read "
        "(page-0001.hocr) and the record (page-0001.json). With --superres-trigger off this is all that is done.",
    )
    verify: Verify = Field(
        "auto",
        description="Read several variants of a page and let them vote on its words: off, auto (only in doubt), always.",
    )
    variants: str = Field(
        ",".join(_EVERY_VARIANT),
        pattern=rf"^ *({_ONE_VARIANT})( *, *({_ONE_VARIANT}))* *$",
        description="Variants of a page that --superres-verify reads, separated by commas: net (always read, and first), "
        "sauvola (on paper that was evened out: net with local thresholds), even (on somewhat uneven paper: net evened out), "
        "blend (of net and lanczos), lanczos, as-is.",
    )

    unsure_words: UnsureWords = Field(
        "drop",
        description="Words that are more likely wrong than right, on pages without text, on pages that cannot be read, in lines "
        "up the page beside level ones, and in ink half as dark as the rest, as show-through is: drop them from the text layer, "
        "or keep them.",
    )
    engines: str = Field(
        "auto",
        pattern=r"^(auto|none|[A-Za-z0-9_-]+( *, *[A-Za-z0-9_-]+)*)$",
        description="Further OCR engines that --superres-verify asks about doubtful pages, beside the one that OCRmyPDF runs: "
        "auto (beside Tesseract RapidOCR, where it is installed and knows the languages), none, or names separated by commas, "
        "such as rapidocr-tuned (its recognizer tuned on low-resolution text, which auto takes for Latin letters) and rapidocr.",
    )

    budget: float = Field(
        1.5,
        ge=1,
        le=100,
        description="What reading a doubtful page may cost the OCR engine together, in multiples of its first reading; the most "
        "doubtful lines are read again first. Lost pages, the variant sauvola and further engines are not counted.",
    )
    networks: str = Field(
        AUTO,
        min_length=1,
        description="Networks that Tesseract reads with: auto (the ones tuned on low-resolution text, where there "
        "is one for the language and it fits the installed file), stock (the installed ones, and RapidOCR's own), or the path "
        "of a folder with networks of your own, which come before the others.",
    )

    @field_validator("tile")
    @classmethod
    def _large_enough_tile(cls, tile: int) -> int:
        """Refuse tiles that no page can be cut into."""
        if 0 < tile < LEAST_TILE:
            raise ValueError(f"input should be 0 or at least {LEAST_TILE}")
        return tile

    @field_validator("report", "keep")
    @classmethod
    def _in_home(cls, path: str | None) -> str | None:
        """Replace a leading ``~``, which no shell replaces in settings or after ``=``."""
        return path if path is None else str(Path(path).expanduser())

    @field_validator("device")
    @classmethod
    def _known_device(cls, device: str) -> str:
        """Refuse unknown devices."""
        if not DEVICE.fullmatch(device):
            raise ValueError("the device should be auto, cpu, cpu:fp32, cuda or cuda:N")
        return device

    @property
    def drops_unsure_words(self) -> bool:
        """Whether words that are more likely wrong than right are left out; never where nothing is to be done."""
        return self.unsure_words == "drop" and self.trigger != "off"

    def wanted_variants(self, uneven: bool = False, evened: bool = False) -> list[str]:
        """Return the variants that may be read after the net's, in the order in which they are read.

        *uneven* says that the page's paper is: only then is evening it out worth a reading. *evened* says that it was
        evened out before: only then are local thresholds.
        """
        named = {name.strip() for name in self.variants.split(",")}
        fitting = {EVEN: uneven, SAUVOLA: evened}
        return [name for name in _EVERY_VARIANT[1:] if name in named and fitting.get(name, True)]

    def named_engines(self) -> list[str]:
        """Return the further engines that were asked for by name, each once; none for ``auto`` and ``none``."""
        if self.engines in ("auto", "none"):
            return []
        return list(dict.fromkeys(name.strip() for name in self.engines.split(",")))


def _choices(annotation: Any) -> tuple[str, ...] | None:
    values = get_args(annotation)
    return values if values and all(isinstance(value, str) for value in values) else None


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add one ``--superres-*`` argument per field. Unset arguments stay None: the model holds the defaults."""
    group = parser.add_argument_group("Super-resolution", "Enlarge low-resolution pages with a neural net before OCR")
    for name, field in SuperresOptions.model_fields.items():
        keywords: dict[str, Any] = {"dest": f"{NAMESPACE}_{name}", "default": None}
        choices = _choices(field.annotation)
        if choices:
            keywords["choices"] = choices
        elif isinstance(field.default, int | float):
            keywords |= {"type": type(field.default), "metavar": "N"}
        else:
            keywords["metavar"] = _METAVARS.get(name, name.upper())
        default = f" Default: {field.default}." if field.default is not None else ""
        group.add_argument(f"--{NAMESPACE}-{name.replace('_', '-')}", help=(field.description or "") + default, **keywords)


def read_options(options: Any) -> SuperresOptions:
    """Return the plugin's options out of OCRmyPDF's *options*.

    Raises:
        BadArgsError: a value is outside of what its option takes; the message names option and value.
    """
    try:
        found = getattr(options, NAMESPACE)
    except ValidationError as error:
        parts = []
        for item in error.errors():
            name = str(item["loc"][0]).replace("_", "-") if item["loc"] else ""
            message = item["msg"].removeprefix("Value error, ")
            parts.append(f"--{NAMESPACE}-{name} was given {item['input']!r}: {message[:1].lower()}{message[1:]}")
        raise BadArgsError("; ".join(parts)) from error
    return SuperresOptions.model_validate(found)


def is_active(options: Any) -> bool:
    """Whether there is anything to do for the pages of a job: enlarging, or keeping what is read."""
    return options.superres.trigger != "off" or options.superres.keep is not None
