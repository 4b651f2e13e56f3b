# SPDX-License-Identifier: MPL-2.0
from __future__ import annotations

from pathlib import Path

import pytest
from nets import CONFIG, SPEC, random_net

from ocrmypdf_superres.export.onnx import export_model
from ocrmypdf_superres.modelstore.store import Model


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    """A small model with random weights."""
    folder: Path = tmp_path_factory.mktemp("engine") / "random"
    return export_model(random_net(), SPEC, CONFIG, folder, "random", description="random weights")
