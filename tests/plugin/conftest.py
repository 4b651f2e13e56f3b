# SPDX-License-Identifier: MPL-2.0
"""A net that equals Lanczos, and quiet threads."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def lanczos_net(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model folder with an untrained DocSR, which enlarges as Lanczos does."""
    from ocrmypdf_superres.architectures.docsr import SPEC, DocSRConfig
    from ocrmypdf_superres.export.onnx import export_model

    config = DocSRConfig(features=8, convolutions=2)
    folder = tmp_path_factory.mktemp("models") / "lanczos-net"
    export_model(SPEC.build(config).eval(), SPEC, config, folder, "lanczos-net", description="an untrained net")
    return folder


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> None:
    """Tests share small machines."""
    os.environ["OMP_THREAD_LIMIT"] = "1"
