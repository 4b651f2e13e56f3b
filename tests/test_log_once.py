# SPDX-License-Identifier: MPL-2.0
"""A message is logged once, also where many threads come upon it at the same moment."""

from __future__ import annotations

import logging
import threading

import pytest

from ocrmypdf_superres.log_once import forget, log_once

LOG = logging.getLogger("ocrmypdf_superres.tests.log_once")


def test_twenty_threads_at_once(caplog: pytest.LogCaptureFixture) -> None:
    forget()
    start = threading.Barrier(20)

    def come() -> None:
        start.wait()
        log_once(LOG, logging.WARNING, "the same 100 % sentence")

    with caplog.at_level(logging.INFO, logger=LOG.name):
        threads = [threading.Thread(target=come) for _ in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        log_once(LOG, logging.INFO, "another one")
    assert [record.getMessage() for record in caplog.records] == ["the same 100 % sentence", "another one"]
