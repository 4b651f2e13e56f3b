# SPDX-License-Identifier: MPL-2.0
"""Calibration of the words that tuned networks of Tesseract read."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from ocrmypdf_superres.log_once import log_once
from ocrmypdf_superres.ocr.calibration import Calibration, CalibrationTable, lowest, parse_table, read_table, unfitted
from ocrmypdf_superres.recognizers.tesseract.networks.choice import Tuned, Untuned

log = logging.getLogger("ocrmypdf.superres")


def network_calibration(languages: Sequence[Tuned | Untuned], engine: str, model_sha256: str | None) -> Calibration:
    """Return the probabilities that hold for words of *engine* on a page that the model of *model_sha256* enlarged.

    A tuned network has a table of its own in its card, which counts where it trusts a word less than the package's; without
    one, a conservative table stands in.

    Args:
        languages: what reads each language of the page; empty where the installed networks read all of them.
        engine: name and version of the engine.
        model_sha256: see :meth:`~ocrmypdf_superres.ocr.calibration.CalibrationTable.calibration`.

    Raises:
        SuperresError: the package's own table is damaged.
    """
    stock = read_table()
    if not languages:
        return stock.calibration(engine, model_sha256)
    return lowest([_table_of(one, stock, engine, model_sha256) for one in languages])


def _table_of(language: Tuned | Untuned, stock: CalibrationTable, engine: str, model_sha256: str | None) -> Calibration:
    if isinstance(language, Untuned):
        return stock.calibration(engine, model_sha256)
    values = language.network.card.calibration
    if values:
        try:
            # Fitted on few documents, it may lower the trust in a word but not raise it, or pages in doubt are read only once.
            return lowest([parse_table(values).calibration(engine, model_sha256), stock.calibration(engine, model_sha256)])
        except (ValueError, TypeError, AttributeError) as error:
            said = f"superres: the calibration of the network {language.network.card.name} cannot be used: {error}"
            log_once(log, logging.WARNING, said)
    return unfitted(stock)
