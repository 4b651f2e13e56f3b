# SPDX-License-Identifier: MPL-2.0
"""Quiet threads."""

from __future__ import annotations

import os

import plugin_pages
import pytest


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> None:
    """Tests share small machines."""
    os.environ["OMP_THREAD_LIMIT"] = "1"


@pytest.fixture(params=["off", pytest.param("always", marks=pytest.mark.slow)])
def verify(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Run with pages read once, and with all their variants read."""
    monkeypatch.setattr(plugin_pages, "VERIFY", request.param)
    return str(request.param)
