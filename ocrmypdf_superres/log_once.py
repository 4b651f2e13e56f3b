# SPDX-License-Identifier: MPL-2.0
"""Messages that a process logs once, however many of its threads come upon them."""

from __future__ import annotations

import logging

from ocrmypdf_superres.processes import fork_safe_lock

_lock = fork_safe_lock()
_said: set[tuple[str, str]] = set()


def log_once(logger: logging.Logger, level: int, message: str) -> None:
    """Log *message* by *logger* the first time in this process."""
    with _lock:
        known = (logger.name, message) in _said
        _said.add((logger.name, message))
    if not known:
        logger.log(level, "%s", message)


def forget() -> None:
    """Forget what was logged, as a new process would; for tests."""
    with _lock:
        _said.clear()
