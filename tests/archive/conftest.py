# SPDX-License-Identifier: MPL-2.0
"""Quiet threads."""

from __future__ import annotations

import os

import pytest


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> None:
    """Tests share small machines."""
    os.environ["OMP_THREAD_LIMIT"] = "1"
