# SPDX-License-Identifier: MPL-2.0
"""CTPN, the text detector of Tian et al. (ECCV 2016), as in the public weights that Zyrek and Kawulok (2024) use.

VGG16 up to the last ReLU before its fifth pooling, a 3x3 convolution, a bidirectional GRU along each row of positions,
a 1x1 convolution (the "fully connected" layer, taken after its ReLU), and two 1x1 heads: at every position, 16 pixels
apart, ten anchors of one width and different heights get a background and a text logit, and an offset and a height.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from ocrmypdf_superres.architectures.blocks.recurrent import run_rnn
from ocrmypdf_superres.errors import RecognizerError
from ocrmypdf_superres.modelstore.published_weights import unreadable

STRIDE = 16
ANCHOR_HEIGHTS = (11, 16, 23, 33, 48, 68, 97, 139, 198, 283)
_VGG16 = (2, 2, 3, 3, 3)
# ImageNet's means and deviations, as VGG's weights expect them.
_MEANS, _DEVIATIONS = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_LEVELS = (123.68, 116.779, 103.939)


@dataclass(frozen=True)
class CTPNConfig:
    """Channels of VGG16's five blocks, the GRU's hidden size in each direction, and the deep features' channels.

    ``compat`` feeds images as the public weights were trained: 0 to 255, channels in the order BGR, minus means that
    are in the order RGB. Without it ImageNet's normalisation is used.
    """

    widths: tuple[int, ...] = (64, 128, 256, 512, 512)
    hidden: int = 128
    deep: int = 512
    compat: bool = False

    def __post_init__(self) -> None:
        if len(self.widths) != len(_VGG16) or min(*self.widths, self.hidden, self.deep) < 1:
            raise ValueError("widths must be five numbers of channels, and hidden and deep at least 1")


class CTPN(nn.Module):
    """See the module's docstring."""

    means: Tensor
    deviations: Tensor

    def __init__(self, config: CTPNConfig | None = None) -> None:
        super().__init__()
        self.config = config = config or CTPNConfig()
        layers: list[nn.Module] = []
        channels = 3
        for count, width in zip(_VGG16, config.widths, strict=True):
            for _ in range(count):
                layers += [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU(inplace=True)]
                channels = width
            layers.append(nn.MaxPool2d(2))
        self.trunk = nn.Sequential(*layers[:-1])
        self.window = nn.Conv2d(channels, channels, 3, padding=1)
        self.rows = nn.GRU(channels, config.hidden, bidirectional=True, batch_first=True)
        self.deep = nn.Conv2d(2 * config.hidden, config.deep, 1)
        self.scores = nn.Conv2d(config.deep, 2 * len(ANCHOR_HEIGHTS), 1)
        self.coordinates = nn.Conv2d(config.deep, 2 * len(ANCHOR_HEIGHTS), 1)
        for layer in (*self.trunk, self.window, self.deep):
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
                nn.init.zeros_(layer.bias)  # type: ignore[arg-type]
        for head in (self.scores, self.coordinates):
            nn.init.normal_(head.weight, std=0.01)
            nn.init.zeros_(head.bias)  # type: ignore[arg-type]
        means = [level / 255 for level in _LEVELS] if config.compat else _MEANS
        deviations = [1 / 255] * 3 if config.compat else _DEVIATIONS
        self.register_buffer("means", torch.tensor(means).reshape(1, 3, 1, 1), persistent=False)
        self.register_buffer("deviations", torch.tensor(deviations).reshape(1, 3, 1, 1), persistent=False)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return deep features (B, D, h, w), class logits and regressions (B, 20, h, w), h = H // 16, w = W // 16.

        *images*: float (B, 1 or 3, H, W) in [0, 1], H and W at least 16; grey is replicated. Channel 2a of the logits
        is anchor a's background, 2a + 1 its text; of the regressions, its offset over its height, and the logarithm of
        its height's factor.
        """
        image = images.expand(-1, 3, -1, -1) if images.shape[1] == 1 else images
        if self.config.compat:
            image = image.flip(1)
        value = torch.relu(self.window(self.trunk((image - self.means) / self.deviations)))
        batch, channels, height, width = value.shape
        steps = value.permute(0, 2, 3, 1).reshape(batch * height, width, channels)
        steps = run_rnn(self.rows, steps)
        deep = torch.relu(self.deep(steps.reshape(batch, height, width, -1).permute(0, 3, 1, 2)))
        return deep, self.scores(deep), self.coordinates(deep)

    def detect(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return what a call returns; the name of the protocol that detector losses use."""
        value: tuple[Tensor, Tensor, Tensor] = self(images)
        return value


PUBLIC_NAMES = {
    "base_layers": "trunk", "rpn.conv": "window", "brnn": "rows", "lstm_fc.conv": "deep",
    "rpn_class.conv": "scores", "rpn_regress.conv": "coordinates",
}  # fmt: skip
"""Names of the network's parts in the public weights, and here."""


def load_public(path: Path) -> CTPN:
    """Return the full CTPN with the weights of the public checkpoint *path*, frozen, in evaluation mode.

    The file is read with ``weights_only``, so that no code in it runs. Nothing is downloaded.

    Raises:
        RecognizerError: the file is missing, damaged, or of another network.
    """
    try:
        values = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise RecognizerError(
            f"The detector's weights {path} cannot be read ({error.strerror}); give the path of a file you have."
        ) from error
    except Exception as error:  # torch raises errors of many kinds for a damaged file
        raise RecognizerError(
            f"{path} is not a checkpoint of tensors alone ({unreadable(error)}); give the public CTPN weights."
        ) from error
    if isinstance(values, Mapping) and isinstance(values.get("model_state_dict"), Mapping):
        values = values["model_state_dict"]
    if not isinstance(values, Mapping) or not all(isinstance(v, Tensor) for v in values.values()):
        raise RecognizerError(f"{path} does not hold tensors by name, a state dict was expected; give the public CTPN weights.")
    state = {}
    for name, tensor in values.items():
        key = next((k for k in PUBLIC_NAMES if name.startswith(f"{k}.")), None)
        state[PUBLIC_NAMES[key] + name[len(key) :] if key else name] = tensor
    net = CTPN(CTPNConfig(compat=True))
    try:
        net.load_state_dict(state)
    except RuntimeError as error:
        reason = str(error).splitlines()[-1].strip()
        raise RecognizerError(f"{path} holds weights of another network ({reason}); give the public CTPN weights.") from error
    return net.eval().requires_grad_(False)


def anchors(height: int, width: int) -> Tensor:
    """Return the anchors of *height* x *width* positions, float (height * width * 10, 4): left, top, right, bottom.

    Row by row, position by position, anchor by anchor. As in the public code they span their width and height between
    coordinates that are inclusive, so that the height that offsets and factors refer to, bottom - top + 1, is a pixel more than
    the name of the anchor says.
    """
    heights = torch.tensor(ANCHOR_HEIGHTS, dtype=torch.float32)
    middle = (STRIDE - 1) / 2
    left, right = torch.full_like(heights, middle - STRIDE / 2), torch.full_like(heights, middle + STRIDE / 2)
    base = torch.stack([left, middle - heights / 2, right, middle + heights / 2], dim=1)
    rows, columns = torch.meshgrid(torch.arange(height) * STRIDE, torch.arange(width) * STRIDE, indexing="ij")
    shift = torch.stack([columns, rows, columns, rows], dim=2).reshape(-1, 1, 4)
    return (shift + base).reshape(-1, 4)


def by_anchor(maps: Tensor) -> Tensor:
    """Return *maps* (B, 20, h, w), class logits or regressions, as (B, h * w * 10, 2) in the order of :func:`anchors`."""
    batch = maps.shape[0]
    return maps.permute(0, 2, 3, 1).reshape(batch, -1, 2)
