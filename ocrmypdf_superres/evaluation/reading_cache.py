# SPDX-License-Identifier: MPL-2.0
"""The cache of readings, which makes a benchmark resumable.

A reading is kept under the hash of all that decides it: the page's image, languages and dpi, the condition with the name that
its noise comes from, the method, Tesseract's version and the languages' files, for the plugin also OCRmyPDF's version, the model,
the tuned networks of the languages and the plugin's own code, and for a net by itself its files and the code that runs it. So the
baselines are read once, and a new net costs only its own readings.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ocrmypdf_superres.evaluation.data.pages import Case
from ocrmypdf_superres.evaluation.language_files import reading_versions
from ocrmypdf_superres.evaluation.methods.code_digest import PLUGIN_CODE, code_digest
from ocrmypdf_superres.evaluation.methods.names import ENGINE_METHODS, PLUGIN_METHODS, PLUGIN_OPTIONS
from ocrmypdf_superres.evaluation.methods.nets import decides
from ocrmypdf_superres.evaluation.methods.peers import Peer
from ocrmypdf_superres.evaluation.methods.readings import engine_versions, ocrmypdf_version
from ocrmypdf_superres.files import atomic_write_text
from ocrmypdf_superres.modelstore.networks import AUTO, networks_for, versions_of_networks
from ocrmypdf_superres.modelstore.store import find_model

FORMAT = "3"
"""Raise it whenever a profile or a method changes its result, so that older readings are not taken."""


def versions_of(method: str, model: str, peer: Peer | None = None) -> str:
    """Return the versions that decide a method's result, besides page, languages and condition.

    Raises:
        MissingDependencyError: OCRmyPDF or an engine is not installed. ModelError: there is no such model.
        RecognizerError: a network of *peer* cannot be used.
    """
    parts: list[str] = []
    if peer is not None:
        parts += [peer.kind, peer.decides()]
    plugin = method in PLUGIN_METHODS or (peer is not None and peer.networks is not None)
    if method == "oversample" or plugin:
        parts.append(ocrmypdf_version())
    if plugin:
        found = find_model(model)
        parts += [decides(found), found.card.calibration_sha256, code_digest(PLUGIN_CODE), "with words"]
    if method in ("plugin", "plugin-stock", "plugin-checked") or method in ENGINE_METHODS:
        parts += engine_versions()
    return "\n".join(parts)


def key_of(case: Case, method: str, versions: str) -> str:
    """Return the key of what *method* reads on *case*; *versions* is what :func:`versions_of` gave for the method.

    Raises:
        MissingDependencyError, RecognizerError: Tesseract is not installed, or fails.
    """
    # The native scan does not depend on what the page is reduced to.
    condition = "" if method == "native" or not case.profile else f"{case.dpi:g}/{case.profile}/{case.page.name}"
    if case.page.line:
        condition += "/line"
    image = hashlib.sha256(Path(case.page.image).read_bytes()).hexdigest()
    read_by = reading_versions(case.page.languages)
    parts = [FORMAT, image, case.page.languages, f"{case.page.dpi:g}", condition, method, versions, read_by]
    if method in PLUGIN_METHODS and PLUGIN_OPTIONS[method].get("superres_networks") != "stock":
        parts += versions_of_networks(networks_for(AUTO, case.page.languages.split("+")))
    text = "\n".join(parts)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


@dataclass(frozen=True)
class ReadingCache:
    """Readings by key, a file each in *folder*, which exists; None keeps nothing."""

    folder: Path | None

    def load(self, key: str) -> dict[str, Any] | None:
        """Return the reading of *key*; None where there is none, or a damaged one."""
        if self.folder is None:
            return None
        try:
            reading = json.loads((self.folder / f"{key}.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        return reading if isinstance(reading, dict) and "text" in reading else None

    def save(self, key: str, reading: dict[str, Any]) -> None:
        """Keep *reading*, whole or not at all.

        Raises:
            OSError: the folder cannot be written to.
        """
        if self.folder is not None:
            atomic_write_text(self.folder / f"{key}.json", json.dumps(reading))
