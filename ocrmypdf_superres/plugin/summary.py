# SPDX-License-Identifier: MPL-2.0
"""One line at the end of a job: what was done to its pages."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

from ocrmypdf_superres.files import append_line
from ocrmypdf_superres.ocr.second_opinion import SURE
from ocrmypdf_superres.plugin.record import PageRecord

log = logging.getLogger("ocrmypdf.superres")

JOURNAL = "superres_pages.jsonl"
"""In OCRmyPDF's working folder, which all workers share and which goes when the job ends."""
MOST_NAMED = 8


def note(record: PageRecord, folder: Path) -> None:
    """Note a page that is finished in *folder*.

    Raises:
        OSError: the disk does not take it.
    """
    append_line(folder / JOURNAL, record.to_json())


def log_summary(folder: Path) -> None:
    """Log what was done to the pages that were noted in *folder*, once; nothing where none was.

    Notes that cannot be read are a warning: the document is finished by then.
    """
    journal = folder / JOURNAL
    if not journal.is_file():
        return
    try:
        records = [PageRecord.from_json(line) for line in journal.read_text(encoding="utf-8").splitlines()]
        # OCRmyPDF may optimize twice, when a conversion to PDF/A has to be done again.
        journal.unlink()
    except (OSError, ValueError, TypeError) as error:
        log.warning("superres: the notes for the summary cannot be read: %s", error)
        return
    log.info("superres: %s", sentence(records))


def sentence(records: Sequence[PageRecord]) -> str:
    """Return the summary of *records*, of which there is at least one."""
    total = len(records)
    enlarged = sum(record.action == "enlarged" for record in records)
    again = sum(_read_again(record) for record in records)
    doubtful = [record.page for record in records if _in_doubt(record)]
    failed = [record.page for record in records if record.action == "failed" or record.faults]
    parts = [f"{enlarged} of {total} page{'s' * (total != 1)} {'was' if total == 1 else 'were'} enlarged"]
    if again:
        parts.append(f"{again} read again")
    if doubtful:
        parts.append(f"{len(doubtful)} left in doubt ({_named(doubtful)})")
    if failed:
        parts.append(f"{len(failed)} with a fault ({_named(failed)})")
    return ", ".join(parts)


def _read_again(record: PageRecord) -> bool:
    extra = record.extra
    return len(extra.get("reading_seconds", {})) > 1 or bool(extra.get("line_seconds") or extra.get("opinions"))


def _in_doubt(record: PageRecord) -> bool:
    """Whether even the best whole reading is not sure of its words; a page without text that has none leaves no doubt."""
    probabilities, words = record.extra.get("probability", {}), record.extra.get("words", {})
    if record.no_text and not any(words.values()):
        return False
    return bool(probabilities) and max(probabilities.values()) < SURE


def _named(pages: Sequence[int]) -> str:
    """Return the numbers of *pages*, the first ones where there are many."""
    shown = ", ".join(map(str, sorted(pages)[:MOST_NAMED]))
    return f"page{'s' * (len(pages) != 1)} {shown}{', ...' * (len(pages) > MOST_NAMED)}"
