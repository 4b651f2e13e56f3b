# SPDX-License-Identifier: MPL-2.0
"""Published weights as models, recognizers, detectors and weight files of this package; nothing is downloaded."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from safetensors.torch import save as safetensors_of
from torch import Tensor, nn

from ocrmypdf_superres.architectures import get
from ocrmypdf_superres.errors import OptionError
from ocrmypdf_superres.export import published_names as names
from ocrmypdf_superres.export import recognizer_names
from ocrmypdf_superres.export.onnx import export_model
from ocrmypdf_superres.files import atomic_write
from ocrmypdf_superres.modelstore.cards import check_name
from ocrmypdf_superres.modelstore.published_weights import read_tensors
from ocrmypdf_superres.modelstore.store import sha256_of
from ocrmypdf_superres.recognizers import folder as folders

Config = dict[str, Any]


@dataclass(frozen=True)
class Published:
    """What is known of a kind of published weights.

    Attributes:
        network: the architecture, or the kind of recognizer or detector, that takes them.
        source: whose they are, for the card.
        rules: give the rules of renaming for a configuration.
        config: gives the configuration that the tensors' shapes tell.
        recognizer: whether *network* is a recognizer or a detector.
    """

    network: str
    source: str
    rules: Callable[[Config], list[names.Rule]]
    config: Callable[[Mapping[str, Tensor]], Config] = field(default=lambda tensors: {})
    recognizer: bool = False


def _edsr_config(tensors: Mapping[str, Tensor]) -> Config:
    blocks = [int(found[1]) for name in tensors if (found := re.fullmatch(r"body\.(\d+)\.body\.0\.weight", name))]
    features = tensors["head.0.weight"].shape[0]
    stages = sum(bool(re.fullmatch(r"tail\.0\.\d\.weight", name)) for name in tensors)
    factor = round((tensors["tail.0.0.weight"].shape[0] / features) ** 0.5)
    # CAR and the large EDSR scale their residuals by 0.1, the baseline of 64 features does not.
    scaled = 0.1 if features > 64 else 1.0
    return {"features": features, "blocks": max(blocks) + 1, "scale": factor**stages, "channels": 3, "residual_scale": scaled}


def _trunk_config(tensors: Mapping[str, Tensor]) -> Config:
    return {"input_channels": tensors["block1.0.weight"].shape[1], "stn": any(name.startswith("stn_head.") for name in tensors)}


KINDS: dict[str, Published] = {
    "edsr": Published(
        "edsr", "EDSR (Lim et al., 2017), or CAR's (Sun and Chen, 2020)", lambda c: names.edsr(c["blocks"]), _edsr_config
    ),
    "tsrn": Published("tsrn", "TSRN of TextZoom (Wang et al., 2020)", lambda c: names.tsrn(), _trunk_config),
    "tbsrn": Published(
        "tbsrn", "TBSRN of Scene Text Telescope (Chen et al., 2021)", lambda c: names.tbsrn(),
        lambda tensors: {**_trunk_config(tensors), "compat": True},
    ),
    "lemma": Published("lemma", "LEMMA (Guo et al., 2023)", lambda c: names.lemma(), _trunk_config),
    "text-focus": Published(
        "text-focus", "the recognizer of Scene Text Telescope (Chen et al., 2021)", lambda c: recognizer_names.text_focus(),
        lambda tensors: {"compat": True}, True,
    ),
    "cdistnet": Published("cdistnet", "CDistNet (Zheng et al., 2021)", lambda c: recognizer_names.cdistnet(), recognizer=True),
    "abinet": Published("abinet", "ABINet (Fang et al., 2021)", lambda c: names.abinet(), recognizer=True),
    "crnn": Published("crnn", "CRNN (Shi et al., 2015)", lambda c: recognizer_names.crnn(), recognizer=True),
    "aster": Published("aster", "ASTER (Shi et al., 2018) in PyTorch", lambda c: recognizer_names.aster(), recognizer=True),
    "moran": Published("moran", "MORAN_v2 (Luo et al., 2019)", lambda c: recognizer_names.moran(), recognizer=True),
    "ctpn": Published("ctpn", "CTPN as in ocr.pytorch", lambda c: names.ctpn(), lambda t: {"compat": True}, True),
}  # fmt: skip
FILES: dict[str, tuple[str, ...]] = {
    "vgg19": (r"(?:.*\.)?(features\.\d+\.(?:weight|bias))",),
    "hed": (r"(?:.*)(VggOne\.[02]\.(?:weight|bias))", r"(?:.*)(ScoreOne\.(?:weight|bias))"),
    "lpips": (r"(?:.*\.)?(features\.\d+\.(?:weight|bias))", r"(?:.*\.)?(lin\d\.model\.1\.weight)"),
}
"""Networks of losses and metrics: patterns of the tensors that are used, and the name that each keeps."""
EXPECTED = {"vgg19": 32, "hed": 6, "lpips": 15}


def import_weights(kind: str, files: Sequence[Path], output: Path, name: str = "") -> Path:
    """Write the published weights in *files* as *output*; return it.

    Args:
        kind: one of :data:`KINDS`, which make the folder of a model, recognizer or detector, or of :data:`FILES`, which make one
            ``.safetensors`` file for losses and metrics.
        files: the checkpoint, read without running code in it; two for ``lpips``, AlexNet's and the metric's own.
        output: the folder or file to write.
        name: of the model; by default *output*'s.

    Raises:
        OptionError: the kind is not known, a file cannot be read, or its tensors are not those of the kind.
        ModelError, RecognizerError: *output* exists and holds something else.
    """
    if kind in FILES:
        return _import_file(kind, files, output)
    if kind not in KINDS:
        known = ", ".join(sorted([*KINDS, *FILES]))
        raise OptionError(f"Weights of the kind {kind!r} were named; give one of {known}.")
    if len(files) != 1:
        raise OptionError(f"{len(files)} files were given for {kind}, one was expected; give the checkpoint.")
    check_name(name or output.name)
    published, path = KINDS[kind], files[0]
    tensors = {key.removeprefix("module."): value for key, value in read_tensors(path).items()}
    net, config = _filled(published, kind, tensors, path)
    about = (
        f"Weights of {published.source}, imported from {path.name} (SHA-256 {sha256_of(path)}). Their licence is their authors'."
    )
    if published.recognizer:
        return folders.save(net, published.network, output, name or output.name, description=about, licence="see its source")
    spec = get(published.network)
    model = export_model(net, spec, config, output, name or output.name, description=about, licence="see its source")
    return model.folder


def _filled(published: Published, kind: str, tensors: Mapping[str, Tensor], path: Path) -> tuple[nn.Module, Any]:
    try:
        values = published.config(tensors)
        if published.recognizer:
            net, config = folders.build(published.network, values), None
        else:
            spec = get(published.network)
            config = spec.parse_config(values)
            net = spec.build(config)
        shapes = {key: tuple(value.shape) for key, value in net.state_dict().items()}
        net.load_state_dict(names.renamed(tensors, published.rules(values), shapes))
    except names.UnknownNameError as error:
        raise OptionError(
            f"{path} has a tensor {error}, which {kind} does not have; give weights of {published.source}."
        ) from error
    except (RuntimeError, KeyError, ValueError) as error:
        reason = str(error).splitlines()[-1].strip()
        raise OptionError(
            f"{path} does not hold the tensors of {kind} ({reason}); give weights of {published.source}."
        ) from error
    return net.eval(), config


def _import_file(kind: str, files: Sequence[Path], output: Path) -> Path:
    if output.suffix != ".safetensors":
        raise OptionError(f"{output} was given for {kind}, a name that ends in .safetensors was expected; correct -o.")
    kept: dict[str, Tensor] = {}
    for path in files:
        for name, tensor in read_tensors(path).items():
            for pattern in FILES[kind]:
                if found := re.fullmatch(pattern, name):
                    kept[found[1]] = tensor.contiguous()
    if len(kept) < EXPECTED[kind]:
        given = ", ".join(map(str, files))
        raise OptionError(
            f"{given} hold {len(kept)} of the {EXPECTED[kind]} tensors of {kind}; give its weights, for lpips both files."
        )
    output.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(output) as part:
        part.write_bytes(safetensors_of(kept))
    return output
