# SPDX-License-Identifier: MPL-2.0
from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def random_model(tmp_path_factory):
    """A small exported model with random weights, so that nothing about it is trivial."""
    torch = pytest.importorskip("torch")
    from ocrmypdf_superres.architectures import get
    from ocrmypdf_superres.export.onnx import export_model

    torch.manual_seed(7)
    spec = get("docsr")
    config = spec.parse_config({"features": 8, "convolutions": 3})
    net = spec.build(config)
    for parameter in net.parameters():
        torch.nn.init.normal_(parameter, std=0.05)
    return export_model(net, spec, config, tmp_path_factory.mktemp("models") / "random", "random")


@pytest.fixture(scope="session")
def lanczos_net(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model folder with an untrained DocSR, which enlarges as Lanczos does."""
    from ocrmypdf_superres.architectures.page_nets.docsr import SPEC, DocSRConfig
    from ocrmypdf_superres.export.onnx import export_model

    config = DocSRConfig(features=8, convolutions=2)
    folder = tmp_path_factory.mktemp("models") / "lanczos-net"
    export_model(SPEC.build(config).eval(), SPEC, config, folder, "lanczos-net", description="an untrained net")
    return folder
